"""The guard's floor: how often it is right, and what it costs. python -m bench.guard [--write]

Knows no engine: the streams are texts, fed word by word.
"""

from __future__ import annotations

import contextlib
import functools
import json
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from fabula.core.errors import Blocked
from fabula.core.messages import Message
from fabula.core.request import Context
from fabula.guard.births import minors_by_birth
from fabula.guard.floor import FloorGuard
from fabula.guard.kept import TABLES, forget
from fabula.guard.normalise import folded
from fabula.guard.policy import OpenPolicy
from fabula.guard.reading import ages_in, read_sentence
from fabula.guard.stir import quiet_piece
from fabula.guard.tokens import spelled

TESTS = Path(__file__).parent.parent / "tests" / "pure"
CASES, HELDOUT = TESTS / "guard_cases", TESTS / "guard_heldout" / "cases.jsonl"
PAGE = Path(__file__).parent.parent / "docs" / "guard.md"
GUARD, CONTEXT = FloorGuard(OpenPolicy()), Context()
PIECE = 3  # characters of a reply that come at once: finer than tokens
TOKENS, ROUNDS, FIRSTS = 500, 40, 5
GOAL_MS = 2.0
MEASURED = ("en", "zh-Hant", "zh-Hans")  # the other languages are too few for more than information
PLAIN = {
    "plain English": "The harbour was quiet in the morning. Gulls sat on the wall and watched the boats go "
    "out, and the keeper wrote the names into a book, one by one. He had done so for many years. ",
    "plain Chinese": "清晨的港口很安靜。海鷗停在牆上,看著船一艘一艘出海,"
    "老人把名字寫進簿子裡。他這樣做了很多年。",
}
LONGER = 10  # times: what a reply of that length costs per 500 pieces must be the same


def texts() -> dict[str, str]:
    """Plain ones, and those of `guard_cases/dense.json`, whose sentences are all different."""
    dense = json.loads((CASES / "dense.json").read_text(encoding="utf-8"))
    return PLAIN | {
        f"{language}: {name}": text for language in dense for name, text in dense[language].items()
    }


def heldout(split: str) -> list[dict[str, Any]]:
    """Cases that were written apart from the rules; each has `said`, the conversation that is judged."""
    rows = [json.loads(line) for line in HELDOUT.read_text(encoding="utf-8").splitlines()]
    for row in rows:
        row["said"] = row.get("turns") or [{"role": "user", "text": row["text"]}]
    return [row for row in rows if row["split"] == split]


def load(half: str) -> list[dict[str, Any]]:
    """Cases that were written beside the rules."""
    rows = [json.loads(line) for line in (CASES / f"{half}.jsonl").read_text(encoding="utf-8").splitlines()]
    for row in rows:
        reply = [{"role": "assistant", "text": row["reply"]}] if row["reply"] else []
        row["said"], row["lang"] = [*row["messages"], *reply], row["language"]
    return rows


def decide(case: dict[str, Any], last_as: str = "") -> str:
    """As the seam is used: messages are judged, a last one of the assistant is watched in small pieces."""
    said = [Message(role=turn["role"], text=turn["text"]) for turn in case["said"]]
    role = last_as or said[-1].role
    asked = said[:-1] if role == "assistant" else said
    try:
        GUARD.judge(asked, CONTEXT)
        if role == "assistant":
            watch = GUARD.watch(asked, CONTEXT)
            for start in range(0, len(said[-1].text), PIECE):
                watch.feed(said[-1].text[start : start + PIECE])
            watch.finish()
    except Blocked:
        return "block"
    return "pass"


Counts = Counter[tuple[str, str]]


def counted(
    rows: Iterable[dict[str, Any]], by: Callable[[dict[str, Any]], str], last_as: str = ""
) -> dict[str, Counts]:
    """Decisions as (expected, made) for each group, in order of appearance."""
    counts: dict[str, Counts] = {}
    for case in rows:
        counts.setdefault(by(case), Counter())[case["expect"], decide(case, last_as)] += 1
    return counts


