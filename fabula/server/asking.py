"""The one core request that every dialect parses its bodies to, and the streams of its choices.

Knows no dialect's words: each says by which names it calls the fields of `Sampling`.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

from fastapi import Request

from fabula.app import Studio
from fabula.core.errors import BadParameter
from fabula.core.messages import Message
from fabula.core.request import Context
from fabula.core.sampling import NAMES, SEED_LIMIT, Sampling
from fabula.core.worker import Pieces
from fabula.engine.presets.shelf import KEY
from fabula.server.caller import caller_of
from fabula.server.stopping import Stop, Stoppable, Turn, begin
from fabula.turn.request import Hurry, TurnRequest
from fabula.turn.seeds import alternatives

SAMPLING_FIELDS = frozenset(NAMES)
Body = dict[str, Any]
Rest = ParamSpec("Rest")
Parsed = TypeVar("Parsed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """A parsed body: what to generate, from conversations or from prompts, `choices` times each."""

    model: str
    sampling: Sampling = field(default_factory=Sampling)
    conversations: tuple[tuple[Message, ...], ...] = ()
    prompts: tuple[Pieces, ...] = ()
    choices: int = 1
    stream: bool = False
    ignored: tuple[str, ...] = ()
    turn: Mapping[str, Any] = field(default_factory=dict)  # more of the turn request

    def hurried_by(self, hurry: Hurry) -> Self:
        """With a way to end its reasoning while it runs."""
        return dataclasses.replace(self, turn={**self.turn, "hurry": hurry})


def turns_of(studio: Studio, request: Request, ask: Ask, model: str, stop: Stop | None = None) -> list[Turn]:
    """One stream per choice, in the order of their index; all end when `stop` is asked."""
    stop = stop or begin(request)
    asked = requests_of(request, ask, model, stop)
    turns = (turn for one in asked for turn in alternatives(one, ask.choices))
    return [Stoppable(studio.turns.stream(turn), stop) for turn in turns]


def requests_of(request: Request, ask: Ask, model: str, stop: Stop | None = None) -> list[TurnRequest]:
    """One for each conversation and each prompt, whatever the number of choices."""
    common: dict[str, Any] = {
        "model": model,
        "sampling": ask.sampling,
        "context": Context(caller_of(request), siblings=ask.choices, front=front_of(request)),
        "ignored": ask.ignored,
        "stop": stop or Stop(),
        **ask.turn,
    }
    return [
        TurnRequest(**{"messages": messages, "continues": is_open(messages[-1]), **common})
        for messages in ask.conversations
    ] + [TurnRequest(prompt=prompt, **common) for prompt in ask.prompts]


def front_of(request: Request) -> str:
    """Which program asks, and in which dialect: conversations of one are not taken for those of another."""
    host, path = request.client.host if request.client else "", request.scope["path"]
    return f"{caller_of(request).key} {host} {request.headers.get('user-agent', '')[:200]} {path}"


def is_open(last: Message) -> bool:
    """An assistant's last message is lengthened, unless it waits for the answers of tools."""
    return last.role == "assistant" and not last.tool_calls


# ── sampling ────────────────────────────────────────────────────────────────────────────────────────


def named(
    body: Mapping[str, Any],
    aliases: Mapping[str, str],
    *,
    not_ours: Iterable[str] = (),
    special: Mapping[str, Callable[[Any], Any]] | None = None,
    overruled: list[str] | None = None,
) -> dict[str, Any]:
    """The values of a body under the names of `Sampling`: its own names, and a dialect's `aliases` of them.

    Fields in `not_ours` mean something else in the dialect. `special` makes a value what `Sampling.of` takes,
    by the name of its field; seeds and single stop strings are seen to here. Of several names of one field
    the dialect's own counts, the first of them; those that say something else are added to `overruled`.
    """
    ways = _WAYS | dict(special or {})
    foreign = frozenset(not_ours)
    values: dict[str, Any] = {}
    by: dict[str, str] = {}
    for name, value in body.items():
        field_ = aliases.get(name, name)
        if value is None or field_ not in SAMPLING_FIELDS or name in foreign:
            continue
        meant = ways[field_](value) if field_ in ways else value
        loser = ""
        if field_ in by:
            loser = by[field_] if name in aliases and by[field_] not in aliases else name
            if overruled is not None and meant != values[field_]:
                overruled.append(loser)
        if loser != name:
            values[field_], by[field_] = meant, name
    return values


def sampling_of(values: Mapping[str, Any], body: Mapping[str, Any], aliases: Mapping[str, str]) -> Sampling:
    """Raises BadParameter by the name that the body has for the field."""
    try:
        return Sampling.of(dict(values))
    except BadParameter as wrong:
        names = (name for name, field_ in aliases.items() if field_ == wrong.name)
        said = next((name for name in names if body.get(name) is not None), wrong.name)
        raise dataclasses.replace(wrong, name=said) from wrong


def by_names_sent(
    words: Mapping[str, str],
) -> Callable[[Callable[Concatenate[Body, Rest], Parsed]], Callable[Concatenate[Body, Rest], Parsed]]:
    """A parser of bodies whose BadParameter has the name by which a field was sent; `words` are all that the
    dialect has for fields."""

    def wrapped(
        parse: Callable[Concatenate[Body, Rest], Parsed],
    ) -> Callable[Concatenate[Body, Rest], Parsed]:
        @functools.wraps(parse)
        def parsed(body: Body, /, *args: Rest.args, **more: Rest.kwargs) -> Parsed:
            try:
                return parse(body, *args, **more)
            except BadParameter as wrong:
                raise _as_sent(wrong, body, words) from wrong

        return parsed

    return wrapped


def _as_sent(wrong: BadParameter, body: Body, words: Mapping[str, str]) -> BadParameter:
    if body.get(wrong.name) is not None:
        return wrong
    meant = words.get(wrong.name, wrong.name)
    names = (name for name, value in body.items() if value is not None and words.get(name, name) == meant)
    return dataclasses.replace(wrong, name=next(names, wrong.name))


def _stop(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _seed(value: Any) -> Any:
    """Many clients send −1 for a random seed, and some 64 bits."""
    if isinstance(value, int) and not isinstance(value, bool):
        return None if value < 0 else value % SEED_LIMIT
    return value


_WAYS: dict[str, Callable[[Any], Any]] = {"stop": _stop, "seed": _seed}


async def over_preset(
    studio: Studio,
    request: Request,
    body: dict[str, Any],
    handled: Container[str],
    words: Mapping[str, str],
    inside: str = "",
) -> dict[str, Any]:
    """The body, over the preset that its field `preset` names; `handled` are fields that no preset sets.

    What the body says goes before the preset by whatever name it says it: `words` are the dialect's own, and
    `inside` is a field in which it says more.
    """
    if KEY not in body:
        return body
    preset = await studio.presets.laid(caller_of(request).owner_id, {KEY: body[KEY] or ""})
    asked = {name: value for name, value in body.items() if name != KEY}
    more = asked.get(inside)
    spoken = {**asked, **more} if isinstance(more, dict) else asked
    said = {words.get(name, name) for name, value in spoken.items() if value is not None}
    left = {name: value for name, value in preset.items() if name not in said and name not in handled}
    return {name: value for name, value in asked.items() if name not in left} | left
