"""What it costs to ask through the studio rather than the engine's own server: rate, first token, processor.

All sides get the same bodies at the same child process, in turns, after each other: through the studio, the
engine asked directly, and through a relay that only copies bytes (`relay.py`), which is the floor of the
studio's processor time. Every prompt begins with a number of its own, so that no side finds anything in the
prompt cache.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from bench import relay
from bench.client import Server, loop_factory, streams
from bench.paired import difference, mean, median, ratio
from bench.report import Report, at_least, at_most, reported
from bench.studio import EngineAddress, Studio, cpu_s, end, fresh_home, hosted

PATH = "/v1/chat/completions"
MODEL = "smollm2"
QUESTION = "Describe a walk through an old harbour town on a rainy evening, and whom one meets there."
SHORT = "Hello."
NUMBERS = iter(range(10**11, 10**12))  # read backwards; as many digits, so as many tokens, in each


@dataclass(frozen=True, slots=True)
class Level:
    streams: int
    tokens: int  # of each answer
    rounds: int


REAL = (Level(1, 128, 16), Level(4, 96, 12), Level(16, 48, 10))
FIRST = (Level(1, 2, 60),)
INSTANT = (Level(1, 4000, 8), Level(4, 2000, 8), Level(16, 1000, 8))
PACED = (Level(1, 100, 5), Level(4, 100, 5), Level(16, 100, 5))
PACE_MS = 10


def no_cpu() -> float:
    return 0.0


@dataclass(slots=True)
class Side:
    """One of those that are compared. Each list has one entry per round."""

    server: Server
    cpu_s: Callable[[], float] = no_cpu  # processor seconds so far of what stands before the engine
    rates: list[float] = field(default_factory=list)  # tokens/s of all streams together
    firsts: list[float] = field(default_factory=list)  # ms, the median of the streams
    cpu: list[float] = field(default_factory=list)  # ms per token


@dataclass(frozen=True, slots=True)
class Sides:
    ours: Side
    theirs: Side
    bare: Side
    short: Side  # ours, asked for one token: what a request costs beside its tokens


async def one_round(side: Side, level: Level, question: str = QUESTION) -> None:
    asked = [body(level.tokens, question) for _ in range(level.streams)]
    before = side.cpu_s()
    answers = await streams(side.server, PATH, asked)
    used = side.cpu_s() - before
    written = sum(answer.tokens for answer in answers)
    assert written == level.tokens * level.streams, "an answer was shorter than asked for"
    side.rates.append(written / max(answer.last_s for answer in answers))
    side.firsts.append(statistics.median(answer.first_s for answer in answers) * 1000)
    side.cpu.append(used * 1000 / written)


def body(tokens: int, question: str = QUESTION) -> dict[str, Any]:
    return {
        "model": MODEL,
        "messages": [
            {"role": "system", "content": f"{str(next(NUMBERS))[::-1]} is the number of this story."},
            {"role": "user", "content": question},
        ],
        "stream": True,
        "stream_options": {"include_usage": True},
        "temperature": 0,
        "max_tokens": tokens,
        "ignore_eos": True,
    }


@contextlib.contextmanager
def relayed(engine: EngineAddress) -> Iterator[tuple[int, int]]:
    """A relay in front of the engine: its port and its process id."""
    command = [sys.executable, str(Path(relay.__file__)), engine.host, str(engine.port)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        try:
            yield int(process.stdout.readline()), process.pid
        finally:
            end(process)


async def compare(studio: Studio, level: Level, question: str = QUESTION) -> Sides:
    """The three in turns; who begins changes from round to round. The first round warms up."""
    studio.client.post(f"/models/{MODEL}/load")
    engine = studio.engine()
    with relayed(engine) as (port, process):
        for warm_up in (True, False):
            sides = Sides(
                Side(Server("127.0.0.1", studio.port, ""), studio.cpu_s),
                Side(Server(engine.host, engine.port, engine.key)),
                Side(Server("127.0.0.1", port, engine.key), lambda: cpu_s(process)),
                Side(Server("127.0.0.1", studio.port, ""), studio.cpu_s),
            )
            order = [sides.theirs, sides.ours, sides.bare, sides.short]
            for _ in range(1 if warm_up else level.rounds):
                for side in order:
                    asked = replace(level, tokens=1) if side is sides.short else level
                    await one_round(side, asked, question)
                order.append(order.pop(0))
    return sides


def tell(report: Report, level: Level, sides: Sides, *, promised: bool) -> None:
    ours, theirs, bare = sides.ours, sides.theirs, sides.bare
    targets = (at_least(0.95), at_least(0.98)) if promised else ()
    report.heading(f"{level.streams} at a time, {level.tokens} tokens each, {level.rounds} rounds")
    report.measure("tokens/s, the engine asked directly", mean(theirs.rates), "tokens/s")
    report.measure("tokens/s, through the studio", mean(ours.rates), "tokens/s")
    report.measure("ratio", ratio(ours.rates, theirs.rates), "", *targets)
    report.measure("ratio of the bare relay (bound)", ratio(bare.rates, theirs.rates))
    report.measure("first token, the engine asked directly", mean(theirs.firsts), "ms")
    report.measure("first token, added by the studio", difference(ours.firsts, theirs.firsts), "ms")
    report.measure(
        "first token, added by the bare relay (bound)", difference(bare.firsts, theirs.firsts), "ms"
    )
    report.measure("processor of the studio per token", mean(ours.cpu), "ms", at_most(0.3))
    report.measure("processor of the bare relay per token (bound)", mean(bare.cpu), "ms")
    report.measure("studio / relay", ratio(ours.cpu, bare.cpu))
    report.measure("processor of the studio for a request of one token", mean(sides.short.cpu), "ms")
    report.measure("processor of the studio for each token more", mean(_each_more(level, sides)), "ms")


def _each_more(level: Level, sides: Sides) -> list[float]:
    """Processor time per token after the first, ms."""
    rounds = zip(sides.ours.cpu, sides.short.cpu, strict=True)
    return [(each * level.tokens - short) / (level.tokens - 1) for each, short in rounds]


def tell_first(report: Report, engine: str, level: Level, sides: Sides) -> None:
    """Medians of the differences of each round: a round that something else held up decides nothing."""
    ours, theirs, bare = sides.ours.firsts, sides.theirs.firsts, sides.bare.firsts
    report.heading(f"{engine}, a short prompt, {level.rounds} rounds")
    report.measure("first token, the engine asked directly", median(theirs), "ms")
    report.measure("added by the studio", median(_added(ours, theirs)), "ms", at_most(10))
    report.measure("added by the bare relay (bound)", median(_added(bare, theirs)), "ms")


def _added(ours: list[float], theirs: list[float]) -> list[float]:
    return [our - their for our, their in zip(ours, theirs, strict=True)]


def settings(level: Level, threads: int) -> dict[str, object]:
    context = 512 + level.tokens
    return {"engine_slots": level.streams, "engine_context": context, "engine_threads": threads}


def against_engine(report: Report, levels: tuple[Level, ...], threads: int) -> None:
    report.heading("REAL ENGINE (the starter model)")
    for level in levels:
        with fresh_home() as home, hosted(home, settings(level, threads)) as studio:
            sides = run(compare(studio, level))
        tell(report, level, sides, promised=True)


def first_token(report: Report, levels: tuple[Level, ...], threads: int) -> None:
    """With the engine that computes nothing, what is seen is all that the studio does before that."""
    report.heading("FIRST TOKEN")
    for level in levels:
        for kind, engine in (("instant", "the engine that answers at once"), ("llama.cpp", "the real one")):
            with fresh_home() as home, hosted(home, settings(level, threads), kind) as studio:
                sides = run(compare(studio, level, SHORT))
            tell_first(report, engine, level, sides)


def against_nothing(report: Report, levels: tuple[Level, ...], pace_ms: float) -> None:
    """No token takes time to make: all that is left is what passes them on."""
    how = f"one token each {pace_ms:g} ms per stream" if pace_ms else "as fast as they can be read"
    report.heading(f"INSTANT ENGINE ({how}): the studio's own ceiling")
    for level in levels:
        pace: dict[str, object] = {"bench_pace_ms": pace_ms}
        with fresh_home() as home, hosted(home, settings(level, 1) | pace, "instant") as studio:
            sides = run(compare(studio, level))
        tell(report, level, sides, promised=False)


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
        side = Side(Server("127.0.0.1", studio.port, ""), studio.cpu_s)
        for _ in range(rounds):
            await one_round(side, level)
    return side


def run(work: Any) -> Any:
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        return runner.run(work)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m bench proxy", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a few rounds: to see that it works")
    parser.add_argument("--threads", type=int, default=0, help="of the engine (0 = as the studio plans)")
    parser.add_argument("--only", choices=("real", "first", "instant", "paced", "scripted"), help="one part")
    parser.add_argument("--streams", type=int, help="one level")
    parser.add_argument("--tokens", type=int, help="of each reply, instead of the level's own")
    parser.add_argument("--rounds", type=int, help="instead of the level's own")
    given = parser.parse_args(arguments)

    def levels(all: tuple[Level, ...]) -> tuple[Level, ...]:
        picked = _picked(all, given.streams, given.quick)
        tokens, rounds = given.tokens, given.rounds
        return tuple(Level(one.streams, tokens or one.tokens, rounds or one.rounds) for one in picked)

    with reported("proxy", "through the studio against the engine's own server") as report:
        if given.only in (None, "real"):
            against_engine(report, levels(REAL), given.threads)
        if given.only in (None, "first"):
            first_token(report, levels(FIRST), given.threads)
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
