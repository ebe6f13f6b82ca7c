"""Where the texts of a turn go in the tree, and what is kept with each. PURE: knows no stream and no table.

A place is journaled before the first token, so that the texts of a studio that was killed find their way.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any, Literal

from fabula.chats.records import PathMessage, Reason, TurnOutcome
from fabula.core.sampling import Sampling
from fabula.core.stream import Finished, Prefill
from fabula.turn.live import Outcome

Kind = Literal["reply", "swipe", "continue"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a turn's text goes; the journal keeps it. `base` is the text that a `continue` lengthens;
    `beside` are the messages of further alternatives that are written at the same time."""

    turn_id: str
    owner_id: str
    chat_id: str
    kind: Kind
    message_id: str
    parent_id: str
    head_id: str
    model: str
    tokenizer: str
    base_version_id: str = ""
    base: str = ""
    base_ids: tuple[int, ...] = ()
    base_reasoning: str = ""
    base_reasoning_ids: tuple[int, ...] = ()
    sampling: dict[str, Any] = field(default_factory=dict)
    beside: tuple[str, ...] = ()
    author: str = ""  # whose reply it is, "" = the model's

    @property
    def message_ids(self) -> tuple[str, ...]:
        return (self.message_id, *self.beside)

    def start_event(self) -> dict[str, Any]:
        shown = ("turn_id", "chat_id", "message_id", "parent_id", "kind", "model")
        base = {"text": self.base, "reasoning": self.base_reasoning}
        return {name: getattr(self, name) for name in shown} | base | {"message_ids": list(self.message_ids)}

    def lengthening(self, target: PathMessage) -> Place:
        """The place of a continuation: the same message, from its present text on."""
        return dataclasses.replace(
            self,
            message_id=target.id,
            base_version_id=target.version_id,
            base=target.text,
            base_ids=target.token_ids if target.tokenizer == self.tokenizer else (),
            base_reasoning=target.reasoning,
            base_reasoning_ids=target.reasoning_ids if target.tokenizer == self.tokenizer else (),
        )


def journaled(sampling: Sampling) -> dict[str, Any]:
    """What a recovered reply says of its sampling. A bias may be infinite, which JSON cannot hold."""
    return {name: value for name, value in sampling.all().items() if name != "logit_bias"}


def facts(place: Place, outcome: Outcome) -> dict[str, Any]:
    """What is told under a reply."""
    if outcome.facts is not None:
        return outcome.facts
    finished = outcome.finished or _unfinished(place, outcome)
    return finished.facts(place.model) | {"finish_reason": outcome.reason}


def brought(place: Place, number: int, outcome: Outcome) -> TurnOutcome | None:
    """What the turn's `number`-th reply brings into the tree; None when it wrote nothing."""
    if not (outcome.text or outcome.reasoning):
        return None
    ids, thought_ids = _whole_ids(place, outcome), _whole_reasoning_ids(place, outcome)
    return TurnOutcome(
        owner_id=place.owner_id,
        chat_id=place.chat_id,
        turn_id=f"{place.turn_id}.{number}" if number else place.turn_id,
        kind=place.kind,
        message_id=place.message_ids[number],
        parent_id=place.parent_id,
        base_version_id=place.base_version_id,
        head_id=place.head_id,
        author=place.author or place.model,
        text=place.base + outcome.text,
        token_ids=ids,
        tokenizer=place.tokenizer if ids or thought_ids else "",
        reasoning=place.base_reasoning + outcome.reasoning,
        reasoning_ids=thought_ids,
        facts=facts(place, outcome),
        reason=_reason(place, outcome),
    )


def _unfinished(place: Place, outcome: Outcome) -> Finished:
    """What is known of a generation that the engine did not end itself."""
    prefill, known = outcome.prefill or Prefill(0, 0, 0), outcome.prepared
    return Finished(
        reason=outcome.reason or "interrupted",
        prompt_tokens=prefill.total,
        reused_tokens=prefill.reused,
        processed_tokens=prefill.processed - prefill.reused,
        completion_tokens=len(outcome.token_ids) + len(outcome.reasoning_ids),
        reasoning_tokens=len(outcome.reasoning_ids),
        prompt_ms=0.0,
        predicted_ms=outcome.last_token_ms - outcome.first_token_ms,
        first_token_ms=outcome.first_token_ms,
        engine=known.engine if known else "",
        effective=known.effective if known else place.sampling,
        ignored=known.ignored if known else (),
        cut_messages=known.cut_messages if known else 0,
        story=known.story if known else None,
        exact=known.exact if known else None,
    )


def _whole_ids(place: Place, outcome: Outcome) -> tuple[int, ...]:
    """Ids for the whole text, or none when a part of it was written without them."""
    if not outcome.has_ids or (place.base and not place.base_ids):
        return ()
    return (*place.base_ids, *outcome.token_ids)


def _whole_reasoning_ids(place: Place, outcome: Outcome) -> tuple[int, ...]:
    if not outcome.has_reasoning_ids or (place.base_reasoning and not place.base_reasoning_ids):
        return ()
    return (*place.base_reasoning_ids, *outcome.reasoning_ids)


def _reason(place: Place, outcome: Outcome) -> Reason:
    if outcome.reason == "interrupted":
        return "recovered"
    return "continued" if place.kind == "continue" else "generated"
