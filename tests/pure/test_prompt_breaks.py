"""The faithful layouts say where a prompt leaves the one before it; else it begins with that one."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from bench.prompt import Counts
from fabula.prompt.faithful.formats import CONTEXTS, FORMATS
from fabula.prompt.faithful.model import Character, Note, Persona, Story, StoryMessage, Turn
from fabula.prompt.faithful.prepare import World
from fabula.prompt.lore.entry import Entry
from fabula.prompt.macros.scene import Card
from fabula.prompt.steady.memory import Memory
from fabula.prompt.template import ChatTemplate
from fabula.turn.forms import FaithfulPrompt, Given, TextForm, faithful_prompt

LAMP = Entry(uid="1", book="b", keys=("lamp",), content="It burns oil.", position=1)
WORDS = st.sampled_from(["Hello.", "The lamp!", "Grey.", "And then?", "It rains, and rains."])
FORM = TextForm(context=CONTEXTS["Default"], instruct=FORMATS["ChatML"])


def said(number: int, text: str, is_user: bool) -> StoryMessage:
    return StoryMessage(id=f"{number}", text=text, is_user=is_user, name="Ann" if is_user else "Mira")


def laid(messages: list[StoryMessage], memory: Memory, context: int = 4000, **more: Any) -> FaithfulPrompt:
    card = Card(description="{{char}} keeps the light.", examples="<START>\n{{char}}: Mind the stairs.")
    mira = Character(name="Mira", card=card)
    story = Story(character=mira, persona=Persona(name="Ann"), messages=messages, **more)
    given = Given(template=ChatTemplate(""), memory=memory)
    turn = Turn(context=context, reply_room=100)
    found = faithful_prompt(FORM, story, turn, given, Counts(), World(draw=lambda: 0.5))
    assert isinstance(found, FaithfulPrompt)
    return found


def text_of(prompt: FaithfulPrompt) -> str:
    return prompt.messages[0].text


@settings(deadline=None, max_examples=40)
@given(
    texts=st.lists(st.tuples(WORDS, WORDS), min_size=2, max_size=8),
    depth=st.sampled_from([None, 0, 1, 4]),
    lore=st.booleans(),
    context=st.sampled_from([300, 400, 4000]),
)
def test_a_prompt_begins_with_the_last_one_and_its_reply_or_says_why_not(
    texts: list[tuple[str, str]], depth: int | None, lore: bool, context: int
) -> None:
    more: dict[str, Any] = {"note": Note(text="[Slowly.]", depth=depth)} if depth is not None else {}
    more |= {"lore": [LAMP]} if lore else {}
    messages = [said(0, "Come in.", False)]
    memory, last = Memory(), ""
    for number, (asked, reply) in enumerate(texts):
        messages.append(said(2 * number + 1, asked, True))
        prompt = laid(messages, memory, context, **more)
        if prompt.plan.broke is None:
            assert text_of(prompt).startswith(last)
        else:
            assert prompt.plan.broke.tokens >= 0
        messages.append(said(2 * number + 2, reply, False))
        memory, last = prompt.memory, text_of(prompt) + reply


def test_what_moves_what_is_cut_and_what_changes_is_told_apart() -> None:
    messages = [said(number, "Word " * 20, number % 2 == 1) for number in range(8)]
    note = {"note": Note(text="[Slowly.]", depth=1)}
    reasons = []
    for more, changed in ((note, {}), ({}, {"lore": [LAMP]}), ({}, {})):
        context = 4000 if more or changed else 320
        first = laid(messages[:6], Memory(), context, **more)
        again = laid(
            [*messages[:6], said(6, "Yes.", False), said(7, "The lamp!", True)],
            first.memory,
            context,
            **more,
            **changed,
        )
        assert again.plan.broke
        reasons.append((again.plan.broke.part, again.plan.broke.reason))
    assert reasons[:2] == [("injection", "moves"), ("story", "changed")]
    assert reasons[2][1] == "cut"
