"""The parts of a text-completion prompt, and which of them are in. Knows no template and counts nothing."""

from __future__ import annotations

from dataclasses import dataclass, field

from fabula.prompt.faithful.prepare import collapsed
from fabula.prompt.plan import CountTable, PromptPlan, Segment


@dataclass(slots=True)
class Fitted:
    """The parts that are in, top to bottom, as (source, message id, text)."""

    parts: list[tuple[str, str, str]]
    left_out: list[tuple[str, str, str]]
    dropped: int
    collapses: bool

    @property
    def text(self) -> str:
        text = "".join(text for _, _, text in self.parts).replace("\r", "")
        return collapsed(text) if self.collapses else text

    def plan(self, text: str, counts: CountTable) -> PromptPlan:
        """`text` is this one's: to put it together costs as much as the plan."""
        segments = [
            _segment(source, message, counts.get(counted(part), 0), included)
            for included, rows in ((True, self.parts), (False, self.left_out))
            for source, message, part in rows
            if part
        ]
        tokens = sum(segment.tokens for segment in segments if segment.included)
        return PromptPlan(pieces=(text,), segments=tuple(segments), tokens=tokens, cut_messages=self.dropped)


def counted(text: str) -> str:
    """What is counted of a text: carriage returns are not sent."""
    return text.replace("\r", "") if "\r" in text else text


def _segment(source: str, message: str, tokens: int, included: bool) -> Segment:
    """What is injected has a label in the place of a message's id."""
    if source == "injection":
        return Segment(source, "", tokens, included, message, "depth")
    return Segment(source, message, tokens, included, "", REASONS.get(source, "history"))


REASONS = {
    "ending": "tail",
    "story": "head",
    "examples": "head",
    "chat_start": "head",
    "post_history": "depth",
}


@dataclass(slots=True)
class ChatTexts:
    """The chat's messages as texts, newest first; `injected` and `asked` are places in it."""

    texts: list[str]
    sources: list[tuple[str, str]]
    injected: list[int]
    asked: set[int]
    open_end: str = ""  # the message that is lengthened
    open_source: tuple[str, str] = ("", "")
    kept: set[int] = field(default_factory=set)
