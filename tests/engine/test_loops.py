"""What a chat takes for a loop: never a text that a person may want, always a model that goes in circles."""

from __future__ import annotations

from pathlib import Path

import pytest

import fabula
from fabula.chats.replies import IN_CHATS
from fabula.core.sampling import Sampling
from fabula.core.stream import Token
from fabula.core.worker import Prompt
from fabula.engine.llamacpp.worker import LlamaCppWorker
from fabula.turn.endings import ended
from fabula.turn.loops import LoopWatch

pytestmark = pytest.mark.asyncio(loop_scope="module")
ROOT = Path(fabula.__file__).parent
WANTED = {
    "a row of zeros": "values = [" + "0, " * 80 + "0]",
    "an empty board": "board = [\n" + "    [0, 0, 0, 0, 0, 0, 0, 0, 0],\n" * 9 + "]",
    "an empty table": "| Monday | Tuesday | Wednesday |\n|---|---|---|\n" + "|  |  |  |\n" * 10,
    "a picture of signs": "\n".join(" " * n + "*" * (40 - 2 * n) for n in range(20)),
    "lines": "═" * 80 + "\n" + "-" * 120 + "\n" + "_" * 60,
    "laughter": "Ha" + "ha" * 30 + "! 哈哈哈哈哈哈哈哈哈哈哈哈哈哈哈哈哈哈哈哈 😂😂😂😂😂😂😂😂😂😂",
    "a chant": "Row, row, row your boat, gently down the stream.\n" * 6,
    "a refrain": "\n".join(f"Verse {n}: the night is long.\nO sing, my heart, O sing!" for n in range(12)),
    "a counted list": "\n".join(f"{n}. Rest for one minute, then do ten push-ups." for n in range(1, 40)),
    "a schedule": "\n".join(f"| {day} | 09:00 | closed |" for day in range(1, 32)),
    "a dump": "\n".join(f"{n * 16:08x}  00 00 00 00 00 00 00 00" for n in range(30)),
    "a poem": "山重水复疑无路，\n柳暗花明又一村。\n" * 4,
}


def stops(ids: list[int]) -> bool:
    watch = LoopWatch(Sampling(**IN_CHATS))
    return any(watch.loops([id]) for id in ids)


@pytest.mark.parametrize("name", WANTED)
async def test_what_may_be_wanted_is_no_loop(worker: LlamaCppWorker, name: str) -> None:
    assert not stops(await worker.tokenize(Prompt((WANTED[name],), add_special=False)))


async def test_nor_is_anything_in_this_project(worker: LlamaCppWorker) -> None:
    for file in [*ROOT.rglob("*.py"), *ROOT.rglob("texts/*.json"), *(ROOT / "web").glob("**/*.css")]:
        text = file.read_text(encoding="utf-8")
        assert not stops(await worker.tokenize(Prompt((text,), add_special=False))), file


async def test_a_model_that_goes_in_circles_is_ended(worker: LlamaCppWorker) -> None:
    sampling = Sampling(**IN_CHATS, temperature=0, ignore_eos=True, max_tokens=1500)
    *deltas, end = [d async for d in ended(worker.stream(Prompt(("Tell me a story.",)), sampling), sampling)]
    assert (end.reason, end.completion_tokens < 1000) == ("loop", True)
    assert end.completion_tokens == sum(len(d.ids) for d in deltas if isinstance(d, Token))
