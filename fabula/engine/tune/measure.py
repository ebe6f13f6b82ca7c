"""Measure duels of setups with loaded workers. Knows workers by their seam; what to measure is `search`'s.

Champion and challenger are both loaded where memory allows that, and write in turns, so that what happens to
the machine meanwhile happens to both. Rounds in which other programs had the processor are repeated, a few
times; a duel with too few quiet rounds is told as noisy.
"""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from fabula.core.sampling import Sampling
from fabula.core.stream import Finished, Token
from fabula.core.worker import Counts, Prompt, Worker
from fabula.engine.tune import busy, texts
from fabula.engine.tune.search import Axis, Duel, Outcome, Setup

TURN_READ, TURN_WRITTEN = 500, 250  # tokens of the turn whose time is the score
CONTEXT = 1280  # tokens: what is measured has room, and no more
READ = (48, 320)  # tokens of a sample, at least and at most
READ_FOR_BATCH = 520  # a batch cannot be told from a larger one by fewer
WRITTEN = (12, 64)
READ_COMPARED, WRITTEN_COMPARED = 160, (48, 96)  # where the text itself is compared
COMPARED_S = 2.0  # about what writing it may take
ROUNDS = {"confirm": 4}
USUAL_ROUNDS, FEWEST_ROUNDS = 3, 2
EXTRA_ROUNDS = 2  # for those that were measured under load
LEAST = 0.001  # milliseconds or tokens per second: nothing is divided by zero
PLAIN = 0.10  # a difference that two rounds agree on needs no third


Load = Callable[[Setup], Awaitable[Worker]]


@dataclass(frozen=True, slots=True)
class Sample:
    read: float  # tokens per second
    written: float
    load: float  # share of the processors that others had
    text: str = ""

    @property
    def turn(self) -> float:
        """Seconds of a typical turn."""
        return TURN_READ / self.read + TURN_WRITTEN / self.written


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """A measured challenger, as it is shown. Rates are medians, tokens per second; the turn is seconds."""

    axis: Axis
    setup: Setup
    read: float
    written: float
    turn: float
    ratio: float  # to the champion of its duel
    spread: float
    load: float
    noisy: bool
    rounds: int
    repeating: float = 0.0  # 0 = not measured
    same_text: bool = True

    def plain(self) -> dict[str, Any]:
        figures = ("read", "written", "turn", "ratio", "spread", "load", "repeating")
        told = {name: round(getattr(self, name), 4) for name in figures}
        flags = {name: getattr(self, name) for name in ("axis", "noisy", "rounds", "same_text")}
        return {**flags, **told, "setup": self.setup.all()}


@dataclass(slots=True)
class Sizes:
    """How much a sample reads and writes, so that it takes about its share of the time."""

    read: int = READ[0]
    written: int = WRITTEN[0]


