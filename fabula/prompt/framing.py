"""What a chat template writes around messages, without putting their texts through it. Knows no tokens.

For a template that only puts texts in their place, and writes the same around all messages of a kind
(`verbatim`), it is enough to render marks in the place of a few of them. Where that is not known there is no
frame.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

from fabula.core.messages import ToolCall
from fabula.core.worker import Pieces
from fabula.prompt import verbatim
from fabula.prompt.budget import MAX_BUILT, MAX_OUTPUT, Budget
from fabula.prompt.places import BETWEEN
from fabula.prompt.plan import Spoken
from fabula.prompt.sandbox import Looked
from fabula.prompt.template import ChatTemplate

FENCE = "\ue000"  # begins a mark: no keyboard and no model writes it
_MARK = re.compile(f"{FENCE}([0-9]{{60}})\ue002")
_WIDTH = 62  # characters of a mark

Parts = list[str | int]
"""A template's text, and the places of messages in it."""
Glue = list[str | None]
"""What stands before each message, None for one that is left out, and behind the last."""
_Key = tuple[Hashable, int]


@dataclass(frozen=True, slots=True)
class Frame:
    """The template builds no more than `built` when each message is a mark, and nothing above `largest`."""

    around: Glue
    built: float
    largest: float

    @property
    def glue(self) -> list[str]:
        """The template's text before each message, and behind the last one."""
        return [text or "" for text in self.around]

    def fits(self, messages: Sequence[Spoken]) -> bool:
        """Whether the sandbox lets so much text through."""
        lengths = [len(message.text) for message in messages]
        size = sum(lengths) + sum(map(len, self.glue))
        times = max(lengths, default=0) // _WIDTH + 1
        return self.built * times <= MAX_BUILT and max(size, self.largest * times) <= MAX_OUTPUT

    def pieces(self, messages: Sequence[Spoken]) -> Pieces:
        """The prompt. What is told with ids or with something before it is no text of the template's."""
        found: list[str | tuple[int, ...]] = []
        text: list[str] = []
        for before, message in zip(self.around, messages, strict=False):
            if before is None:
                continue
            text.append(before)
            told = message.token_ids or message.text
            for piece in (*message.before, told) if message.before else (told,):
                if isinstance(piece, str):
                    text.append(piece)
                elif piece:
                    found += ("".join(text), piece)
                    text = []
        return tuple(piece for piece in (*found, "".join((*text, self.around[-1] or ""))) if piece)


def puts(messages: Sequence[Spoken], template: ChatTemplate, continues: bool) -> bool:
    """Whether the template only puts the texts of these messages in their place."""
    reading = verbatim.reading(template.source)
    told = messages[:-1] if continues else messages
    return reading is not None and reading.holds(
        one.text for one in told if not (one.token_ids or one.before)
    )


def frame(messages: Sequence[Spoken], template: ChatTemplate, continues: bool) -> Frame | None:
    """With `continues` the last message is left open. Raises TemplateRefused."""
    reading = verbatim.reading(template.source)
    told = messages[:-1] if continues else messages
    if reading is None or not told:
        return None
    try:
        return _framed(told, template, reading, continues)
    except Looked:
        return None


def _framed(
    told: Sequence[Spoken], template: ChatTemplate, reading: verbatim.Reading, continues: bool
) -> Frame | None:
    """From marks for the messages at both ends and one of each kind between them."""
    kinds, budget = [kind(message) for message in told], Budget()
    sample = _sample(kinds, reading.head)
    if sample is None:
        return None
    marked = [row(told[place], _mark(place)) for place in sample.places]
    text = template.render(marked, add_generation_prompt=True, code=reading.code, budget=budget)
    sections = [_parts(section) for section in text.split(BETWEEN)]
    glue = _spread(sections, sample, reading.head, kinds)
    if glue is not None and continues:
        glue.append("")
    return None if glue is None else Frame(glue, budget.built * len(told), budget.largest)


def _glued(parts: Parts, first: int, until: int) -> Glue | None:
    """What stands before each message from `first` on, and behind the last one; None where messages are told
    twice, or not in their order."""
    glue: Glue = []
    before = ""
    for part in parts:
        if isinstance(part, str):
            before += part
            continue
        place = part - first
        if place < len(glue):
            return None
        glue += [None] * (place - len(glue))
        glue.append(before)
        before = ""
    return [*glue, *[None] * (until - first - len(glue)), before]


