"""Banned texts with the real engine over HTTP: none is left, and what makes going back hard is handled."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import pytest
import pytest_asyncio
import regex
from asking import collect, ids_of, plan_for, text_of

from bench import tiny_models
from fabula.core.errors import BansWithForm
from fabula.core.model import LocalModel
from fabula.core.request import Context
from fabula.core.sampling import Sampling
from fabula.core.stream import Finished, Prefill, Token
from fabula.core.worker import Prompt
from fabula.engine.cache.shelf import Shelf
from fabula.engine.llamacpp.worker import LlamaCppWorker

pytestmark = pytest.mark.asyncio(loop_scope="module")

PROMPT = "<|im_start|>user\nTell me a story of the sea.<|im_end|>\n<|im_start|>assistant\n"
WORDS = tuple(f" {word}" for word in ("the", "a", "of", "and", "was", "in", "her", "his", "they", "it"))
PHRASES = ("once upon", "the sea", "there was", "little girl", "a time", "of the")
PATTERNS = (r"\bs\w+a\b", r"[,;] (?:and|but)\b", r"\d+")
IM_START = 1  # the starter's id of <|im_start|>
EMOJI = "<|im_start|>user\nWrite ten emojis 😀🎉.<|im_end|>\n<|im_start|>assistant\n😀🎉😀🎉😀"
CHINESE = "<|im_start|>user\n说中文。<|im_end|>\n<|im_start|>assistant\n你好，我是"


def left_in(text: str, strings: tuple[str, ...], patterns: tuple[str, ...] = ()) -> list[str]:
    found = [string for string in strings if string.casefold() in text.casefold()]
    return found + [pattern for pattern in patterns if regex.search(pattern, text, regex.IGNORECASE)]


async def by_force(
    worker: LlamaCppWorker, strings: tuple[str, ...], length: int, **more: float
) -> tuple[list[int], str]:
    """The likeliest token again and again, the whole text searched each time; slow, and easy to believe.

    As in a draft, a token that was shown stays: the next one has to be another then.
    """
    asked = await worker.tokenize(Prompt((PROMPT,)))
    ids: list[int] = []
    pieces: list[str] = []
    shown = 0
    forbidden: dict[int, set[int]] = {}
    while len(ids) < length:
        bias = [[id, False] for id in forbidden.get(len(ids), ())]
        body = {
            "prompt": asked + ids,
            "n_predict": 1,
            "temperature": 0,
            "logit_bias": bias,
            "top_k": 1,
            **more,
        }
        answer = await worker._post("/completion", body | {"return_tokens": True, "cache_prompt": True})
        if answer["stop_type"] == "eos":
            break
        ids += answer["tokens"]
        pieces.append(answer["content"])
        text = "".join(pieces).casefold()
        ends = [len("".join(pieces[: k + 1])) for k in range(len(pieces))]
        starts = [text.find(string) for string in strings if string in text]
        if starts:
            place = max(shown, next(k for k, end in enumerate(ends) if end > min(starts)))
            forbidden = {at: tried for at, tried in forbidden.items() if at <= place}
            forbidden.setdefault(place, set()).add(ids[place])
            del ids[place:], pieces[place:]
            continue
        begun = (at for at in range(len(text)) if any(s.startswith(text[at:]) for s in strings))
        held = min(begun, default=len(text))
        shown = max(shown, sum(end <= held for end in ends))
    return ids, "".join(pieces)


@pytest.mark.parametrize("strings", [WORDS, PHRASES, ("e ",)])
async def test_at_temperature_zero_it_is_what_brute_force_writes(
    worker: LlamaCppWorker, strings: tuple[str, ...]
) -> None:
    deltas, end = await collect(worker, PROMPT, temperature=0, max_tokens=32, banned_strings=strings)
    expected, text = await by_force(worker, strings, 32)
    assert (ids_of(deltas), text_of(deltas)) == (tuple(expected), text)
    assert end.bans
    assert end.bans.count > 0


async def test_penalties_see_what_was_written_before_the_cut(worker: LlamaCppWorker) -> None:
    """The engine builds them anew from the tokens of the prompt, at each request."""
    asked = {"temperature": 0, "max_tokens": 28, "banned_strings": WORDS}
    deltas, _ = await collect(worker, PROMPT, repetition_penalty=1.4, presence_penalty=0.5, **asked)
    without, _ = await collect(worker, PROMPT, **asked)
    penalties = {"repeat_penalty": 1.4, "repeat_last_n": 64, "presence_penalty": 0.5}
    _, text = await by_force(worker, WORDS, 28, **penalties)
    assert text_of(deltas) == text
    assert text_of(deltas) != text_of(without)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("prompt", [PROMPT, EMOJI, CHINESE])
async def test_nothing_banned_is_left(worker: LlamaCppWorker, seed: int, prompt: str) -> None:
    strings = (*WORDS, *PHRASES, "😀", "🎉", "ß", "你", "是")
    asked = {"temperature": 1.2, "seed": seed, "max_tokens": 40}
    deltas, end = await collect(
        worker, prompt, banned_strings=strings, banned_regexes=PATTERNS, ignore_eos=True, **asked
    )
    assert end.bans
    left = left_in(text_of(deltas), strings, PATTERNS)
    assert not left or end.bans.unavoided, left
    assert end.completion_tokens == 40


async def test_a_rewrite_reads_a_token_and_no_more(worker: LlamaCppWorker) -> None:
    long = "<|im_start|>user\n" + "The sea is wide. " * 60 + "<|im_end|>\n<|im_start|>assistant\n"
    _, end = await collect(worker, long, seed=3, max_tokens=40, banned_strings=WORDS)
    assert end.bans
    assert end.bans.count >= 3
    assert end.bans.reread_tokens <= 2 * end.bans.count  # one for the other token, one for the rest
    assert end.bans.wasted_tokens >= end.bans.count


async def test_the_progress_of_reading_is_told_once(worker: LlamaCppWorker) -> None:
    deltas, end = await collect(worker, PROMPT, temperature=0, max_tokens=24, banned_strings=WORDS)
    steps = [delta for delta in deltas if isinstance(delta, Prefill)]
    assert {step.total for step in steps} == {end.prompt_tokens}
    assert end.reused_tokens + end.processed_tokens == end.prompt_tokens


async def test_the_same_seed_writes_the_same(worker: LlamaCppWorker) -> None:
    asked = {"temperature": 1.5, "top_k": 0, "seed": 11, "max_tokens": 40, "banned_strings": WORDS}
    one, _ = await collect(worker, PROMPT, **asked)
    other, _ = await collect(worker, PROMPT, **asked)
    assert text_of(one) == text_of(other)


async def test_each_request_draws_another_random_number(
    worker: LlamaCppWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    seeds = await seeds_of(worker, monkeypatch, seed=7)
    assert len(seeds) > 4
    assert len(set(seeds)) == len(seeds)


async def seeds_of(worker: LlamaCppWorker, monkeypatch: pytest.MonkeyPatch, seed: int) -> list[int]:
    asked, ask = [], worker._ask

    def noted(path, body, *more):  # type: ignore[no-untyped-def]
        if path == "/completion":
            asked.append(body["seed"])
        return ask(path, body, *more)

    monkeypatch.setattr(worker, "_ask", noted)
    await collect(worker, PROMPT, seed=seed, max_tokens=24, banned_strings=WORDS)
    return asked


async def test_nothing_that_was_shown_is_taken_back(worker: LlamaCppWorker) -> None:
    """A match can begin inside a token, so tokens are shown whole or not at all."""
    deltas, _ = await collect(worker, PROMPT, temperature=0, max_tokens=32, banned_strings=("e ", " s"))
    text = text_of(deltas)
    assert not left_in(text, ("e ", " s"))
    assert await worker.detokenize(ids_of(deltas)) == text


@pytest.mark.parametrize("stop", ["sea", "e", ". ", "er"])
async def test_a_stop_string_is_seen_over_the_cut(worker: LlamaCppWorker, stop: str) -> None:
    for seed in range(2):
        deltas, end = await collect(
            worker, PROMPT, seed=seed, max_tokens=40, banned_strings=WORDS, stop=(stop,)
        )
        text = text_of(deltas)
        assert stop not in text
        assert not left_in(text, WORDS)
        assert (end.reason, end.stop_string) in {("stop", stop), ("stop", ""), ("length", "")}


async def test_without_a_match_it_is_what_it_was_without_bans(worker: LlamaCppWorker) -> None:
    plain, usual = await collect(worker, PROMPT, seed=5, max_tokens=32)
    banned, end = await collect(worker, PROMPT, seed=5, max_tokens=32, banned_strings=("zyzzyva",))
    assert (text_of(banned), ids_of(banned)) == (text_of(plain), ids_of(plain))
    assert (end.reason, end.completion_tokens) == (usual.reason, usual.completion_tokens)
    assert end.bans
    assert (end.bans.count, end.bans.wasted_tokens) == (0, 0)


async def test_what_cannot_be_avoided_passes_and_is_told(worker: LlamaCppWorker) -> None:
    biased = ((28, 100.0),)
    deltas, end = await collect(
        worker, PROMPT, max_tokens=2, logit_bias=biased, banned_regexes=("[\\s\\S]",), temperature=0
    )
    assert end.bans
    assert end.bans.unavoided == tuple(text_of(deltas)) or len(end.bans.unavoided) >= 2
    assert end.bans.count == 40


@pytest.mark.parametrize("form", [{"grammar": 'root ::= "the"'}, {"json_schema": True}, {"regex": "the"}])
async def test_a_form_and_bans_are_refused(worker: LlamaCppWorker, form: dict[str, object]) -> None:
    with pytest.raises(BansWithForm) as refused:
        await collect(worker, PROMPT, banned_strings=("x",), **Sampling.of(form).changed())
    assert refused.value.form in refused.value.sentence()


async def test_a_grammar_that_only_tool_calls_begin_goes_with_bans(worker: LlamaCppWorker) -> None:
    prompt = Prompt((PROMPT,), triggers=("<tool_call>",), shown=("<tool_call>",))
    sampling = Sampling(grammar='root ::= "<tool_call>" "x"', banned_strings=WORDS, max_tokens=20, seed=1)
    *deltas, end = [delta async for delta in worker.stream(prompt, sampling)]
    assert isinstance(end, Finished)
    assert not left_in(text_of(deltas), WORDS)


async def test_tags_of_reasoning_are_not_banned_with_its_words(worker: LlamaCppWorker) -> None:
    """The tag is one token here, as in models that were trained to think."""
    forced = ((IM_START, 100.0),)
    prompt = Prompt((PROMPT,), shown=("<|im_start|>",))
    sampling = Sampling(logit_bias=forced, banned_strings=("im_start", "<|"), max_tokens=2, ignore_eos=True)
    *deltas, end = [delta async for delta in worker.stream(prompt, sampling)]
    assert text_of(deltas) == "<|im_start|><|im_start|>"
    assert isinstance(end, Finished)
    assert end.bans
    assert end.bans.count == 0


async def test_log_probabilities_are_those_of_what_is_shown(worker: LlamaCppWorker) -> None:
    deltas, end = await collect(
        worker, PROMPT, seed=2, max_tokens=24, banned_strings=WORDS, logprobs=2, ignore_eos=True
    )
    tokens = [delta for delta in deltas if isinstance(delta, Token)]
    assert end.bans
    assert end.bans.count > 0
    assert "".join(token.chosen.text for token in tokens if token.chosen) == text_of(deltas)
    assert all(token.chosen and token.chosen.id == token.ids[0] for token in tokens)


@pytest.mark.parametrize(
    ("field", "note"), [({"mirostat": 2}, "mirostat"), ({"adaptive_target": 0.3}, "adaptive_p")]
)
async def test_what_begins_anew_is_told(worker: LlamaCppWorker, field: dict[str, float], note: str) -> None:
    deltas, end = await collect(worker, PROMPT, seed=1, max_tokens=32, banned_strings=WORDS, **field)
    assert not left_in(text_of(deltas), WORDS)
    assert end.bans
    assert note in end.bans.notes


async def test_it_can_be_left_at_any_time(worker: LlamaCppWorker) -> None:
    sampling = Sampling(max_tokens=400, banned_strings=WORDS, ignore_eos=True)
    for place in (1, 7, 30):
        async with aclosing(worker.stream(Prompt((PROMPT,)), sampling)) as deltas:
            seen = 0
            async for delta in deltas:
                seen += isinstance(delta, Token)
                if seen >= place:
                    break
    _, end = await collect(worker, PROMPT, temperature=0, max_tokens=4)
    assert end.completion_tokens == 4


async def test_the_next_turn_finds_the_whole_reply_in_its_slot(worker: LlamaCppWorker) -> None:
    chat = Context(chat_id="bans", purpose="chat")
    sampling = Sampling(seed=4, max_tokens=24, banned_strings=WORDS)
    *deltas, _ = [delta async for delta in worker.stream(Prompt((PROMPT,)), sampling, chat)]
    asked = (*await worker.tokenize(Prompt((PROMPT,))), *ids_of(deltas), 198)
    ending = Sampling(max_tokens=1)
    *_, end = [delta async for delta in worker.stream(Prompt((asked,), add_special=False), ending, chat)]
    assert isinstance(end, Finished)
    assert end.processed_tokens <= 2


async def test_a_full_context_ends_it(model: LocalModel, tmp_path: Path) -> None:
    small = LlamaCppWorker(tmp_path / "logs")
    await small.load(model, plan_for(model, context=512))
    try:
        asked = (tuple(await small.tokenize(Prompt(("The sea is wide. " * 120,))))[:490],)
        sampling = Sampling(banned_strings=WORDS, ignore_eos=True, seed=1)
        *_, end = [delta async for delta in small.stream(Prompt(asked, add_special=False), sampling)]
        assert isinstance(end, Finished)
        assert (end.reason, end.prompt_tokens + end.completion_tokens <= 512) == ("length", True)
    finally:
        await small.close()


@pytest_asyncio.fixture(params=tiny_models.KINDS, loop_scope="module")
async def one_way(
    request: pytest.FixtureRequest, starter_model: Path, tmp_path: Path
) -> AsyncIterator[LlamaCppWorker]:
    path = tiny_models.write(request.param, tmp_path / f"{request.param}.gguf", starter_model)
    model = LocalModel(name=request.param, path=path, size=path.stat().st_size)
    worker = LlamaCppWorker(tmp_path / "logs", shelf=Shelf(tmp_path / "kv", 1 << 30))
    await worker.load(model, plan_for(model, context=4096))
    yield worker
    await worker.close()


async def test_models_that_cannot_go_back_read_more_and_say_so(one_way: LlamaCppWorker) -> None:
    asked = Sampling(temperature=0, max_tokens=12, ignore_eos=True)
    plain, _ = await collect(one_way, PROMPT, **dataclasses.asdict(asked))
    banned = (text_of(plain)[4:8],)
    deltas, end = await collect(
        one_way, PROMPT, temperature=0, max_tokens=12, ignore_eos=True, banned_strings=banned
    )
    assert not left_in(text_of(deltas), banned)
    assert end.bans
    assert "no_way_back" in end.bans.notes
