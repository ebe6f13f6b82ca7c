"""How long a prompt takes to be laid out: 1,000 messages, 500 lorebook entries, nothing counted anew.

Both layouts: SillyTavern's for text completion, and the steady one, which goes on from the turn before, goes
through the model's own template (ChatML here) and sends replies as the ids that were sampled.

Pure Python, one thread; processor time, since the machine may have other work. Every tenth entry is named in
the last messages, every twentieth one's text names another, so that the search goes several steps deep.
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Callable
from dataclasses import replace

from bench.paired import median
from bench.report import Report, at_most, exactly, reported
from fabula.prompt.faithful.formats import CONTEXTS, FORMATS
from fabula.prompt.faithful.model import Character, Note, Persona, Story, StoryMessage, SystemPrompt, Turn
from fabula.prompt.faithful.prepare import World
from fabula.prompt.faithful.text import TextPrompt, text_prompt
from fabula.prompt.lore.entry import Entry
from fabula.prompt.lore.settings import LoreSettings
from fabula.prompt.macros.scene import Card
from fabula.prompt.steady.layout import SteadyPrompt, steady_prompt
from fabula.prompt.steady.memory import Memory
from fabula.prompt.template import PLAIN, ChatTemplate

MESSAGES, ENTRIES = 1000, 500
WORDS = tuple(f"word{number}" for number in range(3000))
TOKENIZER, LIMIT = "bench", 20  # ms
TURN = Turn(context=200_000)


class Counts(dict[str, int]):
    """As if every text had been counted before: four characters are a token."""

    def __missing__(self, text: str) -> int:
        self[text] = len(text) // 4
        return self[text]

    def get(self, text: str, default: object = None) -> int:
        return self[text]

    def __contains__(self, text: object) -> bool:
        return True


def sentence(draw: random.Random, words: int) -> str:
    return " ".join(draw.choice(WORDS) for _ in range(words)) + "."


def story(draw: random.Random, messages: int = MESSAGES, entries: int = ENTRIES) -> Story:
    told = [message(draw, number) for number in range(messages)]
    named = " ".join(f"name{number}" for number in range(0, entries, 10))
    told[-1] = StoryMessage(text=named, name="Alex", is_user=True, id="last")
    return Story(
        character=Character(name="Mira", card=Card(description=sentence(draw, 200) + " {{char}}.")),
        persona=Persona(name="Alex", description=sentence(draw, 40)),
        messages=told,
        lore=[entry(draw, number) for number in range(entries)],
        lore_settings=LoreSettings(depth=4),
        system_prompt=SystemPrompt(text="Write as {{char}}."),
        note=Note(text="[Slowly.]"),
    )


def message(draw: random.Random, number: int) -> StoryMessage:
    asked = number % 2 == 1
    return StoryMessage(
        text=sentence(draw, 40), name="Alex" if asked else "Mira", is_user=asked, id=f"{number}"
    )


def entry(draw: random.Random, number: int) -> Entry:
    more = f" name{number + 1}" if number % 20 == 0 else ""
    return Entry(
        uid=f"{number}",
        keys=(f"name{number}", f"place{number}", f"thing of {number}"),
        content=sentence(draw, 30) + more,
        order=number,
        position=number % 5,
    )


def timed(work: Callable[[], object], rounds: int) -> list[float]:
    """Milliseconds of processor time of each round."""
    found: list[float] = []
    for _ in range(rounds):
        before = time.process_time()
        work()
        found.append((time.process_time() - before) * 1000)
    return found


def faithful(report: Report, rounds: int) -> None:
    draw, counts, world = random.Random(1), Counts(), World(draw=lambda: 0.5)
    told = story(draw)

    def assemble() -> TextPrompt:
        found = text_prompt(told, TURN, CONTEXTS["Default"], FORMATS["ChatML"], counts, world)
        assert isinstance(found, TextPrompt)
        return found

    found = assemble()
    report.heading(f"{MESSAGES:,} messages, {ENTRIES} entries, faithful text completion")
    report.measure("entries that were told", exactly(len(found.lore.entries)))
    report.measure("characters of the prompt", exactly(len(found.text)))
    report.measure("laid out", median(timed(assemble, rounds)), "ms", at_most(LIMIT))


def steady(report: Report, rounds: int) -> None:
    draw, counts, world = random.Random(1), Counts(), World(draw=lambda: 0.5)
    plain, template = story(draw), ChatTemplate(PLAIN)
    told = replace(plain, messages=[sampled(message) for message in plain.messages])

    def assemble(memory: Memory) -> SteadyPrompt:
        found = steady_prompt(told, TURN, template, counts, world, memory, tokenizer=TOKENIZER)
        assert isinstance(found, SteadyPrompt)
        return found

    memory = assemble(Memory()).memory
    report.heading(f"{MESSAGES:,} messages, {ENTRIES} entries, steady")
    report.measure("parts of the plan", exactly(len(assemble(memory).plan.segments)))
    report.measure("laid out", median(timed(lambda: assemble(memory), rounds)), "ms", at_most(LIMIT))


def sampled(message: StoryMessage) -> StoryMessage:
    """A reply with the ids that a model wrote it in."""
    ids = tuple(range(len(message.text) // 4))
    return message if message.is_user else replace(message, token_ids=ids, tokenizer=TOKENIZER)


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m bench prompt", description=__doc__)
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--quick", action="store_true", help="few rounds")
    options = parser.parse_args(arguments)
    with reported("prompt", "laying out a long chat with a large lorebook") as report:
        for layout in (faithful, steady):
            layout(report, 15 if options.quick else options.rounds)
