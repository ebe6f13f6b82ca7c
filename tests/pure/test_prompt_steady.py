"""The steady layout: a prompt begins with the one before it and its reply, except where the plan says why."""

from __future__ import annotations

import datetime
import itertools
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from story_truth import Counted, mock_tokens

from fabula.core.errors import ContextExceeded
from fabula.prompt.faithful.model import (
    Character,
    Group,
    Note,
    Persona,
    PersonaPlace,
    Story,
    StoryMessage,
    SystemPrompt,
    Turn,
)
from fabula.prompt.faithful.prepare import World
from fabula.prompt.lore.entry import Entry, Position
from fabula.prompt.lore.settings import LoreSettings
from fabula.prompt.macros.scene import Card
from fabula.prompt.plan import NeedCounts
from fabula.prompt.steady.layout import SteadyPrompt, steady_prompt
from fabula.prompt.steady.memory import Memory
from fabula.prompt.template import ChatTemplate

MIRA = Character(
    name="Mira", file="Mira", card=Card(description="{{char}} keeps the light.", examples="<START>\nMira: Ho")
)
BO = Character(name="Bo", file="Bo", card=Card(description="{{char}} sails."))
CHATML = ChatTemplate("")
LORE = LoreSettings(depth=2, whole_words=True, recursive=False, budget=50)
ALTERNATES = ChatTemplate(
    "{% for m in messages %}{% if m.role != 'system' and (loop.index0 % 2 == 0) != (m.role == 'assistant') %}"
    "{{ raise_exception('alternate') }}{% endif %}[{{ m.role }}]{{ m.content }}{% endfor %}"
    "{% if add_generation_prompt %}[assistant]{% endif %}"
)


def entry(uid: int, **fields: Any) -> Entry:
    return Entry(**{"uid": f"{uid}", "keys": (f"key{uid}",), "content": f"lore {uid} told"} | fields)


class Chat:
    """A chat that goes on: what was said, the memory, and every prompt that was sent."""

    def __init__(self, template: ChatTemplate = CHATML, context: int = 4000, **story: Any) -> None:
        given_: dict[str, Any] = {
            "character": MIRA,
            "persona": Persona(name="Alex"),
            "system_prompt": SystemPrompt(text="Write as {{char}}."),
            "lore_settings": LORE,
        }
        self.story = Story(**given_ | story)
        self.template, self.memory = template, Memory()
        self.turn = Turn(context=context, reply_room=50)
        self.said = 0

    def say(self, text: str, name: str = "Alex") -> None:
        self.said += 1
        message = StoryMessage(text=text, name=name, is_user=name == "Alex", id=f"m{self.said}")
        self.story = replace(self.story, messages=[*self.story.messages, message])

    def prompt(self, world: World | None = None, **turn: Any) -> SteadyPrompt:
        found = steady_prompt(
            self.story,
            replace(self.turn, **turn),
            self.template,
            Counted(),
            world or World(draw=lambda: 0.5),
            self.memory,
        )
        assert isinstance(found, SteadyPrompt)
        self.memory = Memory.of(found.memory.all())
        return found


def text_of(found: SteadyPrompt) -> str:
    return "".join(piece for piece in found.plan.pieces if isinstance(piece, str))


TURNS = st.lists(
    st.tuples(st.text("ab key0123 .", min_size=1, max_size=30), st.text("cd key.", min_size=1, max_size=30)),
    min_size=1,
    max_size=8,
)
NOTES = st.sampled_from([Note(), Note(text="[Slowly.]", interval=2), Note(text="[Grim.]")])


@settings(max_examples=60)
@given(TURNS, NOTES, st.integers(120, 600), st.booleans())
def test_a_prompt_begins_with_the_last_one_and_its_reply_or_says_why(
    turns: list[tuple[str, str]], note: Note, context: int, in_group: bool
) -> None:
    cast = Group(members=(MIRA, BO)) if in_group else None
    lore = [entry(0), entry(1, order=5), entry(2, constant=True, keys=())]
    chat = Chat(context=context, note=note, lore=lore, group=cast)
    before = ""
    for number, (asked, replied) in enumerate(turns):
        chat.say(asked)
        speaker = BO if in_group and number % 2 else MIRA
        chat.story = replace(chat.story, character=speaker)
        try:
            found = chat.prompt()
        except ContextExceeded:
            return
        text = text_of(found)
        broke = found.plan.broke
        assert text.startswith(before) or broke is not None
        assert broke is None or broke.reason in ("cut", "tail")
        assert broke is None or broke.reason == "cut" or note.text
        assert mock_tokens(text) + 50 <= context + 5
        before = text + replied + "<|im_end|>"
        chat.say(replied, speaker.name)


