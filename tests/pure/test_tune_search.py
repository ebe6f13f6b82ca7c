"""The search of `fabula engine tune` on simulated machines: what it finds, and what it never does."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from fabula.engine.tune.search import (
    BATCHES,
    CLEAR,
    MARGIN,
    Duel,
    Found,
    Outcome,
    Setup,
    Space,
    search,
    thread_counts,
)


class Machine:
    """Time of a turn: what threads cost times what batch costs. `noisy` threads are measured under load."""

    def __init__(
        self, threads: dict[int, float], batches: dict[int, float], noise: list[float] | None = None
    ):
        self.threads, self.batches, self.noise = threads, batches, list(noise or [])
        self.noisy: set[int] = set()  # thread counts
        self.duels: list[Duel] = []

    def turn(self, setup: Setup) -> float:
        return self.threads[setup.threads] * self.batches.get(setup.batch, 1.0)

    def outcome(self, duel: Duel) -> Outcome:
        self.duels.append(duel)
        ratio = self.turn(duel.challenger) / self.turn(duel.champion)
        ratio *= 1 + (self.noise.pop() if self.noise else 0.0)
        return Outcome(ratio=ratio, noisy=duel.challenger.threads in self.noisy)


def run(machine: Machine, start: Setup, space: Space, duels: int = 1000) -> Found:
    """The whole search, with time for so many duels."""
    steps, outcome = search(start, space), None
    while True:
        try:
            duel = steps.send(outcome)
        except StopIteration as ended:
            found: Found = ended.value
            return found
        has_time = duel.axis == "confirm" or len(machine.duels) < duels
        outcome = machine.outcome(duel) if has_time else None


@st.composite
def valleys(draw: st.DrawFn, values: tuple[int, ...]) -> dict[int, float]:
    """Costs that fall to one lowest value and rise after it."""
    bottom = draw(st.integers(0, len(values) - 1))
    costs = {values[bottom]: 1.0}
    for side in (range(bottom - 1, -1, -1), range(bottom + 1, len(values))):
        cost = 1.0
        for place in side:
            cost *= draw(st.floats(1.01, 1.6))
            costs[values[place]] = cost
    return costs


@st.composite
def machines(draw: st.DrawFn) -> tuple[Machine, Setup, Space]:
    cores = draw(st.integers(2, 64))
    counts = thread_counts(cores)
    machine = Machine(draw(valleys(counts)), draw(valleys(BATCHES)))
    start = Setup(threads=cores - 1, batch=512)
    return machine, start, Space(cores=cores, threads=counts, batches=BATCHES)


def best_turn(machine: Machine, space: Space, *, cores: bool = False) -> float:
    threads = min(cost for count, cost in machine.threads.items() if cores or count < space.cores)
    return threads * min(machine.batches.values())


@given(machines())
def test_it_finds_the_bottom_of_every_valley(drawn: tuple[Machine, Setup, Space]) -> None:
    machine, start, space = drawn
    found = run(machine, start, space)
    reached = machine.turn(found.best)
    assert reached <= best_turn(machine, space) / (1 - MARGIN) + 1e-9
    assert found.best == start or found.ratio <= 1 - MARGIN


@given(machines())
def test_no_value_is_measured_twice(drawn: tuple[Machine, Setup, Space]) -> None:
    machine, start, space = drawn
    run(machine, start, space)
    tried = [(duel.axis, duel.challenger) for duel in machine.duels]
    assert len(tried) == len(set(tried))
    assert sum(axis == "threads" for axis, _ in tried) <= len(space.threads)


@given(machines(), st.lists(st.floats(-0.02, 0.02), max_size=40))
def test_noise_never_makes_a_model_slower(drawn: tuple[Machine, Setup, Space], noise: list[float]) -> None:
    machine, start, space = drawn
    machine.noise = noise
    found = run(machine, start, space)
    assert machine.turn(found.best) <= machine.turn(start)


@given(machines(), st.integers(0, 20))
def test_with_little_time_it_is_no_worse_than_the_start(
    drawn: tuple[Machine, Setup, Space], duels: int
) -> None:
    machine, start, space = drawn
    found = run(machine, start, space, duels)
    assert machine.turn(found.best) <= machine.turn(start)
    assert len(machine.duels) <= duels + 1


@given(machines(), st.data())
def test_what_was_measured_under_load_is_never_chosen(
    drawn: tuple[Machine, Setup, Space], data: st.DataObject
) -> None:
    machine, start, space = drawn
    machine.noisy = data.draw(st.sets(st.sampled_from(space.threads)))
    found = run(machine, start, space)
    assert found.best.threads == start.threads or found.best.threads not in machine.noisy
    champions = {duel.champion.threads for duel in machine.duels} - {start.threads}
    assert not champions & machine.noisy


@given(machines())
def test_every_core_is_offered_and_not_taken(drawn: tuple[Machine, Setup, Space]) -> None:
    machine, start, space = drawn
    found = run(machine, start, space)
    assert found.best.threads < space.cores
    assert all(offer.ratio <= 1 - CLEAR for offer in found.offers)


def test_every_core_is_taken_when_a_person_says_so_and_it_wins_clearly() -> None:
    space = Space(cores=4, threads=thread_counts(4), spare_cores=False)
    start = Setup(threads=3, batch=512)
    clear, close = Machine({1: 9, 2: 3, 3: 2, 4: 1}, {}), Machine({1: 9, 2: 3, 3: 1.05, 4: 1}, {})
    assert run(clear, start, space).best.threads == 4
    assert run(close, start, space).best.threads == 3


class Answers:
    """Outcomes by axis."""

    def __init__(self, **outcomes: Outcome) -> None:
        self.outcomes = outcomes
        self.duels: list[Duel] = []

    def outcome(self, duel: Duel) -> Outcome:
        return self.outcomes[duel.axis]


START = Setup(threads=1, batch=512)
GUESSING = Space(cores=1, speculation=("ngram",))


def chosen(space: Space, **outcomes: Outcome) -> Found:
    return run(Answers(**outcomes), START, space)  # type: ignore[arg-type]  # it answers as a machine does


def test_speculation_needs_the_same_text_a_gain_and_no_harm() -> None:
    good = Outcome(ratio=1.01, repeating=0.5)
    assert chosen(GUESSING, speculation=good).best.speculation == "ngram"
    for bad in (
        replace(good, same_text=False),
        replace(good, repeating=0.95),
        replace(good, ratio=1.1),
        replace(good, noisy=True),
    ):
        assert chosen(GUESSING, speculation=bad).best == START


def test_cache_types_are_only_offered() -> None:
    found = chosen(Space(cores=1, kv_types=("q8_0", "q4_0")), kv_type=Outcome(ratio=0.8))
    assert found.best == START
    assert [(offer.value, offer.why) for offer in found.offers] == [("q8_0", "quality"), ("q4_0", "quality")]


def test_attention_is_chosen_only_where_its_memory_is_small_change() -> None:
    faster = {"flash_attention": Outcome(ratio=0.8), "confirm": Outcome(ratio=0.8)}
    roomy = Space(cores=1, flash_attention=("off",), roomy=True)
    assert chosen(roomy, **faster).best.flash_attention == "off"
    found = chosen(replace(roomy, roomy=False), **faster)
    assert found.best == START
    assert found.offers[0].why == "memory"


def test_a_winner_that_cannot_be_confirmed_is_not_chosen() -> None:
    roomy = Space(cores=1, flash_attention=("off",), roomy=True)
    noisy = chosen(roomy, flash_attention=Outcome(ratio=0.8), confirm=Outcome(ratio=0.8, noisy=True))
    assert (noisy.best, noisy.confirmed) == (START, False)
    scattered = chosen(roomy, flash_attention=Outcome(ratio=0.8), confirm=Outcome(ratio=0.8, spread=0.3))
    assert (scattered.best, scattered.confirmed) == (START, True)


def test_what_is_stored_is_only_what_differs() -> None:
    best = Setup(threads=2, batch=512, speculation="ngram")
    assert best.beyond(START).said() == {"threads": 2, "speculation": "ngram"}
    assert START.beyond(START).said() == {}


def test_thread_counts_reach_every_core_in_growing_steps() -> None:
    assert thread_counts(1) == (1,)
    assert thread_counts(4) == (1, 2, 3, 4)
    assert thread_counts(32) == (1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 15, 18, 22, 27, 31, 32)
