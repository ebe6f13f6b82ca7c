"""Texts that are too long for any model, or for this one, are refused before anybody reads them, and numbers
that are none of its tokens. PURE."""

from __future__ import annotations

from collections.abc import Sequence

from fabula.core.errors import BadParameter
from fabula.core.messages import Message
from fabula.core.model import LocalModel
from fabula.core.sampling import Sampling
from fabula.core.texts import phrase

MOST = 5_000_000  # characters of one message: about a million tokens
LONGEST_TOKEN = 512  # characters; no vocabulary has a longer one
LONG = 20_000  # characters; what judges them takes its time
MOST_TOKENS = 1 << 31  # of a server that does not say how many it knows


def check(said: Sequence[Message]) -> None:
    """Raises BadParameter for a message that no model can read."""
    for message in said:
        if len(message.text) > MOST:
            raise _too_long(message.text, MOST)


def check_against(said: Sequence[Message], context: int) -> None:
    """Raises BadParameter where so many characters cannot be `context` tokens; what may be is counted.

    0: the context is not known, as of a server that does not tell it.
    """
    if context and _size(said) > context * LONGEST_TOKEN:
        longest = max(said, key=lambda message: len(message.text))
        raise _too_long(longest.text, context * LONGEST_TOKEN)


def check_tokens(sampling: Sampling, model: LocalModel) -> None:
    """Raises BadParameter for a bias or a ban of what is no token of the model: engines pass over it."""
    end = model.vocabulary or MOST_TOKENS
    asked = {"logit_bias": [id for id, _ in sampling.logit_bias], "banned_tokens": sampling.banned_tokens}
    for name, ids in asked.items():
        if unknown := [id for id in ids if not 0 <= id < end]:
            expected = phrase("expected.whole_range", low=0, high=end - 1)
            raise BadParameter(name, f"{unknown[0]}"[:80], expected)


def is_long(said: Sequence[Message]) -> bool:
    return _size(said) > LONG


def _size(said: Sequence[Message]) -> int:
    return sum(len(message.text) for message in said)


def _too_long(text: str, most: int) -> BadParameter:
    return BadParameter("text", f"{text[:60]}…", phrase("expected.shorter", most=most))
