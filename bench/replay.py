"""What each layout makes an engine read again: eight kinds of chats, played in both layouts.

Counts are taken from the tokens of 30 and of 200 turns, and compared with the real engine's own on every 20th
turn (a cut of the starter model to four layers; what it keeps does not depend on depth). *Again* is what was
processed although the engine had read or written it before, in runs of eight tokens or more. First-token
times are the whole starter model's, of 30 turns: each one of steady, every fifth of faithful beside it, on
one engine, each layout in a slot of its own. Models whose memory cannot go back are tiny ones, made on the
spot.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from bench import cut_model, recall, tiny_models
from bench.bare import loaded
from bench.paired import CONFIDENCE, RESAMPLES, Interval, mean, ratio
from bench.replay_counts import Cache, Read, common
from bench.replay_engine import Answer, Slot
from bench.replay_layouts import Faithful, Layout, Sent, Steady, Tokens
from bench.replay_script import SCENARIOS, Scenario, played
from bench.report import Report, at_least, at_most, reported
from bench.studio import model_file
from fabula.core.load import LoadOptions
from fabula.core.model import LocalModel
from fabula.engine.llamacpp.worker import LlamaCppWorker
from fabula.models.formats.identify import identify
from fabula.prompt.openings import openings
from fabula.prompt.template import ChatTemplate

CONTEXT, THREADS = 8192, 2
SHORT, LONG, EVERY = 30, 200, 20  # turns
AGAIN, HALF, FASTER = 5.0, 50.0, 10.0  # percent, percent, times
BEYOND = 64  # tokens
SLACK = 1  # tokens: the last one of a prompt is read in any case
CHECKPOINTS = 512 << 20  # bytes that a plan gives to prompts, and to checkpoints
LAYOUTS = ("faithful", "steady")
TAKEN = "first token, ms by turn"


@dataclass(frozen=True, slots=True)
class Turn:
    """One prompt of a scenario; `held` is what the engine's slot has before it."""

    number: int
    prompt: tuple[int, ...]
    held: tuple[int, ...]
    read: Read


@dataclass(slots=True)
class Track:
    """All turns of one scenario in one layout, the first of which begins with nothing."""

    turns: list[Turn] = field(default_factory=list)

    def share(self, name: str) -> float:
        """Percent of the prompts' tokens, from the second turn on."""
        later = [turn.read for turn in self.turns[1:]]
        return 100 * sum(getattr(read, name) for read in later) / sum(read.prompt for read in later)

    def each(self, name: str) -> float:
        later = [turn.read for turn in self.turns[1:]]
        return sum(getattr(read, name) for read in later) / len(later)


@dataclass(frozen=True, slots=True)
class Model:
    """A loaded model and what is needed to lay out prompts for it."""

    about: LocalModel
    worker: LlamaCppWorker
    tokens: Tokens

    @property
    def template(self) -> ChatTemplate:
        return ChatTemplate(self.about.chat_template)

    def layout(self, name: str) -> Layout:
        if name == "faithful":
            return Faithful(self.tokens, CONTEXT)
        return Steady(self.tokens, CONTEXT, self.template)


@asynccontextmanager
async def running(path: Path, threads: int, prompt_cache: int = 0) -> AsyncIterator[Model]:
    about, slots = identify(path), len(LAYOUTS) + 1  # no chat gets the last one
    async with loaded(about, threads, LoadOptions(), CONTEXT, slots, prompt_cache) as worker:
        yield Model(about, worker, Tokens(worker))


async def track(model: Model, scenario: Scenario, layout: str, turns: int) -> Track:
    made, cache, found = model.layout(layout), Cache(), Track()
    for asked in played(scenario, turns):
        sent = await made.sent(asked)
        await _whole(model.tokens, sent, asked.number)
        held, reply = cache.held, await model.tokens.ids(asked.reply.text)
        read = cache.reads(sent.ids, reply)
        if asked.number >= scenario.before:
            found.turns.append(Turn(asked.number - scenario.before, sent.ids, held, read))
    return found


async def _whole(tokens: Tokens, sent: Sent, number: int) -> None:
    """Ids that were put together from parts are those of the whole text."""
    if number % EVERY == 0:
        assert sent.ids == await tokens.whole(sent.text), f"turn {number} is tokenized otherwise in parts"


# ── against the engine ──────────────────────────────────────────────────────────────────────────────────


async def checked(model: Model, name: str, found: Track) -> list[int]:
    """How far what the engine reuses is from what the tokens say, on every 20th turn.

    It reads what it would hold and what it is asked a little beyond the place where they part: what
    comes later decides nothing, and costs minutes.
    """
    slot, away = Slot(model.worker, name), []
    for turn in found.turns[::EVERY]:
        if turn.held:
            end = common(turn.held, turn.prompt) + BEYOND
            await slot.hold(turn.held[:end])
            told = await slot.ask(turn.prompt[:end])
            away.append(abs(told.reused - turn.read.reused))
    return away