def sure(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Without the cases that a careful reader could label otherwise."""
    return [row for row in rows if "unsure" not in row]


def measured(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    return [row for row in rows if row["lang"] in MEASURED]


def recall(count: Counts) -> float:
    return count["block", "block"] / (count["block", "block"] + count["block", "pass"])


def precision(count: Counts) -> float:
    return count["block", "block"] / (count["block", "block"] + count["pass", "block"])


def table(title: str, counts: dict[str, Counts]) -> str:
    """A Markdown table of right and wrong decisions, with precision and recall of blocking."""
    head = f"| {title} | blocked rightly | missed | passed rightly | blocked wrongly | precision | recall |"
    return "\n".join([head, "|---|---:|---:|---:|---:|---:|---:|", *(_line(*row) for row in counts.items())])


def _line(name: str, count: Counts) -> str:
    hit, missed = count["block", "block"], count["block", "pass"]
    right, wrong = count["pass", "pass"], count["pass", "block"]
    precise = f"{precision(count):.1%}" if hit + wrong else "–"
    found = f"{recall(count):.1%}" if hit + missed else "–"
    return f"| {name} | {hit} | {missed} | {right} | {wrong} | {precise} | {found} |"


SETS = ("development", "heldout", "afterwards", "last", "imagined", "nearby")


def tables() -> dict[str, str]:
    """What docs/guard.md publishes, by the name of its place there; a test compares."""
    test, dev = heldout("test"), heldout("dev")
    beside = {name: counted(load(name), lambda case: "all")["all"] for name in SETS}
    unsure = [row for row in test + dev if "unsure" in row]
    return {
        "test": table("test, by language", counted(sure(test), lambda case: case["lang"])),
        "level": table("test, by level", counted(measured(sure(test)), _level)),
        "kind": table("test, by kind", counted(measured(sure(test)), lambda case: case["kind"])),
        "dev": table("dev, by language", counted(sure(dev), lambda case: case["lang"])),
        "unsure": table("unsure, both splits", counted(unsure, lambda case: case["lang"])),
        "beside": table("written beside the rules", beside),
        "harmless": table("harmless, in all roles", _harmless()),
        "acceptance": table("acceptance, now", counted(load("acceptance"), _language)),
        "fresh": table("fresh", counted(load("fresh"), _language)),
    }


def _language(case: dict[str, Any]) -> str:
    return str(case["lang"])


def _harmless() -> dict[str, Counts]:
    counts: dict[str, Counts] = {}
    for role in ("user", "assistant"):
        for language, count in counted(load("harmless"), _language, role).items():
            counts.setdefault(language, Counter()).update(count)
    return counts


def _level(case: dict[str, Any]) -> str:
    return f"{case['lang']}, {case['level']}"


def _filled(text: str, place: re.Match[str]) -> str:
    return f"{place[1]}{text}{place[2]}"


def publish() -> None:
    """Put the tables into the page."""
    page = PAGE.read_text(encoding="utf-8")
    for name, text in tables().items():
        place = re.compile(rf"(<!-- measured: {name} -->\n).*?(\n<!-- measured end -->)", re.DOTALL)
        page = place.sub(functools.partial(_filled, text), page)
    PAGE.write_text(page, encoding="utf-8")


ALONE_SHARES = (0.75, 0.5, 0.2, 0.0)
# No reply says the same ones again; `quiet_piece` is asked of pieces beside others.
OF_SENTENCES = (folded, spelled, ages_in, read_sentence, minors_by_birth, quiet_piece)


def cut(text: str, alone: float = 0.0) -> list[str]:
    """Words, and Chinese characters in pairs; of its pieces this share are characters alone."""
    pieces, owed = [], 0.0
    for run in re.findall(r" ?[A-Za-z'-]+|[^\x00-\x7f]+|.", text):
        place = 0
        while place < len(run):
            owed += alone
            end = len(run) if run.isascii() else place + (1 if owed >= 1 else 2)
            owed -= owed >= 1
            pieces.append(run[place:end])
            place = end
    return pieces


@functools.cache
def at_start() -> list[tuple[dict[Any, Any], dict[Any, Any]]]:
    """The guard's tables of words, and what they know when it was prepared."""
    forget()
    GUARD.prepare()
    return [(table, dict(table)) for table in TABLES]


def as_at_start() -> None:
    for table, words in at_start():
        table.clear()
        table.update(words)


def nothing_forgotten() -> None:
    """The words of earlier replies are known."""


def stream_ms(
    text: str, before: Callable[[], None] = nothing_forgotten, *, times: int = 1, alone: float = 0.0
) -> float:
    """Milliseconds of computing for 500 pieces of a reply `times` as long: the quicker quarter of the rounds.

    `before` each of them words are forgotten. A text that is over before is said again, as if its sentences
    were new. `alone` is that of `cut`.
    """
    found = []
    for _ in range(ROUNDS if times == 1 else ROUNDS // 4):
        before()
        found.append(_reply_ms(cut(text, alone), TOKENS * times) / times)
    return sorted(found)[len(found) // 4]


def _reply_ms(once: list[str], count: int) -> float:
    pieces = (once * (count // len(once) + 1))[:count]
    watch = GUARD.watch((), CONTEXT)
    start = time.thread_time()
    for place in range(0, len(pieces), len(once)):
        for cache in OF_SENTENCES:
            cache.cache_clear()
        for piece in pieces[place : place + len(once)]:
            watch.feed(piece)
    with contextlib.suppress(Blocked):  # cut off in mid-sentence, it may say something else
        watch.finish()
    return (time.thread_time() - start) * 1000


def first_ms(name: str) -> float:
    """The same for the first reply of a process, of which the processor's caches know nothing either."""
    command = [sys.executable, "-m", "bench", "guard", "--first", name]
    told = [float(subprocess.check_output(command, text=True)) for _ in range(FIRSTS)]
    return sorted(told)[FIRSTS // 2]


def judge_ms() -> tuple[float, float]:
    """Milliseconds to judge 100 messages for the first time, and again with a new one."""
    text = PLAIN["plain English"] * 2
    chat = [
        Message(role="user" if turn % 2 == 0 else "assistant", text=f"{turn} {text}") for turn in range(101)
    ]
    first = _timed(lambda: GUARD.judge(chat[:100], CONTEXT))
    return first, _timed(lambda: GUARD.judge(chat, CONTEXT))


def _timed(work: Callable[[], None]) -> float:
    start = time.perf_counter()
    work()
    return (time.perf_counter() - start) * 1000


def main(arguments: list[str] | None = None) -> None:
    options = sys.argv[1:] if arguments is None else arguments
    if "--write" in options:
        publish()
        return
    if "--first" in options:
        GUARD.prepare()
        print(_reply_ms(cut(texts()[options[-1]]), TOKENS))
        return
    print("\n\n".join(tables().values()))
    print(
        f"\nMilliseconds for {TOKENS} pieces of one reply (goal ≤ {GOAL_MS}): as a rule, when only the words"
    )
    print("of the guard's lists are known (as after a start), when none are, per as many of one that is")
    print(f"{LONGER} times as long, and for the very first reply of a process:")
    for name, text in texts().items():
        usual, started, none = (stream_ms(text, told) for told in (nothing_forgotten, as_at_start, forget))
        row = usual, started, none, stream_ms(text, times=LONGER), first_ms(name)
        print(f"  {name:42}" + "".join(f" {ms:6.2f}" for ms in row))
    print("\nThe same in Chinese by characters per piece; tokenizers of published models have 1.2 to 1.8:")
    for name, text in texts().items():
        if name.startswith("zh"):
            row = [(len(text) / len(cut(text, one)), stream_ms(text, alone=one)) for one in ALONE_SHARES]
            print(f"  {name:42}" + "".join(f" {length:6.2f}: {ms:.2f}" for length, ms in row))
    first, again = judge_ms()
    print(f"  100 messages judged: {first:.1f} ms the first time, {again:.2f} ms with one more message")


if __name__ == "__main__":
    main()
