"""What a folder of safetensors writes on the processor, what it keeps, and what is never run."""

from __future__ import annotations

import asyncio
import json
import os
import pickle
import signal
import sys
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
import tiny_folders
from asking import collect, ids_of, is_gone, text_of
from lab_loading import loaded

from fabula.core.errors import ContextExceeded, EngineDied, EngineRefused, ModelLoadFailed
from fabula.core.model import LocalModel
from fabula.core.sampling import Sampling
from fabula.core.stream import Finished, Prefill
from fabula.core.worker import Prompt
from fabula.engine.transformers_child.unpickle import unpickle
from fabula.engine.transformers_child.worker import TransformersWorker
from fabula.models.formats.folders import identify_folder

pytestmark = pytest.mark.asyncio(loop_scope="module")

FOX = "the quick brown fox jumps over the lazy dog, "
GREEDY = {"temperature": 0, "max_tokens": 12}


async def ids(worker: TransformersWorker, text: str, **sampling: Any) -> tuple[tuple[int, ...], Finished]:
    deltas, end = await collect(worker, text, **(GREEDY | sampling))  # type: ignore[arg-type]
    return ids_of(deltas), end


async def test_a_chat_that_comes_back_reads_only_what_is_new(worker: TransformersWorker) -> None:
    """Two chats take turns, and each finds its own beginning again."""
    one, two = "Of foxes. " + FOX * 6, "Of dogs. " + FOX * 6
    cold, _ = await ids(worker, one + "then")
    await ids(worker, two)
    again, end = await ids(worker, one + "then")
    _, other = await ids(worker, two + "and")
    assert again == cold
    assert end.processed_tokens < 20
    assert other.processed_tokens < 20


async def test_a_reader_who_leaves_in_the_middle_of_a_prompt_breaks_nothing(
    worker: TransformersWorker,
) -> None:
    asked = "Of stars. " + FOX * 12
    cold, _ = await ids(worker, asked)
    await ids(worker, "another thing " + FOX * 3)
    await ids(worker, "and a third thing " + FOX * 3)
    stream = worker.stream(Prompt((asked,)), Sampling(max_tokens=200, ignore_eos=True))
    async with aclosing(stream):
        assert isinstance(await anext(stream), Prefill)
    assert (await ids(worker, asked))[0] == cold


async def test_every_sampler_is_the_users_own(worker: TransformersWorker) -> None:
    every = Sampling(tfs=0.9, top_a=0.1, xtc_probability=0.5, dry_multiplier=0.5, smoothing_factor=0.2)
    effective, ignored = worker.honours(every)
    assert (ignored, effective["tfs"], effective["smoothing_factor"]) == ((), 0.9, 0.2)
    first, _ = await ids(worker, FOX, temperature=1.0, no_repeat_ngram=1, seed=3, max_tokens=30)
    assert len(set(first)) == len(first)


async def test_guidance_and_a_regex_are_kept_to(worker: TransformersWorker) -> None:
    plain, _ = await ids(worker, FOX)
    led, _ = await ids(worker, FOX, guidance_scale=3.0, negative_prompt="dog")
    assert plain != led
    deltas, _ = await collect(worker, FOX, regex="[0-9]{3}", temperature=0, max_tokens=12)  # type: ignore[arg-type]
    assert text_of(deltas).isdigit()


async def test_a_banned_text_is_gone_back_from(worker: TransformersWorker) -> None:
    deltas, _ = await collect(worker, FOX, **GREEDY)  # type: ignore[arg-type]
    banned = text_of(deltas)[2:5]
    again, end = await collect(worker, FOX, banned_strings=(banned,), **GREEDY)  # type: ignore[arg-type]
    assert banned.lower() not in text_of(again).lower()
    assert end.bans
    assert end.bans.count > 0


async def test_too_long_and_no_prompt_are_refused(worker: TransformersWorker) -> None:
    with pytest.raises(ContextExceeded):
        await ids(worker, FOX * 100)
    with pytest.raises(EngineRefused):
        await ids(worker, "")


async def test_a_killed_child_is_told_and_leaves_nothing(tiny: LocalModel, tmp_path: Path) -> None:
    worker = await loaded(tiny, tmp_path)
    stream = worker.stream(Prompt((FOX,)), Sampling(ignore_eos=True, max_tokens=400))
    await anext(stream)
    os.kill(worker.pid, signal.SIGKILL)
    with pytest.raises(EngineDied, match="SIGKILL"):
        async for _ in stream:
            pass
    assert await is_gone(worker.pid)
    await worker.close()


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        ("qwen2", {}),
        ("mistral", {"sliding_window": 16}),
        ("gemma3_text", {"head_dim": 16, "sliding_window": 16}),
    ],
    ids=["qwen2", "a sliding window", "windows and whole layers"],
)
async def test_other_architectures_write_the_same_cold_and_warm(
    lab: None, tmp_path: Path, kind: str, changes: dict[str, Any]
) -> None:
    model = identify_folder(tiny_folders.folder(tmp_path / kind, kind, **changes))
    assert (model.problem, model.architecture) == ("", kind)
    worker = await loaded(model, tmp_path)
    cold, _ = await ids(worker, FOX * 3 + "and")
    await ids(worker, FOX * 2 + "or another end")
    assert (await ids(worker, FOX * 3 + "and"))[0] == cold
    assert (await ids(worker, FOX * 3 + "and"))[0] == cold
    await worker.close()


async def test_code_that_comes_with_a_model_is_never_run(lab: None, tmp_path: Path) -> None:
    folder = tiny_folders.folder(tmp_path / "clever")
    (folder / "modeling_clever.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    config = json.loads((folder / "config.json").read_text())
    clever = {"AutoConfig": "modeling_clever.Config", "AutoModelForCausalLM": "modeling_clever.Model"}
    (folder / "config.json").write_text(json.dumps(config | {"model_type": "clever", "auto_map": clever}))
    with pytest.raises(ModelLoadFailed, match="code that comes with the model"):
        await loaded(identify_folder(folder), tmp_path)
    assert not (tmp_path / "ran").exists()


async def test_a_broken_folder_is_refused_with_the_reason(lab: None, tmp_path: Path) -> None:
    folder = tiny_folders.folder(tmp_path / "broken")
    (folder / "tokenizer.json").write_text("{}")
    with pytest.raises(ModelLoadFailed, match="tokenizer"):
        await loaded(identify_folder(folder), tmp_path)


async def test_pickles_are_converted_by_a_process_that_opens_only_tensors(lab: None, tmp_path: Path) -> None:
    import torch
    from safetensors.torch import load_file

    folder = tiny_folders.folder(tmp_path / "old")
    weights = load_file(folder / "model.safetensors")
    torch.save(weights, folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    assert identify_folder(folder).problem == "models.problem.pickle"
    module = "fabula.engine.transformers_child.unpickle"
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", module, str(folder), str(tmp_path / "new")
    )
    assert await child.wait() == 0
    made = load_file(tmp_path / "new" / "model.safetensors")
    assert all(torch.equal(made[name], weights[name]) for name in weights)
    assert identify_folder(tmp_path / "new").problem == ""


class Bomb:
    def __reduce__(self) -> Any:
        return os.mkdir, ("bombed",)


async def test_a_pickle_that_wants_more_is_not_opened(
    lab: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "evil").mkdir()
    (tmp_path / "evil" / "pytorch_model.bin").write_bytes(pickle.dumps({"w": Bomb()}, protocol=2))
    with pytest.raises(ModelLoadFailed, match="more than tensors"):
        unpickle(tmp_path / "evil", tmp_path / "new")
    assert not (tmp_path / "bombed").exists()
