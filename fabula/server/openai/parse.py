"""OpenAI request bodies into turn requests. Knows nothing of how answers look.

Source: OpenAI's API reference (chat completions, completions), and what real clients send. Fields of
`Sampling` are accepted at the top level too (`extra_body` of the Python client puts them there). Whatever is
neither is listed as ignored, never dropped in silence.
"""

from __future__ import annotations

import base64
import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from fabula.core import images
from fabula.core.errors import BadParameter
from fabula.core.load import wish_of
from fabula.core.messages import IMAGE, Message, Role
from fabula.core.sampling import Sampling
from fabula.core.texts import Phrase, phrase
from fabula.core.worker import Pieces
from fabula.server.openai import tools

MAX_CHOICES = 16
MAX_IMAGES = 16  # of one message
SAMPLING_FIELDS = frozenset(field.name for field in dataclasses.fields(Sampling))
ALIASES = {
    "max_completion_tokens": "max_tokens",
    "repeat_penalty": "repetition_penalty",
    "repeat_last_n": "repetition_window",
    "top_logprobs": "logprobs",
}
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
class Wish:
    """A parsed body: what to generate and how to answer."""

    model: str
    sampling: Sampling
    conversations: tuple[tuple[Message, ...], ...] = ()
    prompts: tuple[Pieces, ...] = ()
    choices: int = 1
    stream: bool = False
    with_usage: bool = False
    echo: bool = False
    scores_prompt: bool = False  # the echo is wanted token by token, with log-probabilities
    writes: bool = True  # False: with max_tokens 0 only the prompt is asked for
    wants_logprobs: bool = False
    ignored: tuple[str, ...] = ()
    turn: Mapping[str, Any] = dataclasses.field(default_factory=dict)  # more of the turn request


def chat(body: dict[str, Any]) -> Wish:
    """A body of /v1/chat/completions. Raises BadParameter."""
    wants_logprobs = _get(body, "logprobs", bool, False)
    if wants_logprobs:
        body = body | {"top_logprobs": body.get("top_logprobs") or 0}
    elif body.get("top_logprobs"):
        raise BadParameter("logprobs", "false", phrase("expected.logprobs_switch"))
    messages = _get(body, "messages", list, None)
    if not messages:
        raise BadParameter("messages", f"{messages}", phrase("expected.messages"))
    conversation = tuple(_message(row, f"messages[{index}]") for index, row in enumerate(messages))
    body = body | tools.thinking(body)
    wish = _wish(
        {name: value for name, value in body.items() if name not in tools.HANDLED},
        conversations=(conversation,),
        wants_logprobs=wants_logprobs,
        turn=tools.asked(body),
    )
    return _without_reasoning(wish)


def _without_reasoning(wish: Wish) -> Wish:
    """Reasoning in the history is sent only where that is asked for; else it is told that it is not."""
    has_some = any(message.reasoning for messages in wish.conversations for message in messages)
    if not has_some or wish.sampling.keep_reasoning:
        return wish
    return dataclasses.replace(wish, ignored=(*wish.ignored, "messages.reasoning_content"))


def completion(body: dict[str, Any]) -> Wish:
    """A body of /v1/completions. Raises BadParameter."""
    top = _get(body, "logprobs", int, None)
    if top is not None:
        body = body | {"top_logprobs": top}
    prompts = _prompts(body.get("prompt", ""))
    ignored = []
    scores_prompt = bool(body.get("echo")) and top is not None
    writes = not (scores_prompt and body.get("max_tokens") == 0)
    if (
        body.get("echo")
        and not scores_prompt
        and not all(isinstance(piece, str) for prompt in prompts for piece in prompt)
    ):
        ignored.append("echo of token ids")
    return _wish(
        {
            name: value
            for name, value in body.items()
            if name != "suffix" and (writes or name != "max_tokens")
        },
        prompts=prompts,
        turn={"suffix": _get(body, "suffix", str, "")},
        echo=_get(body, "echo", bool, False),
        scores_prompt=scores_prompt,
        writes=writes,
        wants_logprobs=top is not None,
        ignored=tuple(ignored),
    )


def _wish(body: dict[str, Any], *, ignored: tuple[str, ...] = (), **parts: Any) -> Wish:
    options = _get(body, "stream_options", dict, None) or {}
    choices = _get(body, "n", int, 1)
    if not 1 <= choices <= MAX_CHOICES:
        raise BadParameter("n", f"{choices}", phrase("expected.whole_range", low=1, high=MAX_CHOICES))
    turn = {**parts.pop("turn", {}), "wish": wish_of(_get(body, "load", dict, {}), body.get("keep_alive"))}
    return Wish(
        model=_get(body, "model", str, ""),
        sampling=_sampling(body),
        choices=choices,
        stream=_get(body, "stream", bool, False),
        with_usage=bool(options.get("include_usage")),
        ignored=(*ignored, *_unknown(body)),
        turn=turn,
        **parts,
    )


