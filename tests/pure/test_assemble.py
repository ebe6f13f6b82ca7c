"""A conversation is fitted into the context: nothing is cut in silence, and the beginning stays steady."""

from __future__ import annotations

import itertools
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fabula.core.errors import ContextExceeded
from fabula.core.messages import Message
from fabula.prompt.assemble import assemble, render
from fabula.prompt.plan import NeedCounts, PromptPlan
from fabula.prompt.template import ChatTemplate

TEMPLATE = ChatTemplate("")


def words(text: str) -> int:
    return len(re.findall(r"\w+|[^\w\s]", text))


def fitted(messages: list[Message], *, context: int, reply_room: int = 0, **more: object) -> PromptPlan:
    table: dict[str, int] = {}
    for _ in range(3):
        plan = assemble(messages, TEMPLATE, table, context=context, reply_room=reply_room, **more)  # type: ignore[arg-type]
        if isinstance(plan, PromptPlan):
            return plan
        table |= {text: words(text) for text in plan.texts}
    raise AssertionError("assemble keeps asking for counts")


def talk(turns: int, length: int = 10) -> list[Message]:
    roles = ("user", "assistant")
    return [
        Message(role=roles[n % 2], text=f"m{n} " + "word " * (length - 1), id=f"{n}") for n in range(turns)
    ]


def test_the_first_call_says_what_has_to_be_counted():
    plan = assemble(talk(2), TEMPLATE, {}, context=1000, reply_room=100)
    assert isinstance(plan, NeedCounts)
    assert talk(2)[0].text in plan.texts


def test_a_short_conversation_is_sent_whole():
    messages = [Message(role="system", text="Be brief."), *talk(3)]
    plan = fitted(messages, context=1000)
    assert plan.cut_messages == 0
    assert plan.pieces == render(messages, TEMPLATE)


def test_the_system_prompt_and_the_last_message_are_never_cut():
    messages = [Message(role="system", text="Be brief."), *talk(41)]
    plan = fitted(messages, context=200, reply_room=50)
    text = str(plan.pieces[0])
    assert "Be brief." in text
    assert messages[-1].text in text
    assert plan.cut_messages > 0
    assert plan.tokens <= 150


def test_what_was_cut_is_told_message_by_message():
    plan = fitted(talk(41), context=200, reply_room=50)
    left_out = [segment for segment in plan.segments if not segment.included]
    assert len(left_out) == plan.cut_messages
    assert [segment.message_id for segment in left_out] == [f"{n}" for n in range(plan.cut_messages)]


def test_the_beginning_stays_the_same_for_many_turns_after_a_cut():
    starts = []
    for turns in range(21, 81, 2):
        plan = fitted(talk(turns), context=600, reply_room=100)
        starts.append(plan.cut_messages)
    moves = sum(before != after for before, after in itertools.pairwise(starts))
    assert starts == sorted(starts)
    assert 0 < moves <= len(starts) / 3  # each cut frees a block, not a message


def test_after_a_cut_a_person_speaks_first():
    plan = fitted(talk(41), context=200, reply_room=50)
    assert str(plan.pieces[0]).startswith("<|im_start|>user")


def test_a_message_longer_than_the_context_is_refused_with_the_numbers():
    with pytest.raises(ContextExceeded) as refusal:
        fitted(talk(1, length=500), context=200)
    assert refusal.value.context == 200
    assert refusal.value.prompt_tokens > 500


def test_replies_go_back_as_the_ids_that_were_sampled():
    reply = Message(role="assistant", text="Good day.", token_ids=(5, 6, 7), tokenizer="t1")
    messages = [Message(role="user", text="Hi"), reply, Message(role="user", text="And now?")]
    pieces = render(messages, TEMPLATE, tokenizer="t1")
    assert pieces == (
        "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n",
        (5, 6, 7),
        "<|im_end|>\n<|im_start|>user\nAnd now?<|im_end|>\n<|im_start|>assistant\n",
    )


def test_ids_of_another_tokenizer_are_not_used():
    reply = Message(role="assistant", text="Good day.", token_ids=(5, 6, 7), tokenizer="t1")
    pieces = render([Message(role="user", text="Hi"), reply], TEMPLATE, tokenizer="t2")
    assert len(pieces) == 1
    assert "Good day." in str(pieces[0])


def test_continuing_leaves_the_last_message_open():
    messages = [Message(role="user", text="Hi"), Message(role="assistant", text="Once upon")]
    (text,) = render(messages, TEMPLATE, continues=True)
    assert str(text).endswith("<|im_start|>assistant\nOnce upon")


def test_a_message_that_looks_like_a_mark_harms_nothing():
    messages = [
        Message(role="user", text="\ue0000\ue002 \ue000"),
        Message(role="assistant", text="x", token_ids=(1,), tokenizer="t"),
    ]
    first, ids, _ = render(messages, TEMPLATE, tokenizer="t")
    assert "\ue0000\ue002 \ue000" in str(first)
    assert ids == (1,)


@given(
    lengths=st.lists(st.integers(1, 60), min_size=1, max_size=60),
    context=st.integers(80, 400),
    system=st.booleans(),
)
def test_any_conversation_fits_or_is_refused(lengths: list[int], context: int, system: bool):
    messages = [Message(role="system", text="Be brief.")] if system else []
    messages += [
        Message(role=("user", "assistant")[n % 2], text=f"m{n} " + "w " * length, id=f"{n}")
        for n, length in enumerate(lengths)
    ]
    try:
        plan = fitted(messages, context=context, reply_room=20)
    except ContextExceeded:
        return
    assert plan.tokens <= context - 20
    assert messages[-1].text in str(plan.pieces[-1])
    again = fitted(messages, context=context, reply_room=20)
    assert again == plan
