"""Deltas from the bytes of the engine server's stream. Pure: bytes in, deltas out.

Knows llama.cpp's events; knows no connection, no process and no request (`wire`).
"""

from __future__ import annotations

import dataclasses
import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fabula.core.errors import ContextExceeded, EngineRefused, FabulaError
from fabula.core.stream import Choice, Delta, Finished, Prefill, Token

_decode = json.JSONDecoder().raw_decode  # `json.loads` goes through two regexes: twice the time, measured
_plain_token = re.compile(
    rb'data: \{"index":\d+,"content":"([^"\\\x00-\x1f]+)","tokens":\[(\d+)\],"stop":false,'
    rb'"id_slot":-?\d+,"tokens_predicted":(\d+),"tokens_evaluated":\d+\}\n\n'
).fullmatch
"""Nearly every piece of the stream is one event, of one token that tells nothing but itself. Read as JSON it
takes half as many instructions again (measured)."""


class Events:
    """Server-sent events from bytes, in whatever pieces they come: `data: {…}`, or the engine's `error: {…}`.

    Comments and `data: [DONE]` are nothing. `rest` is the beginning of an event that has not come whole.
    """

    def __init__(self) -> None:
        self.rest = b""

    def feed(self, data: bytes) -> list[dict[str, Any]]:
        blocks = (self.rest + data).split(b"\n\n")
        self.rest = blocks.pop()
        events = []
        for block in blocks:
            if block.startswith(b"data: {"):
                event, _ = _decode(block.decode(), len("data: "))
                events.append(event)
            elif block.startswith(b"error: {"):
                event, _ = _decode(block.decode(), len("error: "))
                events.append(event if "error" in event else {"error": event})
        return events


def refusal(name: str, error: Any) -> FabulaError:
    """The engine's own error object as one of ours."""
    if not isinstance(error, dict):
        return EngineRefused(name, f"{error}")
    if error.get("type") == "exceed_context_size_error":
        return ContextExceeded(int(error["n_prompt_tokens"]), int(error["n_ctx"]))
    return EngineRefused(name, f"{error.get('message', error)}")


@dataclass(frozen=True, slots=True)
class Gap:
    """A piece of text for which the engine told only some ids: it sends none for a part of a character.

    `before` were told, `missing` were not, `last` was.
    """

    text: str
    before: tuple[int, ...]
    missing: int
    last: int
    chosen: Choice | None = None
    likeliest: tuple[Choice, ...] = ()

    def filled(self, canonical: tuple[int, ...]) -> Token:
        """With the ids that the tokenizer gives for the text, if they agree with those that were told.

        If not, with none: a reader knows then that they are unknown.
        """
        told = len(self.before)
        agrees = (
            len(canonical) == told + self.missing + 1
            and canonical[:told] == self.before
            and canonical[-1] == self.last
        )
        return Token(self.text, canonical if agrees else (), self.chosen, self.likeliest)


@dataclass(frozen=True, slots=True)
class Unsaid:
    """Tokens at the very end whose text the engine held back as a possible stop string, and never sent."""

    tokens: tuple[Token, ...]

    @property
    def ids(self) -> tuple[int, ...]:
        return tuple(id for token in self.tokens for id in token.ids)

    def said(self, text: str) -> tuple[Token, ...]:
        first, *others = self.tokens
        return (dataclasses.replace(first, text=text), *others)


Read = Delta | Gap | Unsaid
"""What the reader gives: deltas, and what only the tokenizer can turn into one."""