def test_lore_stays_where_it_was_told_and_is_not_told_twice() -> None:
    chat = Chat(lore=[entry(0), entry(1)])
    chat.say("See key0")
    first = chat.prompt()
    assert "lore 0 told\n\nSee key0" in text_of(first)
    chat.say("I see.", "Mira")
    chat.say("And key1, key0?")
    second = chat.prompt()
    assert text_of(second).count("lore 0 told") == 1
    assert text_of(second).startswith(text_of(first) + "I see.<|im_end|>")
    assert second.plan.broke is None
    lore = [segment for segment in second.plan.segments if segment.source == "lore"]
    assert [(segment.label, segment.reason, segment.message_id) for segment in lore] == [
        ("key0", "triggered", "m1"),
        ("key1", "triggered", "m3"),
    ]


def test_an_edited_entry_is_told_again_as_it_is_now() -> None:
    chat = Chat(lore=[entry(0)])
    chat.say("key0")
    chat.prompt()
    chat.say("Yes.", "Mira")
    chat.say("key0?")
    chat.story = replace(chat.story, lore=[entry(0, content="new lore")])
    assert "new lore\n\nkey0?" in text_of(chat.prompt())


def test_constant_lore_stands_in_the_head_and_a_change_of_the_head_is_named() -> None:
    chat = Chat(lore=[entry(0, constant=True)])
    chat.say("Hello.")
    first = chat.prompt()
    assert text_of(first).index("lore 0") < text_of(first).index("Hello.")
    chat.story = replace(chat.story, persona=Persona(name="Alex", description="Alex is tall."))
    broke = chat.prompt().plan.broke
    assert broke is not None
    assert (broke.part, broke.reason) == ("persona", "changed")
    assert broke.tokens > 0


def test_what_has_to_be_last_is_read_again_each_turn_and_the_plan_says_how_much() -> None:
    chat = Chat(note=Note(text="[Slowly.]", depth=0))
    chat.say("One")
    assert text_of(chat.prompt()).endswith("One\n\n[Slowly.]<|im_end|>\n<|im_start|>assistant\n")
    chat.say("A reply of some words.", "Mira")
    chat.say("Two")
    found = chat.prompt()
    assert text_of(found).count("[Slowly.]") == 1
    assert found.plan.broke is not None
    assert (found.plan.broke.part, found.plan.broke.reason) == ("tail", "tail")
    assert found.plan.broke.tokens >= mock_tokens("A reply of some words.") + mock_tokens("[Slowly.]")
    assert [segment.tokens for segment in found.plan.segments if segment.source == "tail"] == [
        mock_tokens("[Slowly.]")
    ]


def test_a_note_at_a_depth_stays_where_it_was_told_until_it_lies_twice_as_deep() -> None:
    chat, before, told = Chat(note=Note(text="[Slowly.]", depth=2)), "", []
    for number in range(6):
        chat.say(f"Question {number}.")
        found = chat.prompt()
        assert text_of(found).startswith(before)
        assert found.plan.broke is None
        told.append(text_of(found).count("[Slowly.]"))
        before = text_of(found) + "Yes.<|im_end|>"
        chat.say("Yes.", "Mira")
    assert told == [1, 1, 1, 2, 2, 2]
    notes = [segment for segment in found.plan.segments if segment.source == "note"]
    assert [(segment.message_id, segment.reason) for segment in notes] == [("m1", "stays"), ("m7", "stays")]


def test_a_note_that_was_changed_or_taken_away_is_nowhere_told_any_more() -> None:
    chat = Chat(note=Note(text="[Slowly.]", depth=4))
    for text in ("[Slowly.]", "[Fast.]", ""):
        chat.story = replace(chat.story, note=Note(text=text, depth=4))
        chat.say("Well?")
        said = text_of(chat.prompt())
        assert ("[Slowly.]" in said, "[Fast.]" in said) == (text == "[Slowly.]", text == "[Fast.]")
        chat.say("Yes.", "Mira")


def test_a_long_note_and_one_that_comes_and_goes_stand_only_at_the_end() -> None:
    for note in (Note(text="[Slowly.] " * 60, depth=4), Note(text="[Slowly.]", depth=4, interval=2)):
        chat = Chat(note=note)
        counts = []
        for number in range(4):
            chat.say(f"Question {number}.")
            said = text_of(chat.prompt())
            counts.append(said.count(note.text.strip()))
            chat.say("Yes.", "Mira")
        assert counts == ([1, 1, 1, 1] if note.interval == 1 else [0, 1, 0, 1])


def test_the_copies_of_a_note_go_when_the_window_is_cut() -> None:
    chat = Chat(context=700, note=Note(text="[Slowly.]", depth=2))
    for number in range(40):
        chat.say(f"Question {number} " + "word " * 10)
        found = chat.prompt()
        if found.plan.broke:
            assert found.plan.broke.reason == "cut"
            assert text_of(found).count("[Slowly.]") == 1
        chat.say(f"Answer {number} " + "word " * 10, "Mira")


@pytest.mark.parametrize("position", [Position.NOTE_TOP, Position.NOTE_BOTTOM, Position.DEPTH])
def test_lore_at_a_depth_or_around_the_note_is_told_once(position: Position) -> None:
    chat = Chat(
        lore=[entry(0, position=position), entry(1, position=position, constant=True, keys=())],
        note=Note(text="[Slowly.]", depth=4),
    )
    chat.say("key0")
    said = text_of(chat.prompt())
    assert [said.count(text) for text in ("lore 0 told", "lore 1 told", "[Slowly.]")] == [1, 1, 1]


