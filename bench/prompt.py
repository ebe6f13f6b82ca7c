"""How long a prompt takes to be laid out: 1,000 messages, 500 lorebook entries, nothing counted anew.

Both layouts: SillyTavern's for text completion, and the steady one, which goes through the model's own
template (ChatML here) and sends replies as the ids that were sampled: of a new chat, a turn later, once more.

Pure Python, one thread; processor time, since the machine may have other work. Every tenth entry is named in
the last messages, every twentieth one's text names another, so that the search goes several steps deep.
"""

from __future__ import annotations

import argparse
import functools
import json
import random
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

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
TEMPLATE, WORLD, NOTHING = ChatTemplate(PLAIN), World(draw=lambda: 0.5), Memory()
SAID = "message['content']"
CORPUS = Path(__file__).parent.parent / "tests" / "pure" / "template_corpus"
LOOKS = {
    "looks into texts": ChatTemplate(PLAIN.replace(SAID, SAID + ".split('</think>')[-1]")),
    "looks for thoughts, as Qwen3's": ChatTemplate((CORPUS / "thinking.jinja").read_text(encoding="utf-8")),
}


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


def once(work: Callable[[], object]) -> float:
    """Milliseconds of processor time."""
    before = time.process_time()
    work()
    return (time.process_time() - before) * 1000


def timed(work: Callable[[], object], rounds: int) -> list[float]:
    return [once(work) for _ in range(rounds)]


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
    """A chat of which nothing was seen before; a turn later; and the same again, as for a swipe."""
    report.heading(f"{MESSAGES:,} messages, {ENTRIES} entries, steady")
    chat, few = Chat(random.Random(1)), max(5, rounds // 4)
    report.measure("laid out, the first of the process", exactly(once(chat.first)), "ms")
    report.measure("parts of the plan", exactly(len(chat.first().plan.segments)))
    new = [once(Chat(random.Random(2 + number)).first) for number in range(few)]
    later = [once(chat.later()) for _ in range(rounds)]
    again = timed(chat.again(), rounds)
    for name, found in {"a new chat": new, "a turn later": later, "the same again": again}.items():
        report.measure(f"laid out, {name}", median(found), "ms", at_most(LIMIT))
    for name, template in LOOKS.items():
        looked = [once(chat.later(template)) for _ in range(rounds)]
        report.measure(f"a turn later, by a template that {name}", median(looked), "ms", at_most(LIMIT))
    told = [functools.partial(read, chat.first()) for _ in range(few)]
    report.measure("made into messages, as the guard reads them", median([once(one) for one in told]), "ms")


class Chat:
    """One long chat, which is read anew for each prompt, as from a store: nothing is known of its texts."""

    def __init__(self, draw: random.Random) -> None:
        plain = story(draw)
        self._story = replace(plain, messages=[sampled(message) for message in plain.messages])
        self._counts = {one.text: len(one.text) // 4 for one in plain.messages}
        counted(replace(self._story, messages=self._story.messages[-2:]), self._counts)
        self._now = self.read(MESSAGES)

    def read(self, count: int) -> Story:
        """The story with so many of the messages."""
        messages = [replace(one, text=anew(one.text)) for one in self._story.messages[:count]]
        lore = [
            replace(one, keys=tuple(map(anew, one.keys)), content=anew(one.content))
            for one in self._story.lore
        ]
        return replace(self._story, messages=messages, lore=lore)

    def first(self) -> SteadyPrompt:
        return laid(self._now, self._counts)

    def later(self, template: ChatTemplate = TEMPLATE) -> Callable[[], SteadyPrompt]:
        """The turn after one that was laid out: a reply and a question more, and what a chat remembers."""
        before = counted(self.read(MESSAGES - 2), self._counts, template=template).memory
        counted(self._now, self._counts, before, template)
        memory, now = Memory.of(json.loads(json.dumps(before.all()))), self.read(MESSAGES)
        return lambda: laid(now, self._counts, memory, template)

    def again(self) -> Callable[[], SteadyPrompt]:
        memory = self.first().memory
        return lambda: laid(self._now, self._counts, memory)


def laid(
    told: Story, counts: dict[str, int], memory: Memory = NOTHING, template: ChatTemplate = TEMPLATE
) -> SteadyPrompt:
    found = steady_prompt(told, TURN, template, counts, WORLD, memory, tokenizer=TOKENIZER)
    assert isinstance(found, SteadyPrompt)
    return found


def counted(
    told: Story, counts: dict[str, int], memory: Memory = NOTHING, template: ChatTemplate = TEMPLATE
) -> SteadyPrompt:
    """With all counts that it takes; four characters are a token."""
    while True:
        found = steady_prompt(told, TURN, template, counts, WORLD, memory, tokenizer=TOKENIZER)
        if isinstance(found, SteadyPrompt):
            return found
        counts |= {text: len(text) // 4 for text in found.texts}


def read(told: SteadyPrompt) -> object:
    return told.messages


def anew(text: str) -> str:
    """The same text, of which Python does not know the hash yet."""
    return text.encode().decode()


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
