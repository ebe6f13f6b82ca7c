"""Bodies of /v1/responses into turn requests: what differs from chat completions is put into their words.

Source: OpenAI's API reference (responses). Nothing is stored here: what refers to an earlier answer is
refused, because to leave it out would answer something else.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from fabula.core.errors import BadParameter
from fabula.core.texts import phrase
from fabula.server.asking import by_names_sent
from fabula.server.bodies import get, unknown
from fabula.server.openai import parse, tools
from fabula.server.openai.responses.items import messages
from fabula.server.wire_names import translated

STORED = ("previous_response_id", "conversation", "prompt")
LOGPROBS = "message.output_text.logprobs"
OURS = frozenset(
    {"input", "instructions", "max_output_tokens", "text", "reasoning", "truncation", "include", "metadata"}
    | {"tools", "tool_choice"}
)
HANDLED = parse.HANDLED | OURS | frozenset(STORED)
ELSEWHERE: dict[str, tuple[Any, ...]] = {
    # fields of chat completions that mean nothing here, with the values that ask for nothing
    "messages": (),
    "n": (1,),
    "echo": (False,),
    "response_format": (),
    "logprobs": (False,),
    "stream_options": ({}, {"include_obfuscation": False}, {"include_usage": True}),
    "background": (False,),
    "include": ([],),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish(parse.Wish):
    """A parsed body, and what of it the answer repeats."""

    told: Mapping[str, Any] = field(default_factory=dict)


@by_names_sent(parse.WORDS)
def response(body: dict[str, Any]) -> Wish:
    """A body of /v1/responses or /v1/responses/input_tokens. Raises BadParameter."""
    for name in STORED:
        if body.get(name) is not None:
            raise BadParameter(name, f"{body[name]}"[:80], phrase("expected.whole_conversation"))
    said = messages(get(body, "instructions", str, ""), body.get("input"))
    sampled, unheeded = translated(
        {name: value for name, value in body.items() if name not in OURS | ELSEWHERE.keys()}
    )
    functions, foreign = _functions(get(body, "tools", list, []))
    functions, choice = _allowed(functions, body.get("tool_choice"))
    as_chat = sampled | _words(body) | {"tools": functions, "tool_choice": choice}
    as_chat |= tools.thinking(as_chat)
    made = parse.wish(
        {name: value for name, value in as_chat.items() if name not in tools.HANDLED},
        conversations=(said,),
        wants_logprobs=as_chat.get("top_logprobs") is not None,
        turn=tools.asked(as_chat) | _overflow(body),
        ignored=(*unheeded, *foreign, *_ignored(body)),
    )
    made = parse.without_reasoning(made, "input.reasoning")
    parts = {part.name: getattr(made, part.name) for part in dataclasses.fields(parse.Wish)}
    return Wish(**parts, told=_told(body, made))


def _words(body: dict[str, Any]) -> dict[str, Any]:
    """What has another name in chat completions, or another place."""
    words: dict[str, Any] = {}
    if (limit := body.get("max_output_tokens")) is not None:
        words["max_output_tokens"] = limit
    if effort := get(get(body, "reasoning", dict, {}), "effort", str, ""):
        words["reasoning_effort"] = effort
    if form := get(get(body, "text", dict, {}), "format", dict, {}):
        words["response_format"] = _form(form)
    top = body.get("top_logprobs")
    if top is not None or LOGPROBS in get(body, "include", list, []):
        words["top_logprobs"] = top or 0
    return words


def _form(form: dict[str, Any]) -> dict[str, Any]:
    match form:
        case {"type": "text" | "json_object"}:
            return form
        case {"type": "json_schema", "schema": dict()}:
            return {"type": "json_schema", "json_schema": form}
    raise BadParameter("text.format", f"{form!r}"[:80], phrase("expected.response_format"))


def _functions(rows: list[Any]) -> tuple[list[Any], tuple[str, ...]]:
    """Functions as chat completions have them; and the tools that only OpenAI's servers run."""
    functions, foreign = [], []
    for row in rows:
        kind = row.get("type") if isinstance(row, dict) else None
        if isinstance(row, dict) and isinstance(kind, str) and kind != "function":
            foreign.append(f"tools.{kind}")
        elif isinstance(row, dict) and "function" not in row:
            named = {name: row[name] for name in ("name", "description", "parameters") if row.get(name)}
            functions.append({"type": "function", "function": named})
        else:
            functions.append(row)
    return functions, tuple(foreign)


def _allowed(functions: list[Any], choice: Any) -> tuple[list[Any], Any]:
    """The functions that may be called, and the choice in the words of chat completions."""
    match choice:
        case {"type": "function", "name": name}:
            return functions, {"type": "function", "function": {"name": name}}
        case {"type": "allowed_tools", "mode": mode, "tools": list(rows)}:
            names = [row.get("name") for row in rows if isinstance(row, dict)]
            return [row for row in functions if _name(row) in names], mode
    return functions, choice


def _name(row: Any) -> Any:
    function = row.get("function") if isinstance(row, dict) else None
    return function.get("name") if isinstance(function, dict) else None


def _overflow(body: dict[str, Any]) -> dict[str, Any]:
    """`auto` cuts the oldest messages of a conversation that is too long; the answer tells how many."""
    wanted = get(body, "truncation", str, "disabled")
    if wanted not in ("auto", "disabled"):
        raise BadParameter("truncation", wanted[:80], phrase("expected.one_of", names="auto, disabled"))
    return {"overflow": "cut"} if wanted == "auto" else {}


def _ignored(body: dict[str, Any]) -> tuple[str, ...]:
    elsewhere = {name: value for name, value in body.items() if name in ELSEWHERE and name != "include"}
    asked = get(body, "include", list, [])
    return (
        *unknown(elsewhere, (), ELSEWHERE),
        *(f"include.{name}" for name in asked if name != LOGPROBS),
        *(f"reasoning.{name}" for name in unknown(get(body, "reasoning", dict, {}), ("effort",))),
        *(f"text.{name}" for name in unknown(get(body, "text", dict, {}), ("format",))),
    )


def _told(body: dict[str, Any], made: parse.Wish) -> dict[str, Any]:
    """What every answer repeats of its request."""
    reasoning, text = get(body, "reasoning", dict, {}), get(body, "text", dict, {})
    return {
        "instructions": body.get("instructions"),
        "max_output_tokens": made.sampling.max_tokens,
        "metadata": get(body, "metadata", dict, {}),
        "parallel_tool_calls": get(body, "parallel_tool_calls", bool, True),
        "previous_response_id": None,
        "reasoning": {"effort": reasoning.get("effort"), "summary": None},
        "store": False,
        "temperature": made.sampling.temperature,
        "text": {"format": text.get("format") or {"type": "text"}},
        "tool_choice": body.get("tool_choice") or "auto",
        "tools": get(body, "tools", list, []),
        "top_p": made.sampling.top_p,
        "truncation": body.get("truncation") or "disabled",
    }
