"""Chats share the engine's slots, and come back from the disk, with the real engine."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from asking import plan_for

from fabula.core.errors import EngineDied
from fabula.core.model import LocalModel
from fabula.core.request import ANYONE, Context
from fabula.core.sampling import Sampling
from fabula.core.stream import Finished, Token
from fabula.core.worker import Prompt
from fabula.engine.cache.shelf import Shelf, State
from fabula.engine.llamacpp.worker import LlamaCppWorker

A, B = Context(chat_id="A", purpose="chat"), Context(chat_id="B", purpose="chat")
TITLE = Context(chat_id="A", purpose="title")
STORY = {name: f"{name} walked along the shore and " * 30 for name in ("Ada", "Bea")}  # about 200 tokens


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path / "kv", 1 << 30)


@asynccontextmanager
async def loaded(model: LocalModel, shelf: Shelf, **plan: object) -> AsyncIterator[LlamaCppWorker]:
    worker = LlamaCppWorker(shelf.folder / "logs", shelf=shelf)
    try:
        await worker.load(model, plan_for(model, **({"context": 512} | plan)))
        yield worker
    finally:
        await worker.close()


async def ask(
    worker: LlamaCppWorker, context: Context, text: str | tuple[int, ...], **sampling: object
) -> tuple[tuple[int, ...], Finished]:
    """All ids of the prompt and the reply, and the facts."""
    ids = text if isinstance(text, tuple) else tuple(await worker.tokenize(Prompt((text,))))
    chosen = Sampling(**({"max_tokens": 4, "temperature": 0, "ignore_eos": True} | sampling))
    *deltas, last = [delta async for delta in worker.stream(Prompt((ids,)), chosen, context)]
    assert isinstance(last, Finished)
    return ids + tuple(id for delta in deltas if isinstance(delta, Token) for id in delta.ids), last


async def test_two_chats_take_turns_on_one_slot(model: LocalModel, shelf: Shelf) -> None:
    async with loaded(model, shelf) as worker:
        a, first = await ask(worker, A, STORY["Ada"])
        b, _ = await ask(worker, B, STORY["Bea"])
        _, back = await ask(worker, A, (*a, 100, 200))
        _, also = await ask(worker, B, (*b, 100, 200))
    assert (first.cache, first.cache_reason) == ("none", "first")
    assert (back.cache, back.cache_reason) == ("disk", "")
    assert back.processed_tokens <= 4
    assert also.processed_tokens <= 4


async def test_a_chat_goes_on_after_the_engine_was_closed(model: LocalModel, shelf: Shelf) -> None:
    async with loaded(model, shelf) as worker:
        a, warm = await ask(worker, A, STORY["Ada"])
        _, again = await ask(worker, A, a)
    async with loaded(model, Shelf(shelf.folder, 1 << 30)) as worker:
        _, back = await ask(worker, A, (*a, 100, 200, 300))
        text_back, same = await ask(worker, A, a)
    assert back.cache == "disk"
    assert back.processed_tokens <= 5
    assert (warm.reused_tokens, again.cache, same.cache) == (0, "slot", "slot")
    assert text_back[: len(a)] == a


async def test_a_restored_chat_writes_what_it_would_have_written(model: LocalModel, shelf: Shelf) -> None:
    async with loaded(model, shelf) as worker:
        a, _ = await ask(worker, A, STORY["Ada"], max_tokens=8)
        warm, _ = await ask(worker, A, (*a, 100, 200), max_tokens=8)
        await ask(worker, B, STORY["Bea"])
        back, facts = await ask(worker, A, (*a, 100, 200), max_tokens=8)
    assert facts.cache == "disk"
    assert back == warm


async def test_a_title_does_not_spoil_the_chat(model: LocalModel, shelf: Shelf) -> None:
    async with loaded(model, shelf, slots=2) as worker:
        a, _ = await ask(worker, A, STORY["Ada"])
        await ask(worker, TITLE, "A title for this story:")
        await ask(worker, ANYONE, "Hello")
        _, next_turn = await ask(worker, A, (*a, 100))
    assert (next_turn.cache, next_turn.cache_reason) == ("slot", "")
    assert next_turn.processed_tokens <= 2


async def test_a_state_of_another_kv_type_is_left_alone(model: LocalModel, shelf: Shelf) -> None:
    async with loaded(model, shelf) as worker:
        a, _ = await ask(worker, A, STORY["Ada"])
    async with loaded(model, shelf, kv_type="q8_0") as worker:
        _, other = await ask(worker, A, a)
    assert (other.cache, other.cache_reason) == ("none", "first")
    async with loaded(model, shelf) as worker:
        _, back = await ask(worker, A, a)
    assert back.cache == "disk"


@pytest.mark.parametrize("damage", ["truncated", "garbage"])
async def test_a_damaged_state_never_reaches_the_engine(model: LocalModel, shelf: Shelf, damage: str) -> None:
    async with loaded(model, shelf) as worker:
        a, _ = await ask(worker, A, STORY["Ada"])
    (file,) = shelf.folder.glob("*.kv")
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 2] if damage == "truncated" else os.urandom(len(content)))
    async with loaded(model, shelf) as worker:
        _, back = await ask(worker, A, a)
        assert not file.exists()
    assert (back.cache, back.cache_reason) == ("none", "damaged")


class FullDisk(Shelf):
    """What the engine writes goes to a device that is always full."""

    def part(self, state: State) -> Path:
        full = self.folder / "full.part"
        full.unlink(missing_ok=True)
        full.symlink_to("/dev/full")
        return full


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no full device")
async def test_a_full_disk_costs_only_the_state(model: LocalModel, tmp_path: Path) -> None:
    shelf = FullDisk(tmp_path / "kv", 1 << 30)
    async with loaded(model, shelf) as worker:
        await ask(worker, A, STORY["Ada"])
        _, other = await ask(worker, B, STORY["Bea"])
        _, back = await ask(worker, A, STORY["Ada"])
    assert other.completion_tokens == back.completion_tokens == 4
    assert not list(shelf.folder.glob("*.kv"))


async def test_an_engine_killed_while_it_writes_leaves_the_saved_states(
    model: LocalModel, shelf: Shelf
) -> None:
    async with loaded(model, shelf) as worker:
        a, _ = await ask(worker, A, STORY["Ada"])
        await ask(worker, B, STORY["Bea"])
        os.kill(worker.pid, signal.SIGKILL)
        with pytest.raises(EngineDied):
            await ask(worker, A, (*a, 100))
    async with loaded(model, Shelf(shelf.folder, 1 << 30)) as worker:
        _, back = await ask(worker, A, (*a, 100))
    assert back.cache == "disk"


async def test_choices_of_one_prompt_read_it_once(model: LocalModel, shelf: Shelf) -> None:
    together = Context(siblings=3)
    async with loaded(model, shelf, slots=3) as worker:
        asked = [ask(worker, together, STORY["Ada"], temperature=1, seed=seed) for seed in range(3)]
        texts, facts = zip(*await asyncio.gather(*asked), strict=True)
        await ask(worker, ANYONE, STORY["Bea"])
    assert sum(each.processed_tokens for each in facts) <= facts[0].prompt_tokens + 4
    assert sorted(each.cache for each in facts) == ["disk", "disk", "none"]
    assert len(set(texts)) > 1
    assert not list(shelf.folder.glob("*.kv"))


async def test_chats_without_kept_states_still_run(model: LocalModel, tmp_path: Path) -> None:
    async with loaded(model, Shelf(tmp_path / "kv", 0)) as worker:
        a, _ = await ask(worker, A, STORY["Ada"])
        await ask(worker, B, STORY["Bea"])
        _, back = await ask(worker, A, (*a, 100))
    assert back.cache in ("none", "slot")  # the engine's own memory of prompts may have it
    assert not list((tmp_path / "kv").glob("*.kv"))