async def counts(
    report: Report, model: Model, turns: int, scenarios: Sequence[Scenario], check: bool
) -> None:
    for scenario in scenarios:
        report.heading(f"{scenario.name}: {turns} turns, context {CONTEXT}")
        for layout in LAYOUTS:
            found = await track(model, scenario, layout, turns)
            report.measure(f"{layout}: prompt", found.each("prompt"), "tokens/turn")
            report.measure(f"{layout}: reused", found.each("reused"), "tokens/turn")
            report.measure(f"{layout}: processed", found.each("processed"), "tokens/turn")
            report.measure(f"{layout}: processed", found.share("processed"), "%")
            targets = [at_most(AGAIN)] if layout == "steady" else []
            report.measure(f"{layout}: again", found.share("again"), "%", *targets)
            report.keep(f"{scenario.name}, {layout}, {turns}", [asdict(turn.read) for turn in found.turns])
            if check and (away := await checked(model, f"{scenario.name} {layout}", found)):
                said = f"{layout}: farthest of {len(away)} from the engine"
                report.measure(said, max(away), "tokens", at_most(SLACK))


# ── times ───────────────────────────────────────────────────────────────────────────────────────────────


async def times(report: Report, model: Model, turns: int, every: int, scenarios: Sequence[Scenario]) -> None:
    """First-token times; the sums are over the scenarios in which faithful re-processes more than half."""
    summed: list[Times] = []
    for scenario in scenarios:
        tracks = {layout: await track(model, scenario, layout, turns) for layout in LAYOUTS}
        found = await _timed(model, scenario, tracks, every)
        report.heading(f"{scenario.name}: first token, {turns} turns")
        report.measure("faithful", mean(list(found.faithful.values())), "ms")
        report.measure("steady", mean(list(found.steady.values())), "ms")
        paired = [(taken, found.steady[number]) for number, taken in found.faithful.items()]
        report.measure("faithful / steady, same turns", ratio(*zip(*paired, strict=True)), "×")
        share = tracks["faithful"].share("processed")
        report.keep(f"{scenario.name}, {TAKEN}", [asdict(found) | {"share": share}])
        if share > HALF:
            summed.append(found)
    _tell_sum(report, summed)


def _tell_sum(report: Report, found: Sequence[Times]) -> None:
    if found:
        report.heading("the scenarios in which faithful re-processes more than half")
        report.measure("faithful: sum of the first tokens", sum(one.faithful_sum() for one in found), "s")
        report.measure("steady: sum of the first tokens", sum(one.steady_sum() for one in found), "s")
        report.measure("times less", _sums_ratio(found), "×", at_least(FASTER))


def taken(file: Path) -> list[Times]:
    """What a run of `times` has kept, of the scenarios in which faithful re-processes more than half."""
    rows = json.loads(file.read_text(encoding="utf-8"))["rows"]
    kept = [row["values"][0] for row in rows if row.get("name", "").endswith(TAKEN) and "values" in row]
    return [Times.of(one) for one in kept if one["share"] > HALF]


@dataclass(frozen=True, slots=True)
class Times:
    """Milliseconds by turn: of all turns in the steady layout, of some in the faithful one."""

    faithful: dict[int, float]
    steady: dict[int, float]

    @staticmethod
    def of(row: dict[str, Any]) -> Times:
        """As a report keeps it."""
        each = ({int(turn): taken for turn, taken in row[layout].items()} for layout in LAYOUTS)
        return Times(*each)

    def steady_sum(self) -> float:
        return sum(self.steady.values()) / 1000

    def faithful_sum(self) -> float:
        """Seconds of as many turns, from the mean of those that were timed."""
        return sum(self.faithful.values()) / len(self.faithful) * len(self.steady) / 1000

    def redrawn(self, draw: random.Random) -> Times:
        """For a bootstrap: as many turns again, drawn from these."""

        def some(times: dict[int, float]) -> dict[int, float]:
            return dict(enumerate(draw.choices(list(times.values()), k=len(times))))

        return Times(some(self.faithful), some(self.steady))


def _sums_ratio(found: Sequence[Times]) -> Interval:
    """How many times less; the interval by bootstrap over turns."""

    def of(some: Sequence[Times]) -> float:
        return sum(one.faithful_sum() for one in some) / sum(one.steady_sum() for one in some)

    draw = random.Random(0)
    drawn = sorted(of([one.redrawn(draw) for one in found]) for _ in range(RESAMPLES))
    outside = round(RESAMPLES * (1 - CONFIDENCE) / 2)
    count = sum(len(one.faithful) for one in found)
    return Interval(of(found), drawn[outside], drawn[-1 - outside], count)


