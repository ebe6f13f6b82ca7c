"""Models that cannot go back in their memory, made on the spot: going on, a swipe and an edit stay cheap."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from asking import plan_for

from bench import tiny_models
from fabula.core.model import LocalModel
from fabula.core.request import Context
from fabula.core.sampling import Sampling
from fabula.core.stream import Finished, Prefill, Token
from fabula.core.worker import Prompt
from fabula.engine.cache.shelf import Shelf
from fabula.engine.llamacpp.worker import LlamaCppWorker

CHAT = Context(chat_id="A", purpose="chat")
OTHER = Context(chat_id="B", purpose="chat")
OPENING = "<|im_end|>\n<|im_start|>user"
ANSWER = "<|im_end|>\n<|im_start|>assistant\n"
GAP = "\n"


@pytest.fixture(params=tiny_models.KINDS)
async def worker(
    request: pytest.FixtureRequest, starter_model: Path, tmp_path: Path
) -> AsyncIterator[LlamaCppWorker]:
    path = tiny_models.write(request.param, tmp_path / f"{request.param}.gguf", starter_model)
    model = LocalModel(name=request.param, path=path, size=path.stat().st_size)
    worker = LlamaCppWorker(tmp_path / "logs", shelf=Shelf(tmp_path / "kv", 1 << 30))
    await worker.load(model, plan_for(model, context=4096))
    yield worker
    await worker.close()


def words(number: int, count: int = 100) -> tuple[int, ...]:
    """One message's ids, unlike any other's."""
    return tuple((place * 37 + number * 101) % 20_000 + 200 for place in range(count))


async def prompt_of(worker: LlamaCppWorker, messages: list[tuple[int, ...]]) -> tuple[int, ...]:
    """User and assistant take turns, and the assistant is next."""
    opening, answer, gap = [
        tuple(await worker.tokenize(Prompt((text,), add_special=False))) for text in (OPENING, ANSWER, GAP)
    ]
    parts = [(answer if index % 2 else opening + gap) + text for index, text in enumerate(messages)]
    return sum(parts, start=()) + answer


async def ask(
    worker: LlamaCppWorker, ids: tuple[int, ...], context: Context = CHAT
) -> tuple[tuple[int, ...], Finished, list[Prefill]]:
    sampling = Sampling(max_tokens=5, temperature=0, ignore_eos=True)
    prompt = Prompt((ids,), add_special=False, openings=(OPENING,))
    *deltas, last = [delta async for delta in worker.stream(prompt, sampling, context)]
    assert isinstance(last, Finished)
    reply = tuple(id for delta in deltas if isinstance(delta, Token) for id in delta.ids)
    return reply, last, [delta for delta in deltas if isinstance(delta, Prefill)]


MESSAGES = [words(number) for number in range(15)]


async def test_going_on_is_cheap(worker: LlamaCppWorker) -> None:
    asked = await prompt_of(worker, MESSAGES)
    reply, cold, progress = await ask(worker, asked)
    assert (cold.reused_tokens, cold.processed_tokens) == (0, len(asked))
    assert [step.processed for step in progress] == sorted(step.processed for step in progress)
    assert {step.total for step in progress} == {len(asked)}
    _, swipe, _ = await ask(worker, asked)
    assert swipe.processed_tokens <= 5
    _, next_turn, _ = await ask(worker, await prompt_of(worker, [*MESSAGES, reply, words(50, 30)]))
    assert next_turn.processed_tokens <= 60


async def test_an_edit_reads_from_the_message_on(worker: LlamaCppWorker) -> None:
    await ask(worker, await prompt_of(worker, MESSAGES))
    last = [*MESSAGES[:14], words(60)]
    _, edited, _ = await ask(worker, await prompt_of(worker, last))
    assert edited.processed_tokens <= 120
    middle = [*MESSAGES[:8], words(61), *MESSAGES[9:]]
    asked = await prompt_of(worker, middle)
    _, edited, _ = await ask(worker, asked)
    changed = sum(len(message) + 10 for message in middle[8:])
    assert edited.processed_tokens <= changed + 300  # the checkpoint before it is at most a step away
    assert edited.cache == "slot"


async def test_checkpoints_come_back_from_the_disk(worker: LlamaCppWorker) -> None:
    await ask(worker, await prompt_of(worker, MESSAGES))
    await ask(worker, await prompt_of(worker, [words(70, 300)]), OTHER)
    _, swipe, _ = await ask(worker, await prompt_of(worker, MESSAGES))
    assert (swipe.cache, swipe.processed_tokens <= 5) == ("disk", True)
    _, edited, _ = await ask(worker, await prompt_of(worker, [*MESSAGES[:14], words(60)]))
    assert edited.processed_tokens <= 120


async def test_the_next_turn_is_cheap_after_the_disk_too(worker: LlamaCppWorker) -> None:
    reply, _, _ = await ask(worker, await prompt_of(worker, MESSAGES))
    await ask(worker, await prompt_of(worker, [words(70, 300)]), OTHER)
    _, next_turn, _ = await ask(worker, await prompt_of(worker, [*MESSAGES, reply, words(51, 30)]))
    assert next_turn.cache == "disk"
    assert next_turn.processed_tokens <= 50


async def test_stepped_reading_changes_no_word(worker: LlamaCppWorker) -> None:
    asked = await prompt_of(worker, MESSAGES)
    stepped, _, _ = await ask(worker, asked)
    worker._one_way = False
    await ask(worker, await prompt_of(worker, [words(71, 300)]), OTHER)
    plain = Prompt((asked,), add_special=False)
    sampling = Sampling(max_tokens=5, temperature=0, ignore_eos=True)
    deltas = [delta async for delta in worker.stream(plain, sampling, Context(chat_id="A", purpose="title"))]
    assert tuple(id for delta in deltas if isinstance(delta, Token) for id in delta.ids) == stepped
