"""The chats of the replay suite: what is said, swiped, edited, and where it goes back. Knows no layout.

Every text is drawn from its place in the chat, so that all layouts and all runs play the same. Lengths are
those of the chats that SillyTavern's own prompts were measured with: about 90 tokens asked, 75 answered.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from fabula.prompt.faithful.model import (
    Character,
    Group,
    Kind,
    Note,
    Persona,
    Story,
    StoryMessage,
    SystemPrompt,
)
from fabula.prompt.lore.entry import Entry
from fabula.prompt.lore.settings import LoreSettings
from fabula.prompt.macros.scene import Card

_WORDS = """
the a of and to in that was with his her their from over under near after before while because water
stone light road house hand door window table night morning winter summer rain wind voice letter story
song ship harbour bridge market forest river valley tower garden kitchen cellar lantern candle mirror
key coin ring cloak boot horse dog bird fish bread wine salt smoke ash fire snow moon star cloud
walked ran waited listened spoke laughed opened closed carried dropped remembered forgot wanted feared
found lost kept gave took held turned looked stood sat slept woke old young tall quiet loud warm cold
bright dark empty heavy narrow broken hidden strange patient careful slow sudden early late again never
always almost perhaps together alone
"""
_PLACES = """
Ashford Brackwater Caldmoor Dunhollow Elmreach Farrowgate Greywick Hollin Ironmere Juniper Kestrelby
Larkfen Mossgrove Netherby Oakhurst Pellside Quarrel Ravensholm Saltmarsh Thornbury Underhill Vexley
Westermark Yarrowdale
"""
WORDS, PLACES = tuple(_WORDS.split()), tuple(_PLACES.split())
ASKED, ANSWERED, TOLD, CARD = 70, 62, 45, 220  # words
PLACES_A_TURN = 2
NOTE = Note(
    text="[Write slowly, in the past tense. Keep the mood uneasy; nobody trusts the others yet.]", depth=4
)
SYSTEM = "Write {{char}}'s next reply in a story told together with {{user}}. Stay true to the character."
VOLATILE = " It is {{time}} on {{date}}. The weather is {{random::calm::stormy::misty::bitterly cold}}."


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One kind of chat. `before` turns have been played when it begins, so that its context is full."""

    name: str
    noted: bool = False
    lore: bool = False
    volatile: bool = False
    members: int = 0
    wanders: bool = False
    before: int = 0


FULL = 60  # turns, of which about 45 fit into 8,192 tokens
SCENARIOS = (
    Scenario(name="plain"),
    Scenario(name="author's note at depth 4", noted=True),
    Scenario(name="keyword lore that changes each turn", lore=True),
    Scenario(name="volatile macros", volatile=True),
    Scenario(name="context full", before=FULL),
    Scenario(name="context full, lore and note", noted=True, lore=True, before=FULL),
    Scenario(name="group of three", members=3),
    Scenario(name="swipes, edits and branches", wanders=True),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One reply that is asked for: the story up to there, and what will be answered. `number` counts all
    turns from 0; those before `Scenario.before` only fill the context."""

    number: int
    story: Story
    kind: Kind
    reply: StoryMessage


@dataclass(slots=True)
class _Tree:
    """Messages by id, each with its parent's."""

    messages: dict[str, StoryMessage] = field(default_factory=dict)
    parents: dict[str, str] = field(default_factory=dict)
    head: str = ""

    def add(self, message: StoryMessage, parent: str) -> StoryMessage:
        named = replace(message, id=f"m{len(self.messages)}")
        self.messages[named.id], self.parents[named.id], self.head = named, parent, named.id
        return named

    def path(self, upto: str) -> list[StoryMessage]:
        found: list[StoryMessage] = []
        while upto:
            found.append(self.messages[upto])
            upto = self.parents[upto]
        return found[::-1]


def played(scenario: Scenario, turns: int, asked: int = ASKED, answered: int = ANSWERED) -> Iterator[Asked]:
    """The turns of a scenario, those that fill its context first; messages of so many words."""
    story, tree, left = story_of(scenario), _Tree(), ""
    speakers = story.group.members if story.group else (story.character,)
    for number in range(scenario.before + turns):
        speaker, kind = speakers[number % len(speakers)], _kind(scenario, number)
        if kind == "swipe":
            shown = tree.path(tree.head)
            parent = tree.parents[tree.head]
        else:
            if kind == "edit":
                left = tree.head
                back = tree.path(tree.head)[-5]  # the person's message before the last two
                parent = tree.parents[back.id]
            else:
                parent = left if kind == "back" else tree.head
            tree.add(StoryMessage(text=_asked(scenario, number, asked), name="Alex", is_user=True), parent)
            shown, parent = tree.path(tree.head), tree.head
        reply = StoryMessage(text=text(f"reply {number}", answered), name=speaker.name)
        reply = tree.add(reply, parent)
        told = replace(story, character=speaker, messages=shown)
        yield Asked(number=number, story=told, kind="swipe" if kind == "swipe" else "normal", reply=reply)


def _kind(scenario: Scenario, number: int) -> str:
    """In a chat that wanders a third of all turns are swipes; of ten one edits, one goes back from that."""
    if not scenario.wanders or number < 6:
        return "say"
    return {3: "edit", 6: "back"}.get(number % 10, "swipe" if number % 3 == 1 else "say")


def story_of(scenario: Scenario, words: int = CARD) -> Story:
    """The story before its first message, with a card of so many words."""
    mira = Character(name="Mira", file="Mira", card=_card("Mira", words))
    names = ("Mira", "Bo", "Cassia", "Dorn")[: scenario.members]
    members = tuple(Character(name=name, file=name, card=_card(name, words // 2)) for name in names)
    return Story(
        character=members[0] if members else mira,
        group=Group(members=members) if members else None,
        persona=Persona(name="Alex", description="Alex is a surveyor who has come to map the coast."),
        system_prompt=SystemPrompt(text=SYSTEM + (VOLATILE if scenario.volatile else "")),
        note=NOTE if scenario.noted else Note(),
        lore=[_entry(place) for place in PLACES] if scenario.lore else (),
        lore_settings=LoreSettings(depth=2, recursive=False),
    )


def _card(name: str, words: int) -> Card:
    return Card(
        description=f"{name} is " + text(f"card {name}", words), personality=f"{name} is patient and curious."
    )


def _entry(place: str) -> Entry:
    return Entry(
        uid=place, keys=(place,), comment=place, content=f"{place} is " + text(f"lore {place}", TOLD)
    )


def _asked(scenario: Scenario, number: int, words: int) -> str:
    said = text(f"asked {number}", words)
    if not scenario.lore:
        return said
    drawn = random.Random(f"places {number}").sample(PLACES, PLACES_A_TURN)
    return f"{said} We spoke of {' and '.join(drawn)}."


def text(seed: str, words: int) -> str:
    """Sentences of words without rhyme, different for every seed."""
    draw = random.Random(seed)
    drawn = [draw.choice(WORDS) for _ in range(words)]
    for start in range(0, words, 12):
        drawn[start] = drawn[start].capitalize()
        drawn[min(start + 11, words - 1)] += "."
    return " ".join(drawn)