async def _timed(model: Model, scenario: Scenario, tracks: dict[str, Track], every: int) -> Times:
    """What a slot holds before a turn is put there untimed: the last prompt and its reply, and where only a
    few of faithful's turns are timed, as much of that as the next prompt begins with."""
    slots = {layout: Slot(model.worker, f"{scenario.name} {layout}") for layout in LAYOUTS}
    found = Times({}, {})
    for number in range(1, len(tracks["steady"].turns)):
        for layout in LAYOUTS if number % 2 else LAYOUTS[::-1]:
            if layout == "faithful" and number % every:
                continue
            turn, times = tracks[layout].turns[number], getattr(found, layout)
            there = common(turn.held, turn.prompt)
            if there:
                await slots[layout].hold(turn.held[:there])
            times[number] = (await slots[layout].ask(turn.prompt)).first_token_ms
    return found


# ── models that cannot go back ──────────────────────────────────────────────────────────────────────────


async def one_way(report: Report, folder: Path, turns: int, scenarios: Sequence[Scenario]) -> None:
    """The engine's own counts, turn after turn: what tokens alone would let it reuse it may not have."""
    for kind, made in tiny_models.KINDS.items():
        path = tiny_models.write(kind, folder / f"{kind}.gguf", model_file())
        async with running(path, THREADS, CHECKPOINTS) as model:
            for scenario in scenarios:
                report.heading(f"{kind} ({made.memory}): {scenario.name}, {turns} turns")
                for layout in LAYOUTS:
                    found = await track(model, scenario, layout, turns)
                    told = await _played(model, f"{scenario.name} {layout}", found)
                    _tell_one_way(report, layout, found, told)


async def _played(model: Model, name: str, found: Track) -> list[Answer]:
    slot, told = Slot(model.worker, name, openings(model.template)), []
    for turn in found.turns:
        if turn.held:
            await slot.hold(turn.held)
        told.append(await slot.ask(turn.prompt))
    return told


def _tell_one_way(report: Report, layout: str, found: Track, told: Sequence[Answer]) -> None:
    later = list(zip(found.turns[1:], told[1:], strict=True))
    prompts = sum(turn.read.prompt for turn, _ in later)
    fresh = sum(turn.read.processed - turn.read.again for turn, _ in later)
    processed = sum(answer.processed for _, answer in later)
    reasons = sum(answer.cache_reason == "no_way_back" for _, answer in later)
    report.measure(f"{layout}: processed", 100 * processed / prompts, "%")
    report.measure(f"{layout}: again", 100 * (processed - fresh) / prompts, "%")
    report.measure(f"{layout}: turns that say there is no way back", reasons, f"of {len(later)}")


# ────────────────────────────────────────────────────────────────────────────────────────────────────────


async def run(report: Report, given: argparse.Namespace) -> None:
    parts = given.scenarios.split(",")
    named = [one for one in SCENARIOS if any(part in one.name for part in parts)]
    with tempfile.TemporaryDirectory(prefix="fabula-bench-") as folder:
        if "counts" in given.parts:
            async with running(_cut(Path(folder)), THREADS) as model:
                for turns in (SHORT,) if given.quick else (SHORT, LONG):
                    await counts(report, model, turns, named, check=True)
        if "times" in given.parts:
            path = _cut(Path(folder)) if given.cut else model_file()
            async with running(path, THREADS) as model:
                await times(report, model, SHORT, given.every, named)
        if "one-way" in given.parts:
            some = [one for one in named if one.name in ONE_WAY]
            await one_way(report, Path(folder), 10 if given.quick else SHORT, some)
    if "recall" in given.parts:
        await recall.measure(report, quick=given.quick)


def _cut(folder: Path) -> Path:
    return cut_model.write(folder / "four-layers.gguf", model_file())


ONE_WAY = {"plain", "author's note at depth 4", "context full, lore and note", "swipes, edits and branches"}
PARTS = "counts,times,one-way,recall"


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m bench replay", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="30 turns and few times: to see that it works")
    parser.add_argument("--parts", default=PARTS, help=f"some of {PARTS}")
    parser.add_argument("--scenarios", default="", help="those whose names hold one of these")
    parser.add_argument("--every", type=int, default=5, help="turns between two that are timed")
    parser.add_argument("--cut", action="store_true", help="time the cut model: minutes instead of an hour")
    parser.add_argument(
        "--sum", nargs="+", type=Path, metavar="FILE", help="only add up what runs of times kept"
    )
    given = parser.parse_args(arguments)
    if given.sum:
        with reported("replay-sum", "the first tokens of several runs") as report:
            _tell_sum(report, [times for file in given.sum for times in taken(file)])
        return
    given.parts = given.parts.split(",")
    given.every = max(given.every, 10) if given.quick else given.every
    some = "" if set(given.parts) == set(PARTS.split(",")) else f"-{'-'.join(given.parts)}"
    some += f"-{given.scenarios.replace(',', '-').replace(' ', '-')}" if given.scenarios else ""
    with reported(f"replay{some}", "what each layout makes an engine read again") as report:
        asyncio.run(run(report, given))


if __name__ == "__main__":
    main()
