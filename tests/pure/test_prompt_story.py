"""The faithful layouts beyond the ground truth: budgets, order, counts, and what is easily got wrong."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from story_truth import Counted, mock_tokens

from fabula.core.errors import ContextExceeded, TemplateRefused
from fabula.prompt.faithful.chat import ChatPrompt, chat_prompt
from fabula.prompt.faithful.examples import blocks, turns
from fabula.prompt.faithful.formats import CONTEXTS, FORMATS
from fabula.prompt.faithful.handlebars import rendered
from fabula.prompt.faithful.manager import ChatSettings, Managed, NamesIn
from fabula.prompt.faithful.model import (
    Character,
    Group,
    Injection,
    Note,
    Persona,
    Place,
    ReasoningStyle,
    Story,
    StoryMessage,
    SystemPrompt,
    Turn,
)
from fabula.prompt.faithful.prepare import World
from fabula.prompt.faithful.speakers import Order, speakers
from fabula.prompt.faithful.templates import Context, context_of, instruct_of
from fabula.prompt.faithful.text import TextPrompt, text_prompt
from fabula.prompt.macros.scene import Card
from fabula.prompt.plan import NeedCounts
from fabula.prompt.regexes.scripts import Script

WORLD = World(draw=lambda: 0.5)
MIRA = Character(
    name="Mira", file="Mira", card=Card(description="Keeper.", examples="<START>\nAlex: Hi\nMira: Ho")
)
CHATML = FORMATS["ChatML"]


def said(*texts: str) -> list[StoryMessage]:
    """A conversation; the person says every second text, beginning with the second."""
    return [
        StoryMessage(text=text, name="Alex" if index % 2 else "Mira", is_user=bool(index % 2), id=f"m{index}")
        for index, text in enumerate(texts)
    ]


def story(**changes: Any) -> Story:
    given_: dict[str, Any] = {
        "character": MIRA,
        "persona": Persona(name="Alex"),
        "messages": said("Hello.", "Who are you?"),
        "system_prompt": SystemPrompt(text="Be {{char}}."),
    }
    return Story(**given_ | changes)


def text_of(
    told: Story, turn: Turn | None = None, context: Context | None = None, instruct: Any = CHATML
) -> TextPrompt:
    found = text_prompt(told, turn or Turn(), context or CONTEXTS["Default"], instruct, Counted(), WORLD)
    assert isinstance(found, TextPrompt)
    return found


@given(
    st.lists(st.text("abc .", min_size=1, max_size=30), max_size=25),
    st.integers(40, 300),
    st.sampled_from([*FORMATS.values(), None]),
    st.booleans(),
)
def test_what_fits_is_within_the_room_and_in_order(
    texts: list[str], room: int, instruct: Any, pins: bool
) -> None:
    turn = Turn(context=room + 50, reply_room=50, padding=0)
    found = text_of(story(messages=said(*texts), pin_examples=pins), turn, instruct=instruct)
    kept = [segment.message_id for segment in found.plan.segments if segment.included and segment.message_id]
    assert kept == [f"m{index}" for index in range(len(texts) - len(kept), len(texts))]
    assert found.first_message == len(texts) - len(kept)
    least = text_of(story(messages=[], pin_examples=pins), turn, instruct=instruct)
    assert mock_tokens(found.text) <= max(room, mock_tokens(least.text) + 3)  # head and last line always stay


def test_texts_without_counts_are_asked_for_until_there_are_none_left() -> None:
    counts: dict[str, int] = {}
    rounds = 0
    while isinstance(found := text_prompt(story(), Turn(), Context(), CHATML, counts, WORLD), NeedCounts):
        assert not counts.keys() & set(found.texts)
        counts |= {text: mock_tokens(text) for text in found.texts}
        rounds += 1
    assert rounds <= 3
    assert found == text_prompt(story(), Turn(), Context(), CHATML, Counted(counts), WORLD)


@pytest.mark.parametrize(
    ("turn", "end"),
    [
        (Turn(), "Who are you?<|im_end|>\n<|im_start|>assistant\n"),
        (Turn(kind="impersonate"), "<|im_start|>user\n"),
        (Turn(kind="continue"), "<|im_start|>user\nWho are you?"),
        (Turn(kind="swipe"), "Hello.<|im_end|>\n<|im_start|>assistant\n"),
        (Turn(kind="quiet", quiet_prompt="Sum up."), "system\nSum up.<|im_end|>\n<|im_start|>assistant\n"),
    ],
)
def test_how_a_prompt_ends(turn: Turn, end: str) -> None:
    assert text_of(story(), turn).text.endswith(end)


def test_the_last_message_of_the_person_has_a_sequence_of_its_own_but_not_when_it_is_their_turn() -> None:
    marked = replace(CHATML, last_input_sequence="<|last|>")
    assert "<|last|>Who are you?" in text_of(story(), instruct=marked).text
    theirs = text_of(story(), Turn(kind="impersonate"), instruct=marked).text
    assert theirs.count("<|last|>") == 1
    assert theirs.endswith("<|last|>")


def test_a_reply_begins_as_the_person_wishes() -> None:
    assert text_of(story(starts_reply_with="Well, {{user}}")).text.endswith("assistant\nWell, Alex")
    plain = text_of(story(starts_reply_with="Well"), instruct=None)
    assert plain.text.endswith("Alex: Who are you?\nMira: Well")


def test_injections_of_one_depth_stand_in_the_order_of_roles_and_keys() -> None:
    notes = tuple(
        Injection(key, text, Place.IN_CHAT, 1, role)
        for key, text, role in (("b", "sys2", 0), ("a", "sys1", 0), ("c", "user", 1), ("d", "reply", 2))
    )
    text = text_of(story(injections=notes), instruct=None).text
    assert "Mira: Hello.\nMira: reply\nAlex: user\nsys1\nsys2\nAlex: Who are you?" in text


def test_the_general_prompt_is_put_into_the_cards_once() -> None:
    own = replace(MIRA, card=replace(MIRA.card, system_prompt="<{{original}}|{{original}}>"))
    assert "<Be Mira.|>" in text_of(story(character=own)).text
    assert "Be Mira.\n" in text_of(story(character=own, prefers_card_prompt=False)).text


def test_a_note_of_the_character_joins_the_authors_note() -> None:
    note = Note(text="[A]", of_character="[C]", depth=0)
    for place, expected in (("replace", "[C]"), ("before", "[C]\n[A]"), ("after", "[A]\n[C]")):
        told = text_of(story(note=replace(note, character_place=place)), instruct=None).text  # type: ignore[arg-type]
        assert f"you?\n{expected}\nMira:" in told


def test_scripts_see_the_depth_of_a_message_and_hidden_messages_are_not_sent() -> None:
    last_only = Script(
        finds="/you/", replacement="YOU", placements=frozenset([1]), only_sent=True, most_depth=0
    )
    messages = [*said("a", "you", "b", "you"), StoryMessage(text="hidden", is_hidden=True)]
    text = text_of(story(messages=messages, scripts=(last_only,)), instruct=None).text
    assert "Alex: you\nMira: b\nAlex: YOU" in text
    assert "hidden" not in text


def test_the_first_message_is_resolved_whoever_said_it_and_others_are_sent_as_they_are() -> None:
    messages = [StoryMessage(text=text, name="Alex", is_user=True) for text in ("Hi {{char}}", "Hi {{user}}")]
    assert text_of(story(messages=messages), instruct=None).text.endswith(
        "Alex: Hi Mira\nAlex: Hi {{user}}\nMira:"
    )


def test_macros_see_the_alternatives_of_the_last_reply() -> None:
    messages = [StoryMessage(text="Hm.", name="Mira", swipes=3, swipe=1)]
    note = Note(text="{{currentSwipeId}}/{{lastSwipeId}}", depth=0, interval=1)
    asked = StoryMessage(text="So?", name="Alex", is_user=True, is_hidden=True)
    assert "\n2/3\n" in text_of(story(messages=[asked, *messages], note=note), instruct=None).text


def test_the_newest_reasoning_is_sent_and_in_a_group_only_the_speakers() -> None:
    messages = [
        StoryMessage(text=text, name=name, reasoning=f"of {name}")
        for text, name in (("a", "Mira"), ("b", "Mira"), ("c", "Tom"))
    ]
    style = ReasoningStyle(prefix="<", suffix=">", separator="", sent=True)
    alone = text_of(story(messages=messages, reasoning=style), instruct=None).text
    assert alone.endswith("Mira: a\nMira: b\nTom: <of Tom>c\nMira:")
    group = Group(members=(MIRA, replace(MIRA, name="Tom", file="Tom")))
    together = text_of(story(messages=messages, reasoning=style, group=group), instruct=None).text
    assert together.endswith("Mira: a\nMira: <of Mira>b\nTom: c\nMira:")


def test_carriage_returns_are_not_sent_and_breaks_may_be_collapsed() -> None:
    told = text_of(story(messages=said("a\r\n\n\nb"), collapse_newlines=True), instruct=None).text
    assert "Mira: a\nb" in told


def test_a_long_continue_gives_up_examples_then_the_oldest() -> None:
    messages = said(*["word " * 20] * 6, "The end is " + "long " * 60)
    found = text_of(story(messages=messages), Turn(kind="continue", context=330, reply_room=50))
    assert found.text.endswith("long ")
    assert "Ho<|im_end|>" not in found.text
    assert 0 < found.first_message < 6


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{{#if a}}{{a}}\n{{/if}}{{b}}!", "A\n{{b}}!"),
        ("{{#if b}}x{{else}}y{{/if}}{{#unless b}}z{{/unless}}", "yz"),
        ("{{#if a}}\n{{a}}\n{{/if}}\nend", "A\nend"),  # tags alone on a line take it along
        ("{{! note }}x {{~a~}} y", "xAy"),
        ("{{#if a}}{{#if b}}x{{/if}}y{{/if}}", "y"),
    ],
)
def test_the_story_string(template: str, expected: str) -> None:
    assert rendered(template, {"a": "A"}) == expected


def test_a_broken_story_string_is_refused() -> None:
    for template in ("{{#if a}}x", "x{{/if}}", "{{else}}"):
        with pytest.raises(TemplateRefused):
            rendered(template, {})


def test_old_templates_are_understood() -> None:
    old = instruct_of(
        {"separator_sequence": "</s>", "names": True, "unknown": 1, "system_sequence_prefix": "P"}
    )
    assert (old.output_suffix, old.names_behavior, old.story_string_prefix) == ("</s>", "always", "P")
    story_string = context_of({"story_string": "{{system}}{{trim}}"}).story_string
    assert story_string.startswith("{{#if anchorBefore}}")
    assert story_string.endswith("{{#if anchorAfter}}{{anchorAfter}}\n{{/if}}{{trim}}")


def test_examples_are_split_into_turns() -> None:
    block = blocks("<START>\nintro\nAlex: one\ntwo\nMira: three\n<start>\nMira: four")[0]
    assert [(turn.text, turn.is_user) for turn in turns(block, "Alex", "Mira")] == [
        ("intro\n one\ntwo", True),
        ("three", False),
    ]


# ── chat completion ─────────────────────────────────────────────────────────────────────────────────────

ORDER = (
    "main",
    "charDescription",
    "worldInfoBefore",
    "dialogueExamples",
    "chatHistory",
    "jailbreak",
    "extra",
)
PROMPTS = {id: Managed(id=id) for id in ORDER} | {
    "main": Managed(id="main", text="Main."),
    "extra": Managed(
        id="extra", text="Deep.", is_system=False, in_chat=True, depth=1, role="user", order=200
    ),
}
SETTINGS = ChatSettings(
    prompts=PROMPTS,
    order=tuple((id, True) for id in ORDER),
    new_chat="[New]",
    new_group_chat="[Group of {{group}}]",
    new_example="[Example]",
    group_nudge="[As {{char}}]",
    continue_nudge="[On from {{lastChatMessage}}]",
)


def rows_of(told: Story, turn: Turn | None = None, **settings: Any) -> list[tuple[str, str]]:
    found = chat_prompt(told, turn or Turn(), replace(SETTINGS, **settings), Counted(), WORLD)
    assert isinstance(found, ChatPrompt)
    assert found.tokens <= (turn or Turn()).room
    return [(row.role, row.text) for row in found.rows]


def test_prompts_in_the_chat_count_from_its_end() -> None:
    rows = rows_of(story())
    assert rows[:2] == [("system", "Main."), ("system", "Keeper.")]
    assert rows[-3:] == [("assistant", "Hello."), ("user", "Deep."), ("user", "Who are you?")]


def test_neighbouring_system_messages_may_be_squashed() -> None:
    assert rows_of(story(), squashes=True)[0] == ("system", "Main.\nKeeper.")
    assert rows_of(story(), Turn(dry=True), squashes=True)[0] == ("system", "Main.")


def test_a_reply_is_lengthened_by_a_request_or_as_a_beginning() -> None:
    assert rows_of(story(), Turn(kind="continue"))[-2:] == [
        ("user", "Who are you?"),
        ("system", "[On from Who are you?]"),
    ]
    assert rows_of(story(), Turn(kind="continue"), continues_by_prefill=True)[-1] == ("user", "Who are you?")


def test_a_group_is_told_who_answers() -> None:
    told = story(group=Group(members=(MIRA, Character(name="Bo", file="Bo"))))
    rows = rows_of(told)
    assert ("system", "[Group of Mira, Bo]") in rows
    assert ("assistant", "Mira: Hello.") in rows
    assert rows[-1] == ("system", "[As Mira]")


def test_names_stand_where_the_setting_says() -> None:
    assert ("assistant", "Mira: Hello.") in rows_of(story(), names=NamesIn.TEXT)
    found = chat_prompt(story(), Turn(), replace(SETTINGS, names=NamesIn.FIELD), Counted(), WORLD)
    assert isinstance(found, ChatPrompt)
    assert [row.name for row in found.rows if row.id] == ["Mira", "Alex"]


@given(st.integers(30, 400), st.lists(st.text("ab .", min_size=1, max_size=40), max_size=20), st.booleans())
def test_chat_completion_keeps_its_budget_or_refuses(room: int, texts: list[str], pins: bool) -> None:
    turn = Turn(context=room + 50, reply_room=50)
    told = story(messages=said(*texts), pin_examples=pins)
    try:
        found = chat_prompt(told, turn, SETTINGS, Counted(), WORLD)
    except ContextExceeded as refusal:
        assert refusal.prompt_tokens + 50 > room  # noqa: PT017  # what must be in was too much
        return
    assert isinstance(found, ChatPrompt)
    assert found.tokens <= room
    assert found.cut_messages == len(texts) - sum(bool(row.id) for row in found.rows)


# ── groups ──────────────────────────────────────────────────────────────────────────────────────────────


def chosen(
    order: int, messages: list[StoryMessage], *, asked: bool, roll: float = 0.9, **changes: Any
) -> list[str]:
    cast = (MIRA, Character(name="Bo Peep", file="Bo"), Character(name="Cy", file="Cy", talkativeness=0))
    group = Group(**{"members": cast, "muted": frozenset(["Cy"])} | changes)
    return [member.name for member in speakers(group, order, messages, lambda: roll, asked=asked)]


def test_who_answers_in_a_group() -> None:
    asks = [StoryMessage(text="What does peep say?", name="Alex", is_user=True)]
    replied = [*asks, StoryMessage(text="Mira, go.", name="Bo Peep")]
    assert chosen(Order.NATURAL, asks, asked=True) == ["Bo Peep"]
    assert chosen(Order.NATURAL, replied, asked=False) == ["Mira"]
    assert set(chosen(Order.NATURAL, asks, asked=True, roll=0.1)) == {"Mira", "Bo Peep"}
    assert chosen(Order.LIST, asks, asked=True) == ["Mira", "Bo Peep"]
    assert chosen(Order.MANUAL, asks, asked=True) == []
    assert len(chosen(Order.MANUAL, replied, asked=False)) == 1
    assert chosen(Order.POOLED, replied, asked=False) == ["Mira"]
    assert chosen(Order.LIST, asks, asked=True, muted=frozenset(["Mira", "Bo", "Cy"])) == []


@given(st.floats(0, 0.999), st.sampled_from(list(Order)), st.booleans())
def test_no_one_answers_twice_and_the_muted_do_not(roll: float, order: Order, asked: bool) -> None:
    names = chosen(order, said("Hi Mira Cy", "Bo?"), asked=asked, roll=roll)
    assert len(names) == len(set(names))
    assert "Cy" not in names
