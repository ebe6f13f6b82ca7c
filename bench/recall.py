"""Whether facts that lore brings in are still known when the order of the prompt is another one.

Each fact has a chat of its own, in which the same is told of other places too, so that it is not enough to
have seen an answer. Its place is named (and its entry told) some turns before the question, or in the
question only. What counts is the log-probability of the right answer among eight, behind the beginning of a
reply that is the same everywhere; exact, from the direct worker. The probe says something only if the
faithful layout knows more of the facts than the same prompts without the lore.
"""

from __future__ import annotations

import math
import random
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from bench.paired import difference, mean
from bench.replay_layouts import Faithful, Layout, Steady, Tokens
from bench.replay_script import PLACES, Asked, Scenario, story_of, text
from bench.report import Report, at_least, at_most
from bench.studio import model_file
from fabula.core.load import LoadOptions
from fabula.core.plan import Plan
from fabula.core.worker import Prompt
from fabula.engine.beside import REFERENCE
from fabula.engine.direct.worker import DirectWorker
from fabula.models.formats.identify import identify
from fabula.prompt.faithful.model import StoryMessage
from fabula.prompt.lore.entry import Entry
from fabula.prompt.template import ChatTemplate

CONTEXT, THREADS = 4096, 2
FACTS, FEW = 48, 12
LATE = 3  # turns between a place's first mention and the question
OTHERS = 3  # places of which the same is told with another answer
WORDS, CARD = 14, 60  # of a message, of the card
SURE, NOISE = 0.01, 0.05
WITHOUT = "without the lore"
WAYS = ("faithful", "steady", WITHOUT)
KINDS = {
    "The people of {place} are led by {answer}.": (
        "Who leads the people of {place}?",
        "The people of {place} are led by",
        ("Martha", "Edmund", "Clara", "Victor", "Helen", "Arthur", "Rose", "Simon"),
    ),
    "The banner of {place} shows {answer}.": (
        "What does the banner of {place} show?",
        "The banner of {place} shows",
        ("a wolf", "an eagle", "a ship", "a tree", "a crown", "a bear", "a sword", "a rose"),
    ),
    "The town of {place} is known for its {answer}.": (
        "What is {place} known for?",
        "The town of {place} is known for its",
        ("honey", "glass", "wool", "cheese", "silver", "bells", "apples", "paper"),
    ),
    "The gate of {place} is painted {answer}.": (
        "What colour is the gate of {place}?",
        "The gate of {place} is painted",
        ("red", "blue", "green", "white", "black", "yellow", "purple", "orange"),
    ),
}


@dataclass(frozen=True, slots=True)
class Fact:
    """A statement of lore, how it is asked for, and what may be answered; the right one is the first."""

    place: str
    told: str
    question: str
    stem: str
    answers: tuple[str, ...]
    others: tuple[tuple[str, str], ...]  # places, and what lore says of them
    late: int  # turns from the first mention to the question


@dataclass(frozen=True, slots=True)
class Known:
    """Of one fact: the right answer's log-probability (nats), and whether it is the best."""

    logprob: float
    right: bool