def test_a_persona_is_told_once_wherever_it_should_stand() -> None:
    for place in (PersonaPlace.IN_STORY, PersonaPlace.NOTE_TOP, PersonaPlace.IN_CHAT):
        chat = Chat(
            persona=Persona(name="Alex", description="Alex is tall.", place=place), note=Note(text="[N]")
        )
        chat.say("Hello.")
        assert text_of(chat.prompt()).count("Alex is tall.") == 1


def test_macros_that_change_by_themselves_are_kept_and_named() -> None:
    moments = iter(datetime.datetime(2026, 1, day, tzinfo=datetime.UTC) for day in range(1, 9))
    chat = Chat(system_prompt=SystemPrompt(text="It is {{date}}, {{random::dry::wet}}, {{user}}."))
    texts = []
    for draw in (0.1, 0.9):
        chat.say("Hello.")
        found = chat.prompt(World(draw=lambda draw=draw: draw, now=next(moments)))
        texts.append(text_of(found))
        assert found.fixed == ("system_prompt",)
        chat.say("Yes.", "Mira")
    assert all("It is January 1, 2026, dry, Alex." in text for text in texts)


def test_a_variable_in_the_head_is_not_kept() -> None:
    chat = Chat(system_prompt=SystemPrompt(text="Mood: {{getvar::mood}}"))
    chat.say("Hello.")
    assert chat.prompt().fixed == ()


def test_a_full_window_gives_up_half_at_once_and_stays_for_many_turns() -> None:
    chat = Chat(context=700)
    cuts = []
    for number in range(40):
        chat.say(f"Question {number} " + "word " * 10)
        found = chat.prompt()
        if found.plan.broke:
            assert found.plan.broke.reason == "cut"
            cuts.append(number)
        chat.say(f"Answer {number} " + "word " * 10, "Mira")
    assert 2 <= len(cuts) <= 8
    assert min(later - earlier for earlier, later in itertools.pairwise(cuts)) >= 5


def test_lore_that_was_cut_away_is_told_again_where_it_is_needed() -> None:
    chat = Chat(context=420, lore=[entry(0)])
    chat.say("key0 " + "word " * 40)
    chat.prompt()
    for _ in range(3):
        chat.say("word " * 30, "Mira")
        chat.say("word " * 20)
        found = chat.prompt()
    chat.say("Hm.", "Mira")
    chat.say("key0 again?")
    found = chat.prompt()
    assert found.plan.cut_messages > 0
    assert "lore 0 told\n\nkey0 again?" in text_of(found)


def test_a_swipe_sends_the_same_prompt() -> None:
    chat = Chat(lore=[entry(0)])
    chat.say("key0")
    first = text_of(chat.prompt())
    chat.say("A reply.", "Mira")
    found = chat.prompt(kind="swipe")
    assert text_of(found) == first
    assert found.plan.broke is None


def test_a_group_shares_one_head_and_names_who_answers() -> None:
    chat = Chat(group=Group(members=(MIRA, BO)))
    chat.say("Who is there?")
    first = text_of(chat.prompt())
    assert "Mira keeps the light." in first
    assert "Bo sails." in first
    assert "Who is there?\n\n(Mira answers.)" in first
    chat.say("I.", "Mira")
    chat.story = replace(chat.story, character=BO)
    second = chat.prompt()
    assert text_of(second).startswith(first + "I.<|im_end|>")
    assert "(Bo answers.)" in text_of(second)[len(first) :]


def test_a_template_whose_roles_alternate_is_served_even_when_the_character_begins() -> None:
    chat = Chat(template=ALTERNATES, group=Group(members=(MIRA, BO)))
    chat.story = replace(chat.story, system_prompt=SystemPrompt(text="Write."))
    chat.say("Welcome.", "Mira")
    chat.say("Thanks.")
    chat.say("Really.")
    assert "[user]Thanks.\n\nReally.\n\n(Mira answers.)[assistant]" in text_of(chat.prompt())


def test_counts_are_asked_for_until_there_are_none_left() -> None:
    chat = Chat(lore=[entry(0)], note=Note(text="[N]"))
    chat.say("key0")
    counts: dict[str, int] = {}
    world = World(draw=lambda: 0.5)
    for _ in range(5):
        found = steady_prompt(chat.story, chat.turn, CHATML, counts, world, Memory())
        if not isinstance(found, NeedCounts):
            break
        counts |= {text: mock_tokens(text) for text in found.texts}
    assert isinstance(found, SteadyPrompt)


@pytest.mark.parametrize("kind", ["continue", "impersonate", "quiet", "regenerate"])
def test_every_kind_of_turn_has_a_prompt(kind: str) -> None:
    chat = Chat(lore=[entry(0)])
    chat.say("key0")
    chat.say("Well,", "Mira")
    found = chat.prompt(kind=kind, quiet_prompt="Sum up." if kind == "quiet" else "")
    assert text_of(found).endswith("Well," if kind == "continue" else "<|im_start|>assistant\n")
