"""Measuring duels with scripted workers, watching the time and the machine's load, and measuring unasked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from typing import Any

import pytest

from fabula.core.errors import DoesNotFit
from fabula.core.model import LocalModel
from fabula.core.plan import Plan
from fabula.core.request import ANYONE, Context
from fabula.core.sampling import Sampling
from fabula.core.stream import Delta, Finished, Token
from fabula.core.worker import Prompt
from fabula.engine.tune import busy, texts
from fabula.engine.tune.background import TRIES, Background
from fabula.engine.tune.busy import Moment
from fabula.engine.tune.measure import READ_FOR_BATCH, Bench, Cell
from fabula.engine.tune.run import Tuned, tune
from fabula.engine.tune.search import Duel, Setup, Space, thread_counts

SLOW, FAST = Setup(threads=3, batch=512), Setup(threads=2, batch=512)


class Scripted:
    """A worker that says it read and wrote at given rates, and writes a given text."""

    engine = "scripted"

    def __init__(self, setup: Setup, shop: Shop) -> None:
        self.setup, self.shop = setup, shop
        self.plan: Plan = None  # type: ignore[assignment]  # it is never asked

    async def load(self, model: LocalModel, plan: Plan) -> None: ...

    async def stream(
        self, prompt: Prompt, sampling: Sampling, context: Context = ANYONE
    ) -> AsyncGenerator[Delta, None]:
        del prompt, context
        self.shop.asked.append(self.setup)
        read, written = self.shop.rates(self.setup)
        yield Token(self.shop.text(self.setup))
        count = sampling.max_tokens or 0
        yield Finished(
            reason="length",
            prompt_tokens=100,
            reused_tokens=0,
            processed_tokens=100,
            completion_tokens=count,
            prompt_ms=100 / read * 1000,
            predicted_ms=count / written * 1000,
        )

    async def close(self) -> None:
        self.shop.loaded.remove(self.setup)

    def honours(self, sampling: Sampling) -> tuple[dict[str, Any], tuple[str, ...]]:
        return sampling.all(), ()


class Shop:
    """Where workers come from; faster with fewer threads unless told otherwise."""

    def __init__(self) -> None:
        self.loaded: list[Setup] = []
        self.most = 0
        self.asked: list[Setup] = []
        self.rates: Callable[[Setup], tuple[float, float]] = lambda setup: (
            300 / setup.threads,
            60 / setup.threads,
        )
        self.text: Callable[[Setup], str] = lambda setup: "the same"

    async def load(self, setup: Setup) -> Any:
        self.loaded.append(setup)
        self.most = max(self.most, len(self.loaded))
        return Scripted(setup, self)


@pytest.fixture
def shop() -> Shop:
    return Shop()


@pytest.fixture
def quiet(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What others have of the processors in the next samples; nothing once the list is empty."""
    loads: list[float] = []
    monkeypatch.setattr(busy, "stopwatch", lambda: lambda: loads.pop(0) if loads else 0.0)
    return loads


async def test_both_take_turns_and_who_begins_changes(shop: Shop, quiet: list[float]) -> None:
    bench = Bench(shop.load)
    shop.rates = lambda setup: (100, 50 if setup == FAST else 49)  # too close to stop early
    outcome = await bench.duel(Duel("threads", SLOW, FAST))
    assert shop.asked == [SLOW, FAST, FAST, SLOW, SLOW, FAST]
    assert 0.98 < outcome.ratio < 1


async def test_a_plain_difference_needs_two_rounds(shop: Shop, quiet: list[float]) -> None:
    outcome = await Bench(shop.load).duel(Duel("threads", SLOW, FAST))
    assert len(shop.asked) == 4
    assert outcome.ratio == pytest.approx(2 / 3)
    assert not outcome.noisy


async def test_a_round_under_load_is_repeated(shop: Shop, quiet: list[float]) -> None:
    quiet += [0.9, 0.9]
    bench = Bench(shop.load)
    outcome = await bench.duel(Duel("threads", SLOW, FAST))
    assert len(shop.asked) == 6
    assert not outcome.noisy
    assert bench.cells[0].rounds == 3


async def test_a_round_under_load_does_not_count(shop: Shop, quiet: list[float]) -> None:
    quiet += [0.9] * 4
    shop.rates = lambda setup: (100, 5 if len(shop.asked) <= 4 and setup == FAST else 100 / setup.threads)
    outcome = await Bench(shop.load).duel(Duel("threads", SLOW, FAST))
    assert outcome.ratio == pytest.approx((5 + 5) / (5 + 7.5))