def facts(count: int) -> list[Fact]:
    draw, kinds = random.Random(6), list(KINDS.items())
    found = []
    for number in range(count):
        place = PLACES[number // len(kinds) % len(PLACES)]
        told, (question, stem, answers) = kinds[number % len(kinds)]
        right = draw.choice(answers)
        wrong = tuple(answer for answer in answers if answer != right)
        away = draw.sample([other for other in PLACES if other != place], OTHERS)
        others = zip(away, draw.sample(wrong, OTHERS), strict=True)
        found.append(
            Fact(
                place,
                told.format(place=place, answer=right),
                question.format(place=place),
                stem.format(place=place),
                (right, *wrong),
                tuple((other, told.format(place=other, answer=answer)) for other, answer in others),
                LATE if number // len(kinds) % 2 else 0,
            )
        )
    return found


def chat(fact: Fact, number: int, *, lore: bool) -> Iterator[Asked]:
    """A few turns; the last one asks for the fact."""
    told = ((fact.place, fact.told), *fact.others)
    entries = [Entry(uid=place, keys=(place,), comment=place, content=what) for place, what in told]
    story = replace(story_of(Scenario(name="recall"), CARD), lore=entries if lore else [])
    messages: list[StoryMessage] = []
    for turn in range(LATE + 1):
        named = [place for place, _ in fact.others[turn : turn + 1]]
        named += [fact.place] if turn == LATE - fact.late else []
        asked = f"{text(f'{number} asked {turn}', WORDS)} We spoke of {' and '.join(named)}."
        asked = fact.question if turn == LATE else asked
        messages.append(StoryMessage(text=asked, name="Alex", is_user=True, id=f"a{turn}"))
        reply = StoryMessage(text=text(f"{number} said {turn}", WORDS), name="Mira", id=f"r{turn}")
        yield Asked(number=turn, story=replace(story, messages=list(messages)), kind="normal", reply=reply)
        messages.append(reply)


async def measure(report: Report, *, quick: bool) -> None:
    about = identify(model_file())
    plan = Plan(
        model=about.name,
        tier="rough",
        verdict="fits",
        devices=(),
        context=CONTEXT,
        slots=1,
        gpu_layers=0,
        threads=THREADS,
        kv_type="f32",
        options=LoadOptions().over(REFERENCE),
    )
    with tempfile.TemporaryDirectory(prefix="fabula-bench-") as folder:
        worker = DirectWorker(Path(folder) / "logs", Path(folder) / "direct.json")
        await worker.load(about, plan)
        try:
            asked = facts(FEW if quick else FACTS)
            tokens, template = Tokens(worker), ChatTemplate(about.chat_template)
            ways = {
                "faithful": (Faithful, True),
                "steady": (Steady, True),
                "without the lore": (Faithful, False),
            }
            found: dict[str, list[Known]] = {name: [] for name in ways}
            for number, fact in enumerate(asked):
                for name, (way, lore) in ways.items():
                    layout: Layout = (
                        Steady(tokens, CONTEXT, template) if way is Steady else Faithful(tokens, CONTEXT)
                    )
                    found[name].append(await known(worker, layout, fact, number, lore=lore))
        finally:
            await worker.close()
    tell(report, asked, found)


async def known(worker: DirectWorker, layout: Layout, fact: Fact, number: int, *, lore: bool) -> Known:
    for asked in chat(fact, number, lore=lore):
        sent = await layout.sent(asked)
    endings = [Prompt((f" {answer}",), add_special=False) for answer in fact.answers]
    scored = await worker.choices(Prompt((sent.text + fact.stem,), add_special=False), endings)
    sums = [sum(one) for one in scored]
    return Known(sums[0], sums[0] == max(sums))


def tell(report: Report, asked: Sequence[Fact], found: dict[str, list[Known]]) -> None:
    faithful, steady, without = found["faithful"], found["steady"], found[WITHOUT]
    report.heading(f"recall: {len(asked)} facts placed by lore, eight answers each")
    for name, known_ in found.items():
        report.measure(f"{name}: answered right", mean([100.0 * one.right for one in known_]), "%")
        report.measure(f"{name}: right answer", mean([one.logprob for one in known_]), "nats")
    p = sign_test([one.logprob for one in faithful], [one.logprob for one in without])
    report.measure("faithful knows more than without the lore: p", p, "", at_most(SURE))
    if p >= SURE:
        report.note("the probe says nothing with these facts")
        return
    for name, some in (("", range(len(asked))), (f", told {LATE} turns before", _late(asked))):
        right = difference([100.0 * steady[n].right for n in some], [100.0 * faithful[n].right for n in some])
        report.measure(f"steady − faithful{name}: answered right", right, "points")
        chance = mcnemar([steady[n].right for n in some], [faithful[n].right for n in some])
        report.measure(f"as often{name}, by chance: p", chance, "", at_least(NOISE))
        nats = difference([steady[n].logprob for n in some], [faithful[n].logprob for n in some])
        report.measure(f"steady − faithful{name}: right answer", nats, "nats")


def _late(asked: Sequence[Fact]) -> list[int]:
    return [number for number, fact in enumerate(asked) if fact.late]


def sign_test(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """One-sided: how likely so many of ours would be greater if neither were."""
    pairs = [(one, other) for one, other in zip(ours, theirs, strict=True) if one != other]
    greater = sum(one > other for one, other in pairs)
    return sum(math.comb(len(pairs), count) for count in range(greater, len(pairs) + 1)) / 2 ** len(pairs)


def mcnemar(ours: Sequence[bool], theirs: Sequence[bool]) -> float:
    """Two-sided and exact: how likely so uneven a split is of those that only one of both knows."""
    pairs = list(zip(ours, theirs, strict=True))
    gained, lost = pairs.count((True, False)), pairs.count((False, True))
    fewer = sum(math.comb(gained + lost, count) for count in range(min(gained, lost) + 1))
    return min(1.0, 2 * fewer / 2 ** (gained + lost))
