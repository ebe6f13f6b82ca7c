"""LoRA adapters in the real engine: scales per request, and nothing read at another scale is ever trusted."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from adapter_making import changes_of, write_gguf
from adapting import STORY, Logprobs, ask, distance, loaded

from bench import tiny_models
from fabula.core.errors import AdapterUnusable
from fabula.core.model import LocalModel
from fabula.core.request import ANYONE, Context
from fabula.core.sampling import Sampling
from fabula.core.stream import Finished
from fabula.core.worker import TakesAdapters
from fabula.engine.llamacpp import soundness
from fabula.models.formats.identify import identify

A, B = Context(chat_id="A", purpose="chat"), Context(chat_id="B", purpose="chat")
LIKE = 1e-3  # nats by which the same prompt may differ when it is read in the same pieces
NEAR = 5e-3  # the same for models of F32, in whatever pieces
UNLIKE = 0.05  # nats by which texts of different scales differ at least somewhere


@pytest.fixture(scope="session")
def folder(starter_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The adapters `one` (rank 1) and `eight` (rank 8), strong enough to be seen."""
    made = tmp_path_factory.mktemp("adapters")
    write_gguf(made / "one.gguf", changes_of(starter_model, ("attn_output", "ffn_down"), 1, "one"))
    write_gguf(made / "eight.gguf", changes_of(starter_model, ("attn_v",), 8, "eight"), alpha=8)
    return made


class References:
    """What a new process answers that has read nothing before, and what it answers when asked again.

    The engine's numbers depend on how many tokens it reads at once, so a prompt that was reused is compared
    with one that was reused.
    """

    def __init__(self, model: LocalModel, folder: Path, kv: Path) -> None:
        self.model, self.folder, self.kv = model, folder, kv
        self.known: dict[tuple[str, str], list[tuple[Logprobs, Finished]]] = {}

    async def check(self, answer: tuple[Logprobs, Finished], text: str, **scales: float) -> None:
        key = (text, f"{sorted(scales.items())}")
        if key not in self.known:
            async with loaded(self.model, self.folder, self.kv / f"{len(self.known)}") as worker:
                self.known[key] = [await ask(worker, text, **scales) for _ in range(2)]
        logprobs, facts = answer
        own, _ = self.known[key][facts.reused_tokens > 0]
        assert distance(logprobs, own) < LIKE, (scales, facts)


@pytest.fixture(scope="module")
def references(model: LocalModel, folder: Path, tmp_path_factory: pytest.TempPathFactory) -> References:
    return References(model, folder, tmp_path_factory.mktemp("references"))


async def test_all_at_zero_is_the_model_itself(model: LocalModel, folder: Path, tmp_path: Path) -> None:
    async with loaded(model, None, tmp_path / "bare") as worker:
        bare, _ = await ask(worker, STORY["Ada"])
        assert worker.adapters == ()
    async with loaded(model, folder, tmp_path / "with") as worker:
        silent, facts = await ask(worker, STORY["Ada"])
        assert isinstance(worker, TakesAdapters)
        assert worker.adapters == ("one", "eight")
    assert silent == bare
    assert facts.effective["adapters"] == {"one": 0.0, "eight": 0.0}


async def test_every_scale_writes_its_own_and_two_add_up(
    model: LocalModel, folder: Path, tmp_path: Path
) -> None:
    async with loaded(model, folder, tmp_path) as worker:
        answers = [(await ask(worker, STORY["Ada"], one=scale))[0] for scale in (-1.0, 0.0, 0.5, 1.0, 2.0)]
        answers.append((await ask(worker, STORY["Ada"], eight=1.0))[0])
        answers.append((await ask(worker, STORY["Ada"], one=1.0, eight=1.0))[0])
    for number, answer in enumerate(answers):
        assert all(distance(answer, other) > UNLIKE for other in answers[number + 1 :]), number


async def test_what_a_request_does_not_name_has_its_usual_scale(
    model: LocalModel, folder: Path, tmp_path: Path
) -> None:
    async with loaded(model, folder, tmp_path) as worker:
        await ask(worker, STORY["Ada"], one=1.0)
        asked, _ = await ask(worker, STORY["Ada"], one=1.0)
        worker._attached.scales["one"] = 1.0
        usual, facts = await ask(worker, STORY["Ada"])
    assert distance(asked, usual) < LIKE
    assert facts.effective["adapters"] == {"one": 1.0, "eight": 0.0}