# ── what the template writes ────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class _Sample:
    """Places of a few messages; `stands` is where among them one of a kind at even or odd places is."""

    places: list[int]
    stands: dict[_Key, int]


def _sample(kinds: Sequence[Hashable], head: int) -> _Sample | None:
    """Messages in their order, the even ones at even places; None where that are nearly all or cannot be.

    Where a place would be odd that should be even, one more stands between that is there already.
    """
    last = len(kinds) - 1
    first = {
        (one, odd): place
        for odd in (0, 1)
        for one, place in _firsts(kinds, range(head + (head + odd) % 2, last, 2)).items()
    }
    places = list(range(head))
    stands: dict[_Key, int] = {}
    for key in sorted(first, key=first.__getitem__):
        if key[1] != len(places) % 2 and not _filled(places, stands, first):
            return None
        stands[key] = len(places)
        places.append(first[key])
    if last % 2 != len(places) % 2 and not _filled(places, stands, first):
        return None
    return _Sample([*places, last], stands) if len(places) < last // 2 else None


def _firsts(kinds: Sequence[Hashable], places: range) -> dict[Hashable, int]:
    """The first place of each kind."""
    return {kinds[place]: place for place in reversed(places)}


def _filled(places: list[int], stands: dict[_Key, int], first: dict[_Key, int]) -> bool:
    filler = next((key for key in stands if key[1] == len(places) % 2), None)
    if filler is not None:
        places.append(first[filler])
    return filler is not None


def _spread(
    sections: Sequence[Parts | None], sample: _Sample, head: int, kinds: Sequence[Hashable]
) -> Glue | None:
    """What was written around a few messages, around all.

    `sections` are what is before the messages, one for each that the template goes through, and what is
    behind them. It may pass over the first ones, which then are told elsewhere or joined to others.
    """
    passed = len(sample.places) - (len(sections) - 2)
    if None in sections or not 0 <= passed <= head:
        return None
    before, *bodies, behind = (section or [] for section in sections)
    around: tuple[dict[Hashable, tuple[str, str]], ...] = {}, {}
    for (one, odd), stand in sample.stands.items():
        match bodies[stand - passed]:
            case [str(opens), int(place), str(closes)] if place == sample.places[stand]:
                around[odd][one] = opens, closes
            case _:
                return None
    first = _glued([*before, *itertools.chain(*bodies[: head - passed])], 0, head)
    if first is None or len(first) != head + 1:
        return None
    last = len(kinds) - 1
    between = [around[place % 2][kinds[place]] for place in range(head, last)]
    closing = [first.pop() or "", *(closes for _, closes in between)]
    end = _glued([closing.pop(), *bodies[-1], *behind], last, last + 1)
    glue = [closes + opens for closes, (opens, _) in zip(closing, between, strict=True)]
    return None if end is None else [*first, *glue, *end]


def _mark(place: int) -> str:
    return f"{FENCE}{place:060}\ue002"


def _parts(text: str) -> Parts | None:
    """None where the template, or what is not a text, has something like a mark in it."""
    found = _MARK.split(text)
    if any(FENCE in one for one in found[::2]):
        return None
    return [int(one) if number % 2 else one for number, one in enumerate(found)]


# ── messages as templates read them ─────────────────────────────────────────────────────────────────────


def kind(message: Spoken) -> Hashable:
    """Everything that a template is told of a message but its text."""
    if message.name or message.tool_calls or message.tool_call_id or message.reasoning:
        return message.role, message.name, message.tool_calls, message.tool_call_id, message.reasoning
    return message.role


def row(message: Spoken, text: str) -> dict[str, Any]:
    """With this text in the place of its own. Reasoning has two names, for templates of two makers."""
    told: dict[str, Any] = {"role": message.role, "content": text}
    if message.name:
        told["name"] = message.name
    if message.tool_call_id:
        told["tool_call_id"] = message.tool_call_id
    if message.tool_calls:
        told["tool_calls"] = [_call_row(call) for call in message.tool_calls]
    if message.reasoning:
        told["reasoning_content"] = told["thinking"] = message.reasoning
    return told


def _call_row(call: ToolCall) -> dict[str, Any]:
    """Arguments as an object where they are one."""
    try:
        arguments = json.loads(call.arguments)
    except ValueError:
        arguments = call.arguments
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": arguments}}
