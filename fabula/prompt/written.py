"""What a chat template makes of a conversation when it is rendered whole, and what of that are its own words.

The texts know where they stand in what was written (`placed`), so that one rendering tells both. Where a
template makes something else of a text, its own words are told by rendering marks in the place of texts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fabula.core.errors import TemplateRefused
from fabula.core.worker import Pieces
from fabula.prompt import placed
from fabula.prompt.framing import FENCE, row
from fabula.prompt.placed import plain
from fabula.prompt.plan import Spoken
from fabula.prompt.template import ChatTemplate


@dataclass(frozen=True, slots=True)
class Written:
    """A rendering, with marks in the place of what is told with ids or with something before it."""

    text: str
    marks: list[str]

    def pieces(self, messages: Sequence[Spoken]) -> Pieces:
        if FENCE not in self.text:  # nearly always: no mark stands in it
            return (self.text,) if self.text else ()
        pieces: list[str | tuple[int, ...]] = []
        start = 0
        for message, mark in zip(messages, self.marks, strict=True):
            at = self.text.find(mark, start) if _is_marked(message) else -1
            if at >= 0:
                pieces += [self.text[start:at], *message.before, message.token_ids or message.text]
                start = at + len(mark)
        said = {mark: message.text for message, mark in zip(messages, self.marks, strict=True)}
        return joined(tuple(_told_again(piece, said) for piece in (*pieces, self.text[start:])))


def written(messages: Sequence[Spoken], template: ChatTemplate, continues: bool) -> Written:
    """With `continues` the last message is left open. Raises TemplateRefused."""
    marks = _marks(messages)
    return Written(_rendered(messages, _texts(messages, marks), template, continues), marks)


def written_with_glue(
    messages: Sequence[Spoken], template: ChatTemplate, continues: bool
) -> tuple[Written | None, list[str]]:
    """And the template's text before each message, and behind the last one. Nothing is written where the
    template refuses a text, but not a mark in its place: the text may be cut. Raises TemplateRefused."""
    marks = _marks(messages)
    texts = _texts(messages, marks)
    whole, glue = None, None
    try:
        text = _rendered(messages, _placed(texts), template, continues)
        whole = Written(plain(text), marks)
        glue = placed.glue(text, whole.text, len(texts))
    except TemplateRefused:
        pass
    if glue is None or any(said and before is None for said, before in zip(texts, glue, strict=False)):
        return whole, _glue(_rendered(messages, marks, template, continues), marks)
    return whole, [before or "" for before in glue]


def _is_marked(message: Spoken) -> bool:
    return bool(message.token_ids or message.before)


def _texts(messages: Sequence[Spoken], marks: Sequence[str]) -> list[str]:
    return [
        mark if _is_marked(message) else message.text for message, mark in zip(messages, marks, strict=True)
    ]


def _placed(texts: Sequence[str]) -> list[str]:
    return [placed.placed(text, place) for place, text in enumerate(texts)]


def _rendered(
    messages: Sequence[Spoken], texts: Sequence[str], template: ChatTemplate, continues: bool
) -> str:
    """The messages with these texts in the place of their own."""
    told = [row(message, text) for message, text in zip(messages, texts, strict=True)]
    text = template.render(told[:-1] if continues else told, add_generation_prompt=True)
    return placed.joined((text, texts[-1])) if continues else text


def _marks(messages: Sequence[Spoken]) -> list[str]:
    """A unique text for each message that occurs in none of them and that no template trims.

    The characters are from Unicode's private use area; a longer fence is taken when a text holds the shorter.
    """
    everything = "\n".join(message.text for message in messages)
    fence = FENCE
    while fence in everything:
        fence += "\ue001"
    return [f"{fence}{number}\ue002" for number in range(len(messages))]


def _glue(text: str, marks: Sequence[str]) -> list[str]:
    """What stands before each mark, and behind the last one."""
    glue: list[str] = []
    start = 0
    for mark in marks:
        at = text.find(mark, start)
        glue.append(text[start:at] if at >= 0 else "")  # a template may leave a message out
        start = at + len(mark) if at >= 0 else start
    return [*glue, text[start:]]


def _told_again(piece: str | tuple[int, ...], texts: Mapping[str, str]) -> str | tuple[int, ...]:
    """With the texts of messages that a template tells more than once, or not in their order."""
    if isinstance(piece, str) and FENCE in piece:
        for mark, text in texts.items():
            piece = piece.replace(mark, text)
    return piece


def joined(pieces: Pieces) -> Pieces:
    """Without empty pieces, and texts that touch as one: where they meet they may be one token."""
    together: list[str | tuple[int, ...]] = []
    for piece in pieces:
        last = together[-1] if together else None
        if isinstance(piece, str) and isinstance(last, str):
            together[-1] = last + piece
        elif piece:
            together.append(piece)
    return tuple(together)
