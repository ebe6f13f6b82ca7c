"""What no model can read is refused before anybody reads it."""

from __future__ import annotations

import pytest

from fabula.core.errors import BadParameter
from fabula.core.messages import Message
from fabula.turn import bounds


def said(*lengths: int) -> list[Message]:
    return [Message(role="user", text="a" * length) for length in lengths]


def test_one_message_is_bounded_and_a_long_chat_is_not():
    bounds.check(said(bounds.MOST, bounds.MOST))
    with pytest.raises(BadParameter, match="at most 5,000,000 characters"):
        bounds.check(said(3, bounds.MOST + 1))


def test_what_may_just_fit_is_left_to_the_tokenizer():
    room = 100 * bounds.LONGEST_TOKEN
    bounds.check_against(said(room - 5, 5), context=100)
    with pytest.raises(BadParameter, match="at most 51,200 characters"):
        bounds.check_against(said(room, 1), context=100)