class Reader:
    """Bytes → deltas of one stream.

    Ids without text wait for the next text, because the id that ended the reply and those of a stop string
    are none of its own. With log-probabilities every id is a delta, so that the two stay aligned.
    """

    def __init__(self, name: str, *, logprobs: int | None = None, stops: bool = False) -> None:
        self._name = name
        self._logprobs = logprobs
        self._stops = stops
        self._events = Events()
        self._sampled = 0
        self._held: list[Token] = []  # without text so far; one id each
        self._doubtful: Token | None = None  # its text was told, but it may be the id that ended the reply

    def feed(self, data: bytes) -> Sequence[Read]:
        """What a piece of the stream brings; a piece is anything between some bytes and many events."""
        plain = None if self._held or self._doubtful or self._events.rest else _plain_token(data)
        if plain:
            text, id, sampled = plain.groups()
            if int(sampled) == self._sampled + 1:
                self._sampled += 1
                return (Token(text.decode(), (int(id),)),)
        return [read for event in self._events.feed(data) for read in self.read(event)]

    def read(self, event: dict[str, Any]) -> Sequence[Read]:
        if "error" in event:
            raise refusal(self._name, event["error"])
        if "prompt_progress" in event:
            return [_prefill(event["prompt_progress"])]
        if event["stop"]:
            return [*self._end(event.get("stop_type")), finished(event)]
        if self._doubtful:
            return [*self._settle_doubt(), *self._token(event)]
        return self._token(event)

    def _token(self, event: dict[str, Any]) -> Sequence[Read]:
        text: str = event["content"]
        (id,) = event["tokens"]
        missing = event["tokens_predicted"] - self._sampled - 1
        self._sampled += missing + 1
        if self._logprobs is None:
            token = Token(text, (id,))
        else:
            token = Token(text, (id,), *_choices(event["completion_probabilities"][0], self._logprobs))
        if text and not self._held and not missing and "timings" not in event:
            return [token]  # nearly always
        if "timings" in event:  # only the event that completes a stop string has them
            return self._cut(token)
        if missing:
            return self._gap(token, missing)
        return self._hold_or_release(token, event)

    def _hold_or_release(self, token: Token, event: dict[str, Any]) -> Sequence[Read]:
        named = _named_by_candidates(token, event)
        if not token.text:
            self._held.append(named)
            return []
        group = _aligned([*self._held, named], token.text)
        self._held, self._doubtful = [], dataclasses.replace(group[-1], text="")
        return self._joined(token.text, group[:-1])

    def _joined(self, text: str, tokens: list[Token]) -> list[Token]:
        """One delta with all ids, or one for each when each has its log-probability."""
        if not tokens:
            return []
        if self._logprobs is None:
            return [Token(text, tuple(id for token in tokens for id in token.ids))]
        return [dataclasses.replace(tokens[0], text=text), *tokens[1:]]

    def _settle_doubt(self) -> Sequence[Read]:
        """Another token came after it, so it did not end the reply."""
        token, self._doubtful = self._doubtful, None
        return [token] if token else []

    def _cut(self, token: Token) -> Sequence[Read]:
        """A stop string is complete. The text before it belongs to tokens that may reach into the string."""
        self._held = []
        return [dataclasses.replace(token, ids=())] if token.text else []

    def _gap(self, token: Token, missing: int) -> Sequence[Read]:
        held, self._held = self._held, []
        earlier = self._joined("", held) if self._logprobs is not None else []
        before = () if earlier else tuple(id for held_token in held for id in held_token.ids)
        return [*earlier, Gap(token.text, before, missing, token.ids[0], token.chosen, token.likeliest)]

    def _end(self, stop_type: str | None) -> Sequence[Read]:
        if stop_type == "word":
            return []
        if stop_type == "eos":
            return self._joined("", self._held[:-1])
        doubt = self._settle_doubt()
        if self._held and self._stops:
            return [*doubt, Unsaid(tuple(self._joined("", self._held)))]
        return [*doubt, *self._joined("", self._held)]


def finished(event: dict[str, Any]) -> Finished:
    """The facts of the last event. The engine's own settings stand in `effective`, in its words."""
    timings = event.get("timings", {})
    return Finished(
        reason="length" if event.get("stop_type") == "limit" else "stop",
        prompt_tokens=event["tokens_evaluated"],
        reused_tokens=timings.get("cache_n", 0),
        processed_tokens=timings.get("prompt_n", 0),
        completion_tokens=timings.get("predicted_n", 0),
        prompt_ms=timings.get("prompt_ms", 0.0),
        predicted_ms=timings.get("predicted_ms", 0.0),
        guessed_tokens=timings.get("draft_n", 0),
        guessed_right=timings.get("draft_n_accepted", 0),
        stop_string=event.get("stopping_word", ""),
        effective=event.get("generation_settings", {}),
    )


def single(answer: dict[str, Any], logprobs: int | None) -> Token:
    """The one token of an answer that did not come as a stream. Its text may be a part of a character."""
    (id,) = answer["tokens"]
    told = answer.get("completion_probabilities")
    if logprobs is None or not told:  # of a part of a character there are none
        return Token(answer["content"], (id,))
    return Token(answer["content"], (id,), *_choices(told[0], logprobs))


def _prefill(progress: dict[str, Any]) -> Prefill:
    return Prefill(progress["processed"], progress["total"], progress["cache"])


def _choices(entry: dict[str, Any], count: int) -> tuple[Choice, tuple[Choice, ...]]:
    return _choice(entry), tuple(_choice(candidate) for candidate in entry["top_logprobs"][:count])


def _choice(entry: dict[str, Any]) -> Choice:
    logprob = entry["logprob"]  # null where the engine's number is −inf
    return Choice(
        entry["id"], entry["token"], -math.inf if logprob is None else logprob, tuple(entry["bytes"])
    )


def _named_by_candidates(token: Token, event: dict[str, Any]) -> Token:
    """The engine names a held-back token by the text it sent; its candidates have the token's own text."""
    if token.chosen is None:
        return token
    candidates = event["completion_probabilities"][0]["top_logprobs"]
    own = next((_choice(entry) for entry in candidates if entry["id"] == token.chosen.id), token.chosen)
    return dataclasses.replace(token, chosen=own)


def _aligned(group: list[Token], text: str) -> list[Token]:
    """Texts of the choices must make up the text; where they do not, the last choice has all of it."""
    choices = [token.chosen for token in group if token.chosen]
    if not choices or "".join(choice.text for choice in choices) == text:
        return group
    texts = [""] * (len(group) - 1) + [text]
    renamed = [
        dataclasses.replace(choice, text=part, bytes=tuple(part.encode()))
        for choice, part in zip(choices, texts, strict=True)
    ]
    return [dataclasses.replace(token, chosen=choice) for token, choice in zip(group, renamed, strict=True)]