async def test_an_adapter_that_is_not_attached_is_told_as_ignored(
    model: LocalModel, folder: Path, tmp_path: Path
) -> None:
    async with loaded(model, folder, tmp_path) as worker:
        effective, ignored = worker.honours(Sampling(adapters=(("other", 1.0), ("one", 0.5))))
    assert ignored == ("adapters.other",)
    assert effective["adapters"] == {"one": 0.5, "eight": 0.0}


# ── nothing that was read at another scale is trusted ───────────────────────────────────────────────


@pytest.mark.parametrize("slots", [1, 2])
async def test_there_and_back_again(
    model: LocalModel, folder: Path, tmp_path: Path, references: References, slots: int
) -> None:
    """The engine's own memory of prompts would bring back a state of another scale; it is off."""
    scales = [{"one": 1.0}, {}, {"one": 1.0}, {"one": 1.0, "eight": 1.0}, {"one": 0.5}, {}, {"one": 1.0}]
    async with loaded(model, folder, tmp_path / "one", slots=slots) as worker:
        for wanted in scales:
            for context in (A, B, ANYONE)[: slots + 1]:
                answer = await ask(worker, STORY["Ada"], context, **wanted)
                await references.check(answer, STORY["Ada"], **wanted)


@pytest.mark.parametrize("chats", [(A, B), (ANYONE, ANYONE)], ids=["chats", "anyone"])
async def test_what_another_prompt_pushed_out_comes_back_only_at_its_own_scale(
    model: LocalModel, folder: Path, tmp_path: Path, references: References, chats: tuple[Context, Context]
) -> None:
    async with loaded(model, folder, tmp_path / "kv") as worker:
        await ask(worker, STORY["Ada"], chats[0], one=1.0)
        await ask(worker, STORY["Bea"], chats[1])
        answer = await ask(worker, STORY["Ada"], chats[0])  # the slot's scale is 0 already
    assert answer[1].reused_tokens == 0
    await references.check(answer, STORY["Ada"])


async def test_a_saved_state_is_only_for_its_own_scales(
    model: LocalModel, folder: Path, tmp_path: Path, references: References
) -> None:
    async with loaded(model, folder, tmp_path / "kv") as worker:
        await ask(worker, STORY["Ada"], A, one=1.0)
    async with loaded(model, folder, tmp_path / "kv") as worker:
        other = await ask(worker, STORY["Ada"], A)
        back = await ask(worker, STORY["Ada"], A, one=1.0)
    read_anew, from_disk = other[1], back[1]
    assert read_anew.reused_tokens == 0
    assert (from_disk.cache, from_disk.cache_reason) == ("disk", "")
    assert from_disk.processed_tokens <= 4
    await references.check(other, STORY["Ada"])
    await references.check(back, STORY["Ada"], one=1.0)


async def test_a_moved_slider_says_why_all_was_read_again_and_moving_it_back_does_not(
    model: LocalModel, folder: Path, tmp_path: Path
) -> None:
    async with loaded(model, folder, tmp_path) as worker:
        _, first = await ask(worker, STORY["Ada"], A, one=1.0)
        _, same = await ask(worker, STORY["Ada"], A, one=1.0)
        _, moved = await ask(worker, STORY["Ada"], A, one=0.5)
        _, back = await ask(worker, STORY["Ada"], A, one=1.0)
    assert first.cache_reason == "first"
    assert (same.cache, same.cache_reason) == ("slot", "")
    assert (moved.cache, moved.cache_reason, moved.reused_tokens) == ("none", "rescaled", 0)
    assert (back.cache, back.cache_reason) == ("disk", "")
    assert back.processed_tokens <= 4


async def test_two_chats_of_different_scales_keep_their_slots(
    model: LocalModel, folder: Path, tmp_path: Path, references: References
) -> None:
    async with loaded(model, folder, tmp_path / "kv", slots=3) as worker:
        for _ in range(2):
            ada = await ask(worker, STORY["Ada"], A, one=1.0)
            bea = await ask(worker, STORY["Bea"], B, eight=1.0)
    assert (ada[1].cache, bea[1].cache) == ("slot", "slot")
    await references.check(ada, STORY["Ada"], one=1.0)
    await references.check(bea, STORY["Bea"], eight=1.0)