def _sampling(body: dict[str, Any]) -> Sampling:
    values: dict[str, Any] = {}
    for name, value in body.items():
        field = ALIASES.get(name, name)
        if value is None or field not in SAMPLING_FIELDS or name in HANDLED:
            continue
        values[field] = _SPECIAL[field](value) if field in _SPECIAL else value
    return Sampling.of(values | _form(_get(body, "response_format", dict, {})))


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


def _stop(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _seed(value: Any) -> Any:
    """Some clients send −1 for a random seed, and OpenAI allows 64 bits."""
    if isinstance(value, int) and not isinstance(value, bool):
        return None if value < 0 else value % (2**32 - 1)
    return value


_SPECIAL: dict[str, Callable[[Any], Any]] = {"stop": _stop, "seed": _seed}


def _unknown(body: dict[str, Any]) -> tuple[str, ...]:
    known = HANDLED | SAMPLING_FIELDS | ALIASES.keys()
    return tuple(
        name
        for name, value in body.items()
        if name not in known and value is not None and value not in NEUTRAL.get(name, ())
    )


def _message(row: Any, where: str) -> Message:
    if not isinstance(row, dict):
        raise BadParameter(where, f"{row!r}"[:80], phrase("expected.message"))
    role = row.get("role")
    if role not in ROLES:
        raise BadParameter(f"{where}.role", f"{role}", phrase("expected.one_of", names=", ".join(ROLES)))
    name = _get(row, "name", str, "")
    text, pictures = _content(row.get("content"), f"{where}.content")
    return Message(
        role=ROLES[role],
        text=text,
        images=pictures,
        name=name,
        reasoning=_get(row, "reasoning_content", str, "") or _get(row, "reasoning", str, ""),
        tool_calls=tools.calls(row.get("tool_calls"), f"{where}.tool_calls"),
        tool_call_id=_get(row, "tool_call_id", str, ""),
    )


def _content(content: Any, where: str) -> tuple[str, tuple[bytes, ...]]:
    """Text, or a list of parts joined; with a mark in the place of each image."""
    if content is None:
        return "", ()
    if isinstance(content, str):
        return _plain(content, where), ()
    if not isinstance(content, list):
        raise BadParameter(where, f"{content!r}"[:80], phrase("expected.content"))
    parts = [_part(part, f"{where}[{index}]") for index, part in enumerate(content)]
    files = tuple(part for part in parts if isinstance(part, bytes))
    if len(files) > MAX_IMAGES:
        raise BadParameter(where, f"{len(files)}", phrase("expected.images", most=MAX_IMAGES))
    return "".join(IMAGE if isinstance(part, bytes) else part for part in parts), files


def _part(part: Any, where: str) -> str | bytes:
    kind = part.get("type") if isinstance(part, dict) else None
    if kind in ("image_url", "input_image"):
        return _image(part.get("image_url"), f"{where}.image_url")
    if kind not in ("text", "input_text", "refusal"):
        raise BadParameter(f"{where}.type", f"{kind}", phrase("expected.part"))
    text = part.get("refusal" if kind == "refusal" else "text", "")
    if not isinstance(text, str):
        raise BadParameter(f"{where}.text", f"{text!r}"[:80], phrase("expected.text"))
    return _plain(text, f"{where}.text")


def _plain(text: str, where: str) -> str:
    if IMAGE in text:  # it would stand for an image that is not there
        raise BadParameter(where, text[:80], phrase("expected.text"))
    return text


def _image(address: Any, where: str) -> bytes:
    """The file in a data: address. Others are never fetched: they would reach into the person's network."""
    url = address.get("url") if isinstance(address, dict) else address
    head, _, coded = url.partition(",") if isinstance(url, str) else ("", "", "")
    if not (head.startswith("data:image/") and head.endswith(";base64")):
        raise BadParameter(where, f"{url!r}"[:80], phrase("expected.image_data"))
    try:
        data = base64.b64decode(coded, validate=True)
    except ValueError as wrong:
        raise BadParameter(where, head, phrase("expected.image_data")) from wrong
    return images.checked(data, where)


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


_KINDS: dict[type, Phrase] = {
    bool: phrase("expected.bool"),
    int: phrase("expected.whole"),
    str: phrase("expected.text"),
    list: phrase("expected.list"),
    dict: phrase("expected.object"),
}


def _get(row: dict[str, Any], name: str, kind: type, default: Any) -> Any:
    """A field of the right type; null and absence are the default."""
    value = row.get(name)
    if value is None:
        return default
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise BadParameter(name, f"{value!r}"[:80], _KINDS[kind])
    return value
