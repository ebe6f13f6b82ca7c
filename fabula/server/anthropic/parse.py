"""Anthropic request bodies into turn requests. Knows nothing of how answers look.

Source: Anthropic's API reference (messages, count tokens), and what its clients send. Fields of `Sampling`
are accepted at the top level too. Whatever is neither is listed as ignored, never dropped in silence.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from fabula.core.errors import BadParameter
from fabula.core.load import wish_of
from fabula.core.texts import phrase
from fabula.server.anthropic import tools
from fabula.server.anthropic.blocks import history
from fabula.server.asking import SAMPLING_FIELDS, Ask, named, sampling_of
from fabula.server.bodies import get, unknown

ALIASES = {"stop_sequences": "stop"}
HANDLED = frozenset(
    {"model", "messages", "system", "stream", "tools", "tool_choice", "thinking", "output_config"}
    | {"cache_control"}  # what was read is kept anyway
    | {"load", "keep_alive"}  # ours
)
NO_WORD_FOR = frozenset({"logprobs"})
KNOWN = (HANDLED | SAMPLING_FIELDS | ALIASES.keys()) - NO_WORD_FOR
NEUTRAL: dict[str, tuple[Any, ...]] = {
    # values of unsupported fields that ask for nothing, so that ignoring them ignores nothing
    "service_tier": ("auto", "standard_only"),
    "speed": ("standard",),
    "metadata": ({},),
}
WAYS_TO_THINK = ("enabled", "disabled", "adaptive")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish(Ask):
    """A parsed body; with `shows_thinking` off the reasoning is not sent, but told to have been there."""

    shows_thinking: bool = True


def messages(body: dict[str, Any]) -> Wish:
    """A body of /v1/messages or /v1/messages/count_tokens. Raises BadParameter."""
    said = history(body.get("system"), body.get("messages"))
    thinking, ignored_thinking = _thinking(get(body, "thinking", dict, {}))
    shown = get(body, "tools", list, [])
    asked, ignored_tools = tools.asked(shown, get(body, "tool_choice", dict, {}))
    config = get(body, "output_config", dict, {})
    overruled: list[str] = []
    said_of_it = named(body, ALIASES, not_ours=HANDLED | NO_WORD_FOR, overruled=overruled)
    values = {**thinking, **_form(config), **said_of_it}
    wish = Wish(
        model=get(body, "model", str, ""),
        sampling=sampling_of(values, body, ALIASES),
        conversations=(tuple(said.messages),),
        stream=get(body, "stream", bool, False),
        ignored=(
            *overruled,
            *unknown(body, KNOWN, NEUTRAL),
            *(f"output_config.{name}" for name in unknown(config, ("effort", "format"))),
            *ignored_thinking,
            *ignored_tools,
            *said.ignored,
        ),
        turn=asked | {"wish": wish_of(get(body, "load", dict, {}), body.get("keep_alive"))},
        shows_thinking=get(body, "thinking", dict, {}).get("display") != "omitted",
    )
    return _without_reasoning(wish)


def _without_reasoning(wish: Wish) -> Wish:
    """Reasoning in the history is sent only where that is asked for; else it is told that it is not."""
    has_some = any(message.reasoning for messages in wish.conversations for message in messages)
    if not has_some or wish.sampling.keep_reasoning:
        return wish
    return dataclasses.replace(wish, ignored=(*wish.ignored, "messages.thinking"))


def _thinking(wanted: dict[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """`adaptive` is what a model does by itself."""
    if not wanted:
        return {}, ()
    way = wanted.get("type")
    if way == "between_tools":
        return {}, ("thinking",)
    if way not in WAYS_TO_THINK:
        names = ", ".join(WAYS_TO_THINK)
        raise BadParameter("thinking.type", f"{way}"[:80], phrase("expected.one_of", names=names))
    if way == "adaptive":
        return {}, ()
    budget = get(wanted, "budget_tokens", int, None)
    limit = {"think_budget": budget} if way == "enabled" and budget is not None else {}
    return {"think": way == "enabled", **limit}, ()


def _form(config: dict[str, Any]) -> dict[str, Any]:
    """The effort, and the schema that the whole reply has to have."""
    values: dict[str, Any] = {}
    if effort := get(config, "effort", str, ""):
        values["think_effort"] = effort
    match get(config, "format", dict, {}):
        case {"type": "json_schema", "schema": dict(schema)}:
            values["json_schema"] = schema
        case wanted if wanted:
            expected = phrase("expected.response_format")
            raise BadParameter("output_config.format", f"{wanted!r}"[:80], expected)
    return values
