"""What it costs to ask through the studio rather than the engine's own server: rate, first token, processor.

Both sides get the same bodies at the same child process, in turns, after each other. Every prompt begins with
a number of its own, so that neither side finds anything in the prompt cache.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from bench.client import Server, loop_factory, streams
from bench.paired import difference, mean, ratio
from bench.report import Report, at_least, at_most, reported
from bench.studio import Studio, fresh_home, hosted

PATH = "/v1/chat/completions"
MODEL = "smollm2"
QUESTION = "Describe a walk through an old harbour town on a rainy evening, and whom one meets there."
NUMBERS = iter(range(10**11, 10**12))  # read backwards; as many digits, so as many tokens, in each


@dataclass(frozen=True, slots=True)
class Level:
    streams: int
    tokens: int  # of each answer
    rounds: int


REAL = (Level(1, 128, 16), Level(4, 96, 12), Level(16, 48, 10))
INSTANT = (Level(1, 4000, 8), Level(4, 2000, 8), Level(16, 1000, 8))
PACED = (Level(1, 100, 5), Level(16, 100, 5))
PACE_MS = 10


@dataclass(slots=True)
class Side:
    """One of the two that are compared. Each list has one entry per round."""

    server: Server
    rates: list[float] = field(default_factory=list)  # tokens/s of all streams together
    firsts: list[float] = field(default_factory=list)  # ms, the median of the streams
    cpu: list[float] = field(default_factory=list)  # ms of the studio's process per token


async def one_round(side: Side, level: Level, studio: Studio) -> None:
    asked = [body(level.tokens) for _ in range(level.streams)]
    before = studio.cpu_s()
    answers = await streams(side.server, PATH, asked)
    used = studio.cpu_s() - before
    written = sum(answer.tokens for answer in answers)
    assert written == level.tokens * level.streams, "an answer was shorter than asked for"
    side.rates.append(written / max(answer.last_s for answer in answers))
    side.firsts.append(statistics.median(answer.first_s for answer in answers) * 1000)
    side.cpu.append(used * 1000 / written)


def body(tokens: int) -> dict[str, Any]:
    return {
        "model": MODEL,
        "messages": [
            {"role": "system", "content": f"{str(next(NUMBERS))[::-1]} is the number of this story."},
            {"role": "user", "content": QUESTION},
        ],
        "stream": True,
        "stream_options": {"include_usage": True},
        "temperature": 0,
        "max_tokens": tokens,
        "ignore_eos": True,
    }


async def compare(studio: Studio, level: Level) -> tuple[Side, Side]:
    """Ours and the engine's, in turns; who begins changes from round to round. The first round warms up."""
    studio.client.post(f"/models/{MODEL}/load")
    engine = studio.engine()
    for warm_up in (True, False):
        ours = Side(Server("127.0.0.1", studio.port, ""))
        theirs = Side(Server(engine.host, engine.port, engine.key))
        for number in range(1 if warm_up else level.rounds):
            for side in (ours, theirs) if number % 2 else (theirs, ours):
                await one_round(side, level, studio)
    return ours, theirs


def tell(report: Report, level: Level, ours: Side, theirs: Side, *, promised: bool) -> None:
    targets = (at_least(0.95), at_least(0.98)) if promised else ()
    report.heading(f"{level.streams} at a time, {level.tokens} tokens each, {level.rounds} pairs")
    report.measure("tokens/s, the engine asked directly", mean(theirs.rates), "tokens/s")
    report.measure("tokens/s, through the studio", mean(ours.rates), "tokens/s")
    report.measure("ratio", ratio(ours.rates, theirs.rates), "", *targets)
    report.measure("first token, the engine asked directly", mean(theirs.firsts), "ms")
    report.measure(
        "first token, added by the studio", difference(ours.firsts, theirs.firsts), "ms", at_most(10)
    )
    report.measure("processor of the studio per token", mean(ours.cpu), "ms", at_most(0.3))


def settings(level: Level, threads: int) -> dict[str, object]:
    context = 512 + level.tokens
    return {"engine_slots": level.streams, "engine_context": context, "engine_threads": threads}


def against_engine(report: Report, levels: tuple[Level, ...], threads: int) -> None:
    report.heading("REAL ENGINE (the starter model)")
    for level in levels:
        with fresh_home() as home, hosted(home, settings(level, threads)) as studio:
            ours, theirs = run(compare(studio, level))
        tell(report, level, ours, theirs, promised=True)


def against_nothing(report: Report, levels: tuple[Level, ...], pace_ms: float) -> None:
    """No token takes time to make: all that is left is what passes them on."""
    how = f"one token each {pace_ms:g} ms per stream" if pace_ms else "as fast as they can be read"
    report.heading(f"INSTANT ENGINE ({how}): the studio's own ceiling")
    for level in levels:
        pace: dict[str, object] = {"bench_pace_ms": pace_ms}
        with fresh_home() as home, hosted(home, settings(level, 1) | pace, "instant") as studio:
            ours, theirs = run(compare(studio, level))
        tell(report, level, ours, theirs, promised=False)


def without_connection(report: Report, levels: tuple[Level, ...]) -> None:
    report.heading("SCRIPTED WORKER in the studio's process: no connection to an engine at all")
    for level in levels:
        with fresh_home() as home, hosted(home, settings(level, 1), "scripted") as studio:
            side = run(alone(studio, level))
        report.heading(f"{level.streams} at a time, {level.tokens} tokens each, {level.rounds} rounds")
        report.measure("tokens/s", mean(side.rates), "tokens/s")
        report.measure("processor of the studio per token", mean(side.cpu), "ms")


async def alone(studio: Studio, level: Level) -> Side:
    for rounds in (1, level.rounds):
        side = Side(Server("127.0.0.1", studio.port, ""))
        for _ in range(rounds):
            await one_round(side, level, studio)
    return side


def run(work: Any) -> Any:
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        return runner.run(work)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m bench proxy", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a few rounds: to see that it works")
    parser.add_argument("--threads", type=int, default=0, help="of the engine (0 = as the studio plans)")
    parser.add_argument("--only", choices=("real", "instant", "paced", "scripted"), help="one part")
    parser.add_argument("--streams", type=int, help="one level")
    given = parser.parse_args(arguments)

    def levels(all: tuple[Level, ...]) -> tuple[Level, ...]:
        return tuple(_picked(all, given.streams, given.quick))

    with reported("proxy", "through the studio against the engine's own server") as report:
        if given.only in (None, "real"):
            against_engine(report, levels(REAL), given.threads)
        if given.only in (None, "instant"):
            against_nothing(report, levels(INSTANT), 0)
        if given.only in (None, "paced"):
            against_nothing(report, levels(PACED), PACE_MS)
        if given.only in (None, "scripted"):
            without_connection(report, levels(INSTANT))


def _picked(levels: tuple[Level, ...], streams: int | None, quick: bool) -> Iterator[Level]:
    for level in levels:
        if streams in (None, level.streams):
            yield Level(level.streams, level.tokens, 3) if quick else level


if __name__ == "__main__":
    main()
