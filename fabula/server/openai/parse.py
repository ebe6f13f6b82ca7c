"""OpenAI request bodies into turn requests. Knows nothing of how answers look.

Source: OpenAI's API reference (chat completions, completions), and what real clients send. Fields of
`Sampling` are accepted at the top level too (`extra_body` of the Python client puts them there), also by the
names that front-ends of text-generation-webui and KoboldCpp have for them. Whatever is neither is listed as
ignored, never dropped in silence.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, Literal

from fabula.core.errors import BadParameter
from fabula.core.load import wish_of
from fabula.core.messages import Message, Role
from fabula.core.sampling import Sampling
from fabula.core.texts import phrase
from fabula.core.worker import Pieces
from fabula.server.asking import SAMPLING_FIELDS, Ask, by_names_sent, named, sampling_of
from fabula.server.bodies import get, image_in, joined, plain, unknown
from fabula.server.openai import tools
from fabula.server.wire_names import FOREIGN, LENGTHS, LISTS, limit_of, translated

MAX_CHOICES = 16
ALIASES = {
    "max_completion_tokens": "max_tokens",
    "max_output_tokens": "max_tokens",
    "top_logprobs": "logprobs",
}
FOREIGN_WORDS = {name: field for name, (field, _) in FOREIGN.items()} | dict.fromkeys(LISTS, "sampler_order")
WORDS = FOREIGN_WORDS | ALIASES
"""Every name by which a body can say what a field of `Sampling` is."""
ROLES: dict[str, Role | Literal["tool"]] = {
    "tool": "tool",
    "system": "system",
    "developer": "system",
    "user": "user",
    "assistant": "assistant",
}
HANDLED = frozenset(
    {"response_format", "model", "messages", "prompt", "stream", "stream_options", "n", "echo", "logprobs"}
    | {"load", "keep_alive"}  # ours
)
NEUTRAL: dict[str, tuple[Any, ...]] = {
    # values of unsupported fields that ask for nothing, so that ignoring them ignores nothing
    "tools": ([],),
    "tool_choice": ("none", "auto"),
    "reasoning_format": ("auto", "none", "deepseek"),
    "best_of": (1,),
    "store": (False,),
    "parallel_tool_calls": (True,),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish(Ask):
    """A parsed body: what to generate and how to answer."""

    with_usage: bool = False
    echo: bool = False
    scores_prompt: bool = False  # the echo is wanted token by token, with log-probabilities
    writes: bool = True  # False: with max_tokens 0 only the prompt is asked for
    wants_logprobs: bool = False


@by_names_sent(FOREIGN_WORDS)
def chat(body: dict[str, Any]) -> Wish:
    """A body of /v1/chat/completions. Raises BadParameter."""
    body, unheeded = translated(body)
    if type(body.get("logprobs")) is int:  # as completions have it, and llama.cpp's n_probs
        body |= {"top_logprobs": body["logprobs"], "logprobs": True}
    wants_logprobs = get(body, "logprobs", bool, False)
    if wants_logprobs:
        body = body | {"top_logprobs": body.get("top_logprobs") or 0}
    elif body.get("top_logprobs"):
        raise BadParameter("logprobs", "false", phrase("expected.logprobs_switch"))
    messages = get(body, "messages", list, None)
    if not messages:
        raise BadParameter("messages", f"{messages}", phrase("expected.messages"))
    conversation = tuple(_message(row, f"messages[{index}]") for index, row in enumerate(messages))
    body = body | tools.thinking(body)
    made = wish(
        {name: value for name, value in body.items() if name not in tools.HANDLED},
        conversations=(conversation,),
        wants_logprobs=wants_logprobs,
        turn=tools.asked(body),
        ignored=unheeded,
    )
    return without_reasoning(made, "messages.reasoning_content")


def without_reasoning(made: Wish, name: str) -> Wish:
    """Reasoning in the history is sent only where that is asked for; else it is told that it is not."""
    has_some = any(message.reasoning for messages in made.conversations for message in messages)
    if not has_some or made.sampling.keep_reasoning:
        return made
    return dataclasses.replace(made, ignored=(*made.ignored, name))


@by_names_sent(WORDS)
def completion(body: dict[str, Any]) -> Wish:
    """A body of /v1/completions. Raises BadParameter."""
    body, unheeded = translated(body)
    top = get(body, "logprobs", int, None)
    if top is not None:
        body = body | {"top_logprobs": top}
    prompts = _prompts(body.get("prompt", ""))
    ignored = list(unheeded)
    scores_prompt = bool(body.get("echo")) and top is not None
    writes = not (scores_prompt and body.get("max_tokens") == 0)
    if (
        body.get("echo")
        and not scores_prompt
        and not all(isinstance(piece, str) for prompt in prompts for piece in prompt)
    ):
        ignored.append("echo of token ids")
    return wish(
        {
            name: value
            for name, value in body.items()
            if name != "suffix" and (writes or name != "max_tokens")
        },
        prompts=prompts,
        turn={"suffix": get(body, "suffix", str, "")},
        echo=get(body, "echo", bool, False),
        scores_prompt=scores_prompt,
        writes=writes,
        wants_logprobs=top is not None,
        ignored=tuple(ignored),
    )


def wish(body: dict[str, Any], *, ignored: tuple[str, ...] = (), **parts: Any) -> Wish:
    """What chat completions, completions and responses have in common. Raises BadParameter."""
    options = get(body, "stream_options", dict, None) or {}
    choices = get(body, "n", int, 1)
    if not 1 <= choices <= MAX_CHOICES:
        raise BadParameter("n", f"{choices}", phrase("expected.whole_range", low=1, high=MAX_CHOICES))
    turn = {**parts.pop("turn", {}), "wish": wish_of(get(body, "load", dict, {}), body.get("keep_alive"))}
    if limit := limit_of(body):
        turn |= {"overflow": "cut", "limit": limit}
    overruled: list[str] = []
    return Wish(
        model=get(body, "model", str, ""),
        sampling=_sampling(body, overruled),
        choices=choices,
        stream=get(body, "stream", bool, False),
        with_usage=bool(options.get("include_usage")),
        ignored=(*ignored, *overruled, *unknown(body, KNOWN, NEUTRAL)),
        turn=turn,
        **parts,
    )


def _sampling(body: dict[str, Any], overruled: list[str]) -> Sampling:
    values = named(body, ALIASES, not_ours=HANDLED, overruled=overruled)
    return sampling_of(values | _form(get(body, "response_format", dict, {})), body, ALIASES)


def _form(wanted: dict[str, Any]) -> dict[str, Any]:
    """`response_format` as our `json_schema`; plain text is no form."""
    match wanted:
        case {} if not wanted:
            return {}
        case {"type": "text"}:
            return {}
        case {"type": "json_object"}:
            return {"json_schema": {"type": "object"}}
        case {"type": "json_schema", "json_schema": {"schema": dict(schema)}}:
            return {"json_schema": schema}
    raise BadParameter("response_format", f"{wanted!r}"[:80], phrase("expected.response_format"))


KNOWN = HANDLED | SAMPLING_FIELDS | ALIASES.keys() | frozenset(LENGTHS)


def _message(row: Any, where: str) -> Message:
    if not isinstance(row, dict):
        raise BadParameter(where, f"{row!r}"[:80], phrase("expected.message"))
    role = row.get("role")
    if not isinstance(role, str) or role not in ROLES:
        raise BadParameter(f"{where}.role", f"{role}", phrase("expected.one_of", names=", ".join(ROLES)))
    name = get(row, "name", str, "")
    text, pictures = content(row.get("content"), f"{where}.content")
    return Message(
        role=ROLES[role],
        text=text,
        images=pictures,
        name=name,
        reasoning=get(row, "reasoning_content", str, "") or get(row, "reasoning", str, ""),
        tool_calls=tools.calls(row.get("tool_calls"), f"{where}.tool_calls"),
        tool_call_id=get(row, "tool_call_id", str, ""),
    )


def content(said: Any, where: str) -> tuple[str, tuple[bytes, ...]]:
    """Text, or a list of parts joined; with a mark in the place of each image."""
    if said is None:
        return "", ()
    if isinstance(said, str):
        return plain(said, where), ()
    if not isinstance(said, list):
        raise BadParameter(where, f"{said!r}"[:80], phrase("expected.content"))
    return joined([_part(part, f"{where}[{index}]") for index, part in enumerate(said)], where)


def _part(part: Any, where: str) -> str | bytes:
    kind = part.get("type") if isinstance(part, dict) else None
    if kind in ("image_url", "input_image"):
        address = part.get("image_url")
        return image_in(address.get("url") if isinstance(address, dict) else address, f"{where}.image_url")
    if kind not in ("text", "input_text", "output_text", "refusal"):
        raise BadParameter(f"{where}.type", f"{kind}", phrase("expected.part"))
    text = part.get("refusal" if kind == "refusal" else "text", "")
    if not isinstance(text, str):
        raise BadParameter(f"{where}.text", f"{text!r}"[:80], phrase("expected.text"))
    return plain(text, f"{where}.text")


def _prompts(prompt: Any) -> tuple[Pieces, ...]:
    """One prompt as text or token ids, or a list of either."""
    if isinstance(prompt, str):
        return ((prompt,),)
    if _is_ids(prompt):
        return ((tuple(prompt),),)
    if isinstance(prompt, list) and 0 < len(prompt) <= MAX_CHOICES:
        if all(isinstance(item, str) for item in prompt):
            return tuple((item,) for item in prompt)
        if all(_is_ids(item) for item in prompt):
            return tuple((tuple(item),) for item in prompt)
    raise BadParameter("prompt", f"{prompt!r}"[:80], phrase("expected.prompt", most=MAX_CHOICES))


def _is_ids(value: Any) -> bool:
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(item, int) and not isinstance(item, bool) and item >= 0 for item in value)
    )