class Bench:
    """Keeps at most `room` workers loaded. `forgives` takes rounds under load as they are."""

    def __init__(self, load: Load, *, room: int = 2, forgives: bool = False, sample_s: float = 1.2) -> None:
        self._load, self._room, self._forgives, self._sample_s = load, max(1, room), forgives, sample_s
        self._workers: dict[Setup, Worker] = {}
        self._numbers = itertools.count(1)
        self.sizes = Sizes()
        self.cells: list[Cell] = []
        self.start: Cell | None = None

    async def close(self) -> None:
        while self._workers:
            await self._workers.popitem()[1].close()

    # ── what is asked ───────────────────────────────────────────────────────────────────────────────

    async def warm_up(self, setup: Setup) -> None:
        """The first sample reads the file from the disk and is thrown away; the second one sets the sizes."""
        await self._sample(setup, self.sizes.read, self.sizes.written)
        first = await self._sample(setup, self.sizes.read, self.sizes.written)
        half = self._sample_s / 2
        self.sizes = Sizes(_within(first.read * half, READ), _within(first.written * half, WRITTEN))
        self.start = _cell("confirm", setup, [first], [], Outcome(ratio=1.0, noisy=self._is_noisy(first)))

    def cost(self, axis: Axis) -> float:
        """Seconds that a duel takes, about: as many rounds as usual, at the rates of the start."""
        assert self.start is not None  # warm_up comes first
        read = READ_FOR_BATCH if axis == "batch" else self.sizes.read
        sample = read / self.start.read + self.sizes.written / self.start.written
        compared = READ_COMPARED / self.start.read + self._compared() / self.start.written
        return 2 * sample * ROUNDS.get(axis, USUAL_ROUNDS) + (4 * compared if axis == "speculation" else 0)

    async def duel(self, duel: Duel) -> Outcome:
        pairs = await self._rounds(duel)
        quiet = [pair for pair in pairs if not self._is_noisy(*pair)]
        used = quiet or pairs
        ratios = [challenger.turn / champion.turn for champion, challenger in used]
        outcome = Outcome(
            ratio=statistics.median(ratios),
            spread=_spread(ratios),
            noisy=len(quiet) < FEWEST_ROUNDS,
            **await self._guessing(duel),
        )
        self.cells.append(_cell(duel.axis, duel.challenger, [b for _, b in used], pairs, outcome))
        if self.start is None or duel.champion == self.start.setup:
            same = Outcome(ratio=1.0, noisy=outcome.noisy)
            self.start = _cell("confirm", duel.champion, [a for a, _ in used], pairs, same)
        return outcome

    # ── rounds ──────────────────────────────────────────────────────────────────────────────────────

    async def _rounds(self, duel: Duel) -> list[tuple[Sample, Sample]]:
        """(champion, challenger) of each round; who begins changes."""
        pairs: list[tuple[Sample, Sample]] = []
        wanted = ROUNDS.get(duel.axis, USUAL_ROUNDS)
        while len(pairs) < wanted + EXTRA_ROUNDS:
            pairs.append(await self._round(duel, turned=len(pairs) % 2 == 1))
            quiet = [pair for pair in pairs if not self._is_noisy(*pair)]
            if len(quiet) >= wanted or (duel.axis != "confirm" and _is_plain(quiet)):
                break
            if len(pairs) >= wanted and not quiet:
                break  # it will not become quiet now
        return pairs

    async def _round(self, duel: Duel, turned: bool) -> tuple[Sample, Sample]:
        number = next(self._numbers)
        read = READ_FOR_BATCH if "batch" in (duel.axis, *_changed(duel)) else self.sizes.read
        order = (duel.challenger, duel.champion) if turned else (duel.champion, duel.challenger)
        one = await self._sample(order[0], read, self.sizes.written, number)
        other = await self._sample(order[1], read, self.sizes.written, number)
        return (other, one) if turned else (one, other)

    async def _guessing(self, duel: Duel) -> dict[str, Any]:
        """Of speculation: whether it writes the same, and what it gains where text repeats itself."""
        if duel.axis != "speculation":
            return {}
        rates = []
        same = True
        for prompt in (texts.REPEATING, texts.free(next(self._numbers))):
            one = await self._written(duel.champion, prompt)
            other = await self._written(duel.challenger, prompt)
            same = same and one.text == other.text
            rates.append(one.written / other.written)
        return {"repeating": rates[0], "same_text": same}

    async def _written(self, setup: Setup, text: str) -> Sample:
        written = self._compared()
        prompt = await self._prompt(setup, text, READ_COMPARED, written)
        return await self._ask(setup, prompt, written)

    def _compared(self) -> int:
        assert self.start is not None  # warm_up comes first
        return _within(self.start.written * COMPARED_S, WRITTEN_COMPARED)

    # ── one sample ──────────────────────────────────────────────────────────────────────────────────

    async def _sample(self, setup: Setup, read: int, written: int, number: int = 0) -> Sample:
        text = texts.free(number or next(self._numbers))
        return await self._ask(setup, await self._prompt(setup, text, read, written), written)

    async def _prompt(self, setup: Setup, text: str, read: int, written: int) -> Prompt:
        """The text's first tokens; all of it where an engine cannot count."""
        worker = await self._worker(setup)
        if not isinstance(worker, Counts):
            return Prompt((text,))
        room = worker.plan.context - written - 1
        return Prompt((tuple((await worker.tokenize(Prompt((text,))))[: min(read, room)]),))

    async def _ask(self, setup: Setup, prompt: Prompt, written: int) -> Sample:
        worker = await self._worker(setup)
        others = busy.stopwatch()
        sampling = Sampling(temperature=0.0, seed=1, max_tokens=written, ignore_eos=True)
        text, finished = "", None
        async for delta in worker.stream(prompt, sampling):
            if isinstance(delta, Token):
                text += delta.text
            elif isinstance(delta, Finished):
                finished = delta
        assert finished is not None  # the seam: every stream that did not fail ends with it
        read_rate = finished.processed_tokens / max(finished.prompt_ms, LEAST) * 1000
        return Sample(max(read_rate, LEAST), max(finished.tokens_per_second, LEAST), others(), text)

    async def _worker(self, setup: Setup) -> Worker:
        """Loaded, at the price of the one that was used longest ago."""
        worker = self._workers.pop(setup, None)
        while worker is None and len(self._workers) >= self._room:
            await self._workers.pop(next(iter(self._workers))).close()
        self._workers[setup] = worker or await self._load(setup)
        return self._workers[setup]

    def _is_noisy(self, *samples: Sample) -> bool:
        return not self._forgives and max(sample.load for sample in samples) > busy.LIMIT


def _cell(
    axis: Axis, setup: Setup, used: Sequence[Sample], pairs: Sequence[tuple[Sample, Sample]], outcome: Outcome
) -> Cell:
    loads = [sample.load for pair in pairs for sample in pair] or [sample.load for sample in used]
    return Cell(
        axis=axis,
        setup=setup,
        read=statistics.median(sample.read for sample in used),
        written=statistics.median(sample.written for sample in used),
        turn=statistics.median(sample.turn for sample in used),
        ratio=outcome.ratio,
        spread=outcome.spread,
        load=statistics.median(loads),
        noisy=outcome.noisy,
        rounds=max(len(pairs), 1),
        repeating=outcome.repeating if axis == "speculation" else 0.0,
        same_text=outcome.same_text,
    )


def _spread(ratios: Sequence[float]) -> float:
    """The median distance from the median."""
    middle = statistics.median(ratios)
    return statistics.median(abs(ratio - middle) for ratio in ratios)


def _is_plain(pairs: Sequence[tuple[Sample, Sample]]) -> bool:
    ratios = [challenger.turn / champion.turn for champion, challenger in pairs]
    if len(ratios) < FEWEST_ROUNDS:
        return False
    return min(ratios) > 1 + PLAIN or max(ratios) < 1 - PLAIN


def _changed(duel: Duel) -> list[str]:
    before = duel.champion.all()
    return [name for name, value in duel.challenger.all().items() if value != before[name]]


def _within(value: float, limits: tuple[int, int]) -> int:
    return max(limits[0], min(limits[1], round(value)))