async def test_a_machine_that_stays_busy_is_told(shop: Shop, quiet: list[float]) -> None:
    quiet += [0.9] * 100
    assert (await Bench(shop.load).duel(Duel("threads", SLOW, FAST))).noisy
    assert not (await Bench(shop.load, forgives=True).duel(Duel("threads", SLOW, FAST))).noisy


@pytest.mark.parametrize("room", [1, 2])
async def test_no_more_are_loaded_than_there_is_room_for(shop: Shop, quiet: list[float], room: int) -> None:
    bench = Bench(shop.load, room=room)
    await bench.duel(Duel("threads", SLOW, FAST))
    await bench.duel(Duel("threads", FAST, Setup(threads=1, batch=512)))
    assert shop.most == room
    await bench.close()
    assert shop.loaded == []


async def test_speculation_compares_the_texts(shop: Shop, quiet: list[float]) -> None:
    guessing = Setup(threads=3, batch=512, speculation="ngram")
    shop.rates = lambda setup: (100, 60 if setup == guessing else 30)
    bench = Bench(shop.load)
    await bench.warm_up(SLOW)
    outcome = await bench.duel(Duel("speculation", SLOW, guessing))
    assert (outcome.repeating, outcome.same_text) == (0.5, True)
    shop.text = lambda setup: setup.speculation
    assert not (await bench.duel(Duel("speculation", SLOW, guessing))).same_text


async def test_a_slow_model_is_asked_for_less_and_its_duels_are_known_to_take_long(
    shop: Shop, quiet: list[float]
) -> None:
    costs = []
    for rate in (5, 500):
        shop.rates = lambda setup, rate=rate: (rate * 4, rate)  # type: ignore[misc]  # mypy knows no defaults
        bench = Bench(shop.load, sample_s=1.0)
        await bench.warm_up(SLOW)
        costs.append((bench.cost("threads"), bench.cost("speculation")))
    (slow, slow_guessing), (fast, fast_guessing) = costs
    assert slow > 10 > fast
    assert slow_guessing > slow
    assert fast_guessing > fast


def test_the_share_of_others_leaves_out_our_own_work() -> None:
    start = Moment(clock=10, all=100, ours=20)
    assert busy.share(start, Moment(12, 104, 24), 4) == 0
    assert busy.share(start, Moment(12, 106, 22), 4) == pytest.approx(0.5)
    assert busy.share(start, Moment(12, 101, 24), 4) == 0  # the clocks of processes are coarse
    assert busy.share(start, start, 4) == 0


def test_the_texts_are_long_enough_and_begin_differently() -> None:
    one, other = texts.free(1), texts.free(2)
    assert len(one.split()) > READ_FOR_BATCH
    assert one[:10] != other[:10]


# ── the whole tuning ────────────────────────────────────────────────────────────────────────────────


class Clock:
    def __init__(self, shop: Shop, seconds: float) -> None:
        self.shop, self.seconds = shop, seconds

    def __call__(self) -> float:
        """Each sample takes so long."""
        return len(self.shop.asked) * self.seconds


def everything(start: Cell) -> Space:
    del start
    return Space(cores=4, threads=thread_counts(4), batches=(256, 512), speculation=("ngram",))


async def tuned(shop: Shop, *, sample_s: float = 0.1, anyway: bool = False) -> Tuned:
    bench = Bench(shop.load, forgives=anyway)
    ended = await tune(bench, SLOW, everything, anyway=anyway, clock=Clock(shop, sample_s))
    await bench.close()
    return ended


async def test_a_tuning_finds_what_is_faster_and_tells_how_it_knows(shop: Shop, quiet: list[float]) -> None:
    ended = await tuned(shop)
    assert ended.options.said() == {"threads": 1}
    assert not ended.busy
    told = ended.plain()
    assert [cell["axis"] for cell in told["cells"]] == [
        "threads",
        "threads",
        "batch",
        "confirm",
        "speculation",
    ]
    assert told["ratio"] == pytest.approx(1 / 3, abs=0.01)


async def test_when_time_is_short_the_comparison_at_the_end_is_kept(shop: Shop, quiet: list[float]) -> None:
    ended = await tuned(shop, sample_s=10)
    assert [cell.axis for cell in ended.cells][-1] == "confirm"
    assert len(ended.cells) < 5
    assert "speculation" in ended.skipped


