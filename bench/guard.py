"""The guard's floor: how often it is right on the written cases, and what it costs. python -m bench.guard

Knows no engine: the streams are texts, fed word by word.
"""

from __future__ import annotations

import json
import re
import statistics
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from fabula.core.errors import Blocked
from fabula.core.messages import Message
from fabula.core.request import Context
from fabula.guard.floor import FloorGuard
from fabula.guard.policy import OpenPolicy

CASES = Path(__file__).parent.parent / "tests" / "pure" / "guard_cases"
GUARD, CONTEXT = FloorGuard(OpenPolicy()), Context()
TOKENS, ROUNDS = 500, 40
GOAL_MS = 2.0
TEXTS = {
    "plain English": "The harbour was quiet in the morning. Gulls sat on the wall and watched the boats go "
    "out, and the keeper wrote the names into a book, one by one. He had done so for many years. ",
    "plain Chinese": "清晨的港口很安靜。海鷗停在牆上,看著船一艘一艘出海,"
    "老人把名字寫進簿子裡。他這樣做了很多年。",
    "family scene (held by the sentence)": "The six-year-old daughter asked her mother for a story. "
    "The children sat by the fire and listened to the rain, and nobody spoke of the war. ",
    "adult scene (held by the sentence)": "They had sex in the warm room, and afterwards she made coffee. "
    "The rain did not stop. He laughed and told her about the harbour. ",
}


def decide(case: dict[str, Any]) -> str:
    messages = tuple(Message(role=said["role"], text=said["text"]) for said in case["messages"])
    try:
        GUARD.judge(messages, CONTEXT)
        if case["reply"]:
            watch = GUARD.watch(messages, CONTEXT)
            watch.feed(case["reply"])
            watch.finish()
    except Blocked:
        return "block"
    return "pass"


def load(half: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (CASES / f"{half}.jsonl").read_text(encoding="utf-8").splitlines()]


def table(rows: Iterable[dict[str, Any]], by: Callable[[dict[str, Any]], str], title: str) -> str:
    """A Markdown table of right and wrong decisions, with precision and recall of blocking."""
    counts: dict[str, Counter[tuple[str, str]]] = {}
    for case in rows:
        decision = case["expect"], decide(case)
        for name in (by(case), "all"):
            counts.setdefault(name, Counter())[decision] += 1
    counts["all"] = counts.pop("all")
    lines = [
        f"| {title} | blocked rightly | missed | passed rightly | blocked wrongly | precision | recall |"
    ]
    lines += ["|---|---:|---:|---:|---:|---:|---:|", *(_line(name, count) for name, count in counts.items())]
    return "\n".join(lines)


def _line(name: str, count: Counter[tuple[str, str]]) -> str:
    hit, missed = count["block", "block"], count["block", "pass"]
    right, wrong = count["pass", "pass"], count["pass", "block"]
    precision = f"{hit / (hit + wrong):.1%}" if hit + wrong else "–"
    recall = f"{hit / (hit + missed):.1%}" if hit + missed else "–"
    return f"| {name} | {hit} | {missed} | {right} | {wrong} | {precision} | {recall} |"


SETS = ("heldout", "development", "afterwards", "last")


def tables() -> list[str]:
    """What docs/guard.md publishes; a test compares."""
    found = [table(load(name), lambda case: case["language"], f"{name}, by language") for name in SETS]
    return [*found, table(load("heldout"), lambda case: case["category"], "heldout, by category")]


def stream_ms(text: str) -> list[float]:
    """Milliseconds for a reply of 500 pieces, each round with a fresh watch."""
    pieces = re.findall(r" ?[A-Za-z'-]+|[^\x00-\x7f]{1,2}|.", text)
    pieces = (pieces * (TOKENS // len(pieces) + 1))[:TOKENS]
    found = []
    for _ in range(ROUNDS):
        watch = GUARD.watch((), CONTEXT)
        start = time.perf_counter()
        for piece in pieces:
            watch.feed(piece)
        watch.finish()
        found.append((time.perf_counter() - start) * 1000)
    return found


def judge_ms() -> tuple[float, float]:
    """Milliseconds to judge 100 messages for the first time, and again with a new one."""
    text = TEXTS["plain English"] * 2
    chat = [
        Message(role="user" if turn % 2 == 0 else "assistant", text=f"{turn} {text}") for turn in range(101)
    ]
    first = _timed(lambda: GUARD.judge(chat[:100], CONTEXT))
    return first, _timed(lambda: GUARD.judge(chat, CONTEXT))


def _timed(work: Callable[[], None]) -> float:
    start = time.perf_counter()
    work()
    return (time.perf_counter() - start) * 1000


def main() -> None:
    print("\n\n".join(tables()))
    print(f"\n{TOKENS} pieces of one reply, {ROUNDS} rounds, goal ≤ {GOAL_MS} ms:")
    for name, text in TEXTS.items():
        times = stream_ms(text)
        print(f"  {name}: best {min(times):.2f} ms, median {statistics.median(times):.2f} ms")
    first, again = judge_ms()
    print(f"  100 messages judged: {first:.1f} ms the first time, {again:.2f} ms with one more message")


if __name__ == "__main__":
    sys.exit(main())