async def test_chats_of_different_scales_on_one_slot(
    model: LocalModel, folder: Path, tmp_path: Path, references: References
) -> None:
    async with loaded(model, folder, tmp_path / "kv") as worker:
        for _ in range(2):
            ada = await ask(worker, STORY["Ada"], A, one=1.0)
            bea = await ask(worker, STORY["Bea"], B, eight=1.0)
    assert (ada[1].cache, bea[1].cache) == ("disk", "disk")
    await references.check(ada, STORY["Ada"], one=1.0)
    await references.check(bea, STORY["Bea"], eight=1.0)


async def test_another_adapter_under_an_old_name_finds_no_old_state(
    model: LocalModel, folder: Path, starter_model: Path, tmp_path: Path
) -> None:
    own = tmp_path / "adapters"
    own.mkdir()
    for seed in ("before", "after"):
        write_gguf(own / "one.gguf", changes_of(starter_model, ("attn_v",), 1, seed))
        async with loaded(model, own, tmp_path / "kv", names=("one",)) as worker:
            _, facts = await ask(worker, STORY["Ada"], A, one=1.0)
        assert facts.reused_tokens == 0


# ── models that cannot go back keep checkpoints, which belong to a scale too ────────────────────────


@pytest.mark.parametrize("kind", tiny_models.KINDS)
async def test_a_checkpoint_is_only_for_its_own_scale(kind: str, starter_model: Path, tmp_path: Path) -> None:
    path = tiny_models.write(kind, tmp_path / f"{kind}.gguf", starter_model)
    changed = ("ffn_down", "channel_mix_value")
    write_gguf(tmp_path / "one.gguf", changes_of(path, changed, 1, kind), general__architecture=kind)
    model, names = identify(path), ("one",)
    scales = ({"one": 2.0}, {}, {"one": 2.0}, {"one": -2.0}, {})
    wanted = {}
    for number, scale in enumerate(scales[:2] + scales[3:4]):
        async with loaded(model, tmp_path, tmp_path / f"{number}", names=names) as worker:
            wanted[str(scale)], _ = await ask(worker, STORY["Ada"], A, **scale)
    async with loaded(model, tmp_path, tmp_path / "kv", names=names) as worker:
        for scale in scales:
            for text in (STORY["Ada"] + "and on", STORY["Bea"], STORY["Ada"]):
                answer, _ = await ask(worker, text, A, **scale)
            assert distance(answer, wanted[str(scale)]) < NEAR, scale
    others = [distance(wanted[str({})], wanted[key]) for key in wanted if key != str({})]
    assert min(others) > 10 * NEAR


# ── adapters that make no numbers ───────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("number", [math.nan, 3e38])
async def test_an_adapter_that_makes_no_numbers_is_told_by_its_name(
    model: LocalModel, folder: Path, tmp_path: Path, number: float
) -> None:
    changes = changes_of(model.path, ("ffn_down",), 1, "one")
    name, (first, second) = next(iter(changes.items()))
    changes[name] = ([[number] * len(first[0])], [[3e38]] * len(second))
    write_gguf(tmp_path / "broken.gguf", changes)
    (tmp_path / "one.gguf").symlink_to(folder / "one.gguf")
    for _ in range(2):
        with pytest.raises(AdapterUnusable) as refused:
            async with loaded(model, tmp_path, tmp_path / "kv", names=("one", "broken")):
                pass
        assert (refused.value.adapter, refused.value.reason.key) == ("broken", "models.adapter.no_numbers")


async def test_trying_an_adapter_costs_no_state_that_was_kept_without_it(
    model: LocalModel, folder: Path, tmp_path: Path
) -> None:
    async with loaded(model, folder, tmp_path / "kv") as worker:
        await ask(worker, STORY["Ada"], A)
    (tmp_path / "kv" / "logs" / soundness.FILE).unlink()  # they are tried again
    async with loaded(model, folder, tmp_path / "kv") as worker:
        _, back = await ask(worker, STORY["Ada"], A)
    assert (back.cache, back.processed_tokens) == ("disk", 1)