async def test_a_busy_machine_ends_early_and_stores_nothing(shop: Shop, quiet: list[float]) -> None:
    quiet += [0.9] * 1000
    ended = await tuned(shop)
    assert ended.busy
    assert len(ended.cells) == 3
    assert ended.options.said() == {}


async def test_a_machine_too_busy_to_compare_anything_is_busy(shop: Shop, quiet: list[float]) -> None:
    quiet += [0.9] * 1000
    ended = await tuned(shop, sample_s=100)
    assert ended.cells == ()
    assert ended.busy
    assert not (await tuned(shop, sample_s=100, anyway=True)).busy


async def test_anyway_takes_what_was_measured_under_load(shop: Shop, quiet: list[float]) -> None:
    quiet += [0.9] * 1000
    ended = await tuned(shop, anyway=True)
    assert not ended.busy
    assert ended.options.said() == {"threads": 1}
    assert ended.start.load == 0.9


# ── in the background ───────────────────────────────────────────────────────────────────────────────


class Idle:
    """A studio that nobody uses, with its clock."""

    def __init__(self, *models: str) -> None:
        self.time, self.allowed, self.working, self.machine = 0.0, True, False, True
        self.models, self.begun = list(models), list[str]()
        self.cancelled: list[str] = []
        self.endings: Iterator[bool | None] = iter(())
        self.fault: Exception | None = None
        self.background = Background(self, is_idle=self.is_idle, clock=lambda: self.time, watch_s=0.001)

    async def is_idle(self) -> bool:
        return self.machine

    def may_tune(self) -> bool:
        return self.allowed

    async def is_at_work(self) -> bool:
        return self.working

    async def unmeasured(self, used: Sequence[str]) -> list[str]:
        return [*(name for name in used if name in self.models), *self.models]

    async def begin_tuning(self, model: str) -> str:
        self.begun.append(model)
        if self.fault:
            raise self.fault
        return f"job of {model}"

    async def tuning_ended(self, job: str) -> bool | None:
        del job
        return next(self.endings, True)

    async def cancel_tuning(self, job: str) -> None:
        self.cancelled.append(job)


async def test_it_waits_until_nobody_has_asked_for_a_while() -> None:
    studio = Idle("a")
    studio.time = 500
    assert await studio.background.look() == ""
    studio.background.used("a")
    studio.time = 1000
    assert await studio.background.look() == ""
    studio.time = 1100
    assert await studio.background.look() == "a"
    assert studio.begun == ["a"]
    assert studio.cancelled == []


@pytest.mark.parametrize("hindrance", ["allowed", "machine", "working"])
async def test_it_measures_only_when_it_may_and_the_machine_is_idle(hindrance: str) -> None:
    studio = Idle("a")
    studio.time = 1000
    setattr(studio, hindrance, hindrance == "working")
    assert await studio.background.look() == ""
    assert studio.begun == []


async def test_the_model_that_was_used_last_comes_first() -> None:
    studio = Idle("a", "b")
    studio.background.used("b")
    studio.time = 1000
    assert await studio.background.look() == "b"


async def test_a_request_ends_it_at_once_and_does_not_count_as_a_try() -> None:
    studio = Idle("a")
    studio.endings = iter([None] * 10_000)
    for round in range(1, TRIES + 2):
        studio.time += 10_000
        looking = asyncio.create_task(studio.background.look())
        await asyncio.sleep(0.01)
        studio.background.used("a")
        await looking
        assert studio.cancelled == ["job of a"] * round


async def test_one_that_always_ends_under_load_is_given_up() -> None:
    studio = Idle("a")
    studio.endings = iter([False] * 100)
    for _ in range(10):
        studio.time += 100_000
        await studio.background.look()
    assert len(studio.begun) == TRIES


async def test_one_that_does_not_fit_is_given_up() -> None:
    studio = Idle("a")
    studio.fault = DoesNotFit("a", 2, 1, 512)
    for _ in range(TRIES):
        studio.time += 100_000
        with pytest.raises(DoesNotFit):
            await studio.background.look()
    assert await studio.background.look() == ""


async def test_a_studio_that_closes_cancels_it() -> None:
    studio = Idle("a")
    studio.time, studio.endings = 1000, iter([None] * 10_000)
    looking = asyncio.create_task(studio.background.look())
    await asyncio.sleep(0.01)
    looking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await looking
    assert studio.cancelled == ["job of a"]
