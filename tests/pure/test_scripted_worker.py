"""The scripted worker behaves as an engine does, so that what is tested with it holds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fabula.core.errors import ContextExceeded, EngineDied
from fabula.core.model import LocalModel
from fabula.core.plan import Plan
from fabula.core.sampling import Sampling
from fabula.core.stream import Finished, Prefill, Token
from fabula.core.worker import Counts, Prompt
from fabula.engine.scripted import Reply, ScriptedWorker

PLAN = Plan(model="m", tier="rough", verdict="fits", devices=(), context=16, slots=1, gpu_layers=0, threads=1)


async def loaded(*script: Reply | str) -> ScriptedWorker:
    worker = ScriptedWorker(script or ("Hello there.",))
    await worker.load(LocalModel(name="m", path=Path("m"), size=1), PLAN)
    return worker


async def ask(
    worker: ScriptedWorker, prompt: str = "Hi", **sampling: object
) -> tuple[str, Finished, list[Any]]:
    deltas = [delta async for delta in worker.stream(Prompt((prompt,)), Sampling(**sampling))]
    assert isinstance(deltas[-1], Finished)
    return "".join(delta.text for delta in deltas if isinstance(delta, Token)), deltas[-1], deltas


async def test_it_plays_its_replies_round_and_round() -> None:
    worker = await loaded("One.", "Two.")
    assert [(await ask(worker))[0] for _ in range(3)] == ["One.", "Two.", "One."]


async def test_it_keeps_to_limits_and_stop_strings() -> None:
    worker = await loaded("a b c d")
    text, finished, _ = await ask(worker, max_tokens=3)
    assert (text, finished.reason, finished.completion_tokens) == ("a b", "length", 3)
    text, finished, _ = await ask(worker, stop=("c",))
    assert (text, finished.reason, finished.stop_string) == ("a b ", "stop", "c")


async def test_it_reuses_what_it_has_seen() -> None:
    worker = await loaded("Yes.")
    _, first, deltas = await ask(worker, "a b c")
    _, second, _ = await ask(worker, "a b c d")
    assert (first.reused_tokens, first.processed_tokens) == (0, 5)
    assert (second.reused_tokens, second.processed_tokens) == (5, 2)
    assert [delta for delta in deltas if isinstance(delta, Prefill)] == [Prefill(2, 5, 0), Prefill(5, 5, 0)]


async def test_it_counts_words_spaces_and_signs() -> None:
    worker = await loaded()
    assert isinstance(worker, Counts)
    assert await worker.count(["Hello there.", "", "你好"]) == [4, 0, 1]
    assert await worker.tokenize(Prompt(("a b a", (9, 9)))) == [1, 2, 3, 2, 1, 9, 9]


async def test_it_fails_where_it_is_told_to() -> None:
    worker = await loaded(Reply("a b c", error=EngineDied("m", "it was killed"), fail_at=2))
    stream = worker.stream(Prompt(("Hi",)), Sampling())
    seen = [await anext(stream) for _ in range(4)]
    with pytest.raises(EngineDied):
        await anext(stream)
    assert "".join(delta.text for delta in seen if isinstance(delta, Token)) == "a "


async def test_it_refuses_what_does_not_fit_and_notices_who_leaves() -> None:
    worker = await loaded()
    with pytest.raises(ContextExceeded):
        await ask(worker, "word " * 20)
    stream = worker.stream(Prompt(("Hi",)), Sampling())
    await anext(stream)
    await stream.aclose()
    assert worker.stopped == 1
