"""Bodies of /api/generate and /api/chat into turn requests. Knows nothing of how answers look.

Source: Ollama's docs/api.md, and what its Python and JavaScript clients send. Fields of `Sampling` are taken
at the top level too; `options` go before them. Whatever is neither is listed as ignored.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from fabula.core.errors import BadParameter
from fabula.core.load import Wish, wish_of
from fabula.core.messages import Message
from fabula.core.texts import phrase
from fabula.server.asking import SAMPLING_FIELDS, Ask, named, sampling_of
from fabula.server.bodies import get, unknown
from fabula.server.ollama import go_template, messages, options

HANDLED = frozenset(
    {"model", "name", "stream", "options", "format", "think", "keep_alive", "truncate", "logprobs"}
    | {"messages", "tools", "prompt", "suffix", "system", "template", "context", "raw", "images", "load"}
    | {"top_logprobs"}
)
NEUTRAL: dict[str, tuple[Any, ...]] = {"shift": (False,)}
EFFORTS = ("low", "medium", "high", "max")
RAW_EXCLUDES = ("system", "template", "context")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked(Ask):
    """`loads`: nothing is to be written, the model is to be there, or to go where `unloads`. `before` are ids
    of an earlier answer that the prompt follows."""

    loads: bool = False
    unloads: bool = False
    wants_logprobs: bool = False
    before: tuple[int, ...] = ()
    wish: Wish = field(default_factory=Wish)


def chat(body: dict[str, Any]) -> Asked:
    """A body of /api/chat. Raises BadParameter."""
    rows = get(body, "messages", list, [])
    said = messages.conversation(rows)
    asked = _asked(body, loads=not said, turn=messages.tools(body.get("tools")))
    asked = dataclasses.replace(asked, conversations=(said,) if said else ())
    if any(message.reasoning for message in said) and not asked.sampling.keep_reasoning:
        asked = dataclasses.replace(asked, ignored=(*asked.ignored, "messages.thinking"))
    return _unheard(asked, body, "prompt", "suffix", "system", "template", "context", "raw", "images")


def generate(body: dict[str, Any]) -> Asked:
    """A body of /api/generate. Raises BadParameter, GoTemplateUnknown."""
    prompt, suffix = get(body, "prompt", str, ""), get(body, "suffix", str, "")
    raw, pictures = get(body, "raw", bool, False), get(body, "images", list, [])
    asked = _asked(body, loads=not (prompt or suffix or pictures), template=get(body, "template", str, ""))
    asked = _unheard(asked, body, "messages", "tools")
    text, files = messages.with_images(prompt, pictures, "images")
    if raw:
        _alone(body)
        return dataclasses.replace(asked, prompts=((text,),), turn={**asked.turn, "images": files})
    if suffix:
        turn = {**asked.turn, "suffix": suffix, "images": files}
        return dataclasses.replace(asked, prompts=((text,),), turn=turn)
    said = Message(role="user", text=text, images=files)
    system = get(body, "system", str, "")
    conversation = (*([Message(role="system", text=system)] if system else []), said)
    turn = {**asked.turn, "tells_ids": True}
    return dataclasses.replace(asked, conversations=(conversation,), before=_ids(body), turn=turn)


def _alone(body: Mapping[str, Any]) -> None:
    for name in RAW_EXCLUDES:
        if body.get(name):
            raise BadParameter(name, f"{body[name]!r}"[:80], phrase("expected.not_with_raw"))


def _ids(body: dict[str, Any]) -> tuple[int, ...]:
    ids = get(body, "context", list, [])
    if not all(type(id) is int and id >= 0 for id in ids):
        raise BadParameter("context", f"{ids!r}"[:80], phrase("expected.ids"))
    return tuple(ids)


def _unheard(asked: Asked, body: Mapping[str, Any], *names: str) -> Asked:
    """Fields of the other route."""
    found = tuple(name for name in names if body.get(name))
    return dataclasses.replace(asked, ignored=(*asked.ignored, *found)) if found else asked


# ── what both routes have ───────────────────────────────────────────────────────────────────────────


def _asked(
    body: dict[str, Any], *, loads: bool, turn: Mapping[str, Any] | None = None, template: str = ""
) -> Asked:
    given = get(body, "options", dict, {})
    read = options.read(given)
    loose = named(_top_level(body), options.ALIASES, not_ours=HANDLED)
    form, shown = _form(body.get("format")), get(body, "logprobs", bool, False)
    wanted = {"logprobs": get(body, "top_logprobs", int, 0)} if shown else {}
    values = loose | _thinking(body.get("think")) | read.sampling | form | wanted
    sampling = sampling_of(values, {**body, **given}, options.ALIASES)
    wish = _wish(body, read.load, template)
    cut = {"overflow": "cut"} if get(body, "truncate", bool, False) else {}
    return Asked(
        model=model_of(body),
        sampling=sampling,
        stream=get(body, "stream", bool, True),
        ignored=(*_ignored(body, read, shown), *_overruled(loose, read)),
        turn={**(turn or {}), **cut, "wish": wish},
        loads=loads,
        unloads=loads and wish.keep_alive_s == 0,
        wants_logprobs=shown,
        wish=wish,
    )


def _top_level(body: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in body.items() if name in SAMPLING_FIELDS}


def _ignored(body: dict[str, Any], read: options.Read, shown: bool) -> tuple[str, ...]:
    names = unknown(body, HANDLED | SAMPLING_FIELDS, NEUTRAL)
    tops = ("top_logprobs",) if body.get("top_logprobs") and not shown else ()
    return (*names, *(f"options.{name}" for name in read.unheard), *tops)


def _overruled(loose: Mapping[str, Any], read: options.Read) -> tuple[str, ...]:
    """`options` say something else."""
    return tuple(name for name, value in loose.items() if read.sampling.get(name, value) != value)


def _wish(body: dict[str, Any], load: dict[str, Any], template: str) -> Wish:
    """`load` is our own field, with all that a load can be asked."""
    asked = get(body, "load", dict, {}) | load
    if template:
        asked["chat_template"] = go_template.as_jinja(template)
    return wish_of(asked, body.get("keep_alive"))


def model_of(body: Mapping[str, Any]) -> str:
    """Clients of different age call it `model` or `name`. Raises BadParameter."""
    for name in ("model", "name"):
        if value := get(body, name, str, ""):
            return str(value)
    raise BadParameter("model", "", phrase("expected.some_text"))


def _form(wanted: Any) -> dict[str, Any]:
    if wanted is None or wanted == "":
        return {}
    if wanted == "json":
        return {"json_schema": {"type": "object"}}
    if isinstance(wanted, dict):
        return {"json_schema": wanted}
    raise BadParameter("format", f"{wanted!r}"[:80], phrase("expected.format_word"))


def _thinking(wanted: Any) -> dict[str, Any]:
    if wanted is None or isinstance(wanted, bool):
        return {} if wanted is None else {"think": wanted}
    if wanted in EFFORTS:
        return {"think": True, "think_effort": wanted}
    raise BadParameter("think", f"{wanted!r}"[:80], phrase("expected.think"))
