"""What text-generation-webui, KoboldCpp and their front-ends call our sampling in a body: one translation.

The names are those of `engine.presets.names`, which preset files use too. What comes out is a body in which
fields of `Sampling` have their own names; all other fields stay as they are, for the dialect to read or to
list as ignored. Knows no route and no dialect's answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from fabula.core.sampling import NAMES, NEUTRAL, SAMPLERS
from fabula.engine.presets.names import FIELDS, NOTHING_ASKED, STEPS, Unusable, heated_last, ids, numbered
from fabula.engine.sampling.needs import NEEDS
from fabula.engine.sampling.order import OFF

OWN = frozenset(NAMES)
ELSEWHERE = frozenset({"enable_thinking", "reasoning_effort", "thinking_token_budget", "stop", "seed"})
"""What dialects read themselves, or `asking.named` does."""

FOREIGN = {name: way for name, way in FIELDS.items() if name not in OWN and name not in ELSEWHERE} | {
    "max_length": FIELDS["max_tokens"],
    "n_probs": ("logprobs", lambda count: count or None),
}
LOOSE = frozenset({"top_k", "top_n_sigma", "adaptive_target", "dry_sequence_breakers", "banned_strings"})
"""Names of ours that come with other programs' values: −1 for "off", lists as text."""

ANYTHING = None
ASKS_NOTHING: Mapping[str, tuple[Any, ...] | None] = {
    name: values
    for name, values in NOTHING_ASKED.items()
    if name not in ("stream", "streaming", "name", "format")
} | {
    "static_cache": (False,),
    "mode": ("instruct",),
    "continue_": (False, True),  # an assistant's last message is lengthened anyway
    "quiet": ANYTHING,  # no prompt is ever logged
    # what SillyTavern tells its own server, and passes on
    "api_type": ANYTHING,
    "api_server": ANYTHING,
    "legacy_api": ANYTHING,
    "can_abort": ANYTHING,
    "streaming": ANYTHING,
    "include_reasoning": ANYTHING,
    # what KoboldAI's own interface would add to a prompt
    "use_story": (False,),
    "use_memory": (False,),
    "use_authors_note": (False,),
    "use_world_info": (False,),
    "gui_settings": (False,),
    "frmttriminc": (False,),
    "frmtrmblln": (False,),
    "frmtrmspch": (False,),
    "frmtadsnsp": (False,),
    "singleline": (False,),
    "render_special": (False,),
    "bypass_eos": (False,),
}
"""Fields that no `Sampling` has, and the values by which they ask for nothing (None: any)."""

LENGTHS = ("truncation_length", "max_context_length")
"""Tokens of prompt and reply together: by these fields a prompt may be cut at its beginning."""

SWITCHES = ("dynamic_temperature", "do_sample", "temperature_last", "auto_max_new_tokens")

LISTS = ("sampler_priority", "samplers", "samplers_priorities")

HEARD = (
    frozenset({*ASKS_NOTHING, *FOREIGN, *LOOSE, *LENGTHS, *SWITCHES, *LISTS, "sampler_order"})
    | NEEDS.keys()
    | {"instruction_template_str", "banned_tokens", "custom_token_bans"}
    | {"dynatemp_low", "dynatemp_high"}
)
"""All fields that are looked at here. OpenAI's own clients send none of them, and no nulls."""


def translated(body: Mapping[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The body with our names for sampling, and what of it could not be heeded.

    Values are not checked: `Sampling.of` does that. Where two names say different things of one field, ours
    counts, then the first; the other one is told.
    """
    if HEARD.isdisjoint(body) and None not in body.values():
        return dict(body), ()
    return _translated(body)


def _translated(body: Mapping[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
    kept = {
        name: value
        for name, value in body.items()
        if not (asks_nothing(name, value) or _is_empty(name, value))
    }
    said: dict[str, Any] = {}
    unheeded: list[str] = []
    if kept.get("num_ctx") == kept.get("truncation_length"):  # SillyTavern says it to all servers alike
        kept.pop("num_ctx", None)
    _template(kept)
    _bans(kept, said, unheeded)
    for name in [name for name in kept if name in LOOSE]:
        kept[name] = FIELDS[name][1](kept[name])
    heard: dict[str, list[Any]] = {}
    for name in [name for name in kept if name in FOREIGN]:
        _one(name, kept, said, heard, unheeded)
    unheeded += [name for name in LENGTHS if name in kept and not _is_number(kept[name])]
    unheeded += [name for name in SWITCHES if not isinstance(kept.get(name, False), bool)]
    _heat(kept, said, unheeded)
    order = _order(kept, unheeded)
    values = kept | {name: value for name, value in said.items() if name not in kept}
    if order and (needed := _needed(order, values)):
        values["sampler_order"] = list(needed)
    _leave_idle(values)
    if values.pop("auto_max_new_tokens", None) is True:
        values.pop("max_tokens", None)
    return values, tuple(unheeded)


def asks_nothing(name: str, value: Any) -> bool:
    """Whether to leave a field out leaves nothing out."""
    if name not in ASKS_NOTHING:
        return False
    neutral = ASKS_NOTHING[name]
    return value is None or neutral is None or value in neutral


def _is_empty(name: str, value: Any) -> bool:
    """null says nothing: it must not stand in the way of another program's name for the field."""
    return value is None and (name in OWN or name in LENGTHS or name in SWITCHES)


def limit_of(body: Mapping[str, Any]) -> int:
    """The tokens that a body allows for prompt and reply together; 0 = it does not say."""
    found = [body.get(name) for name in LENGTHS]
    return min((n for n in found if isinstance(n, int) and not isinstance(n, bool) and n > 0), default=0)


def _one(
    name: str, kept: dict[str, Any], said: dict[str, Any], heard: dict[str, list[Any]], unheeded: list[str]
) -> None:
    """`heard` are values as they came: the same one under several names is said once, whatever each means."""
    field, convert = FOREIGN[name]
    value = kept.pop(name)
    if value is None or value in heard.setdefault(field, []):
        return
    heard[field].append(value)
    try:
        value = convert(value)
    except Unusable:
        unheeded.append(name)
        return
    known = kept.get(field, said.get(field))
    if known is None or (field not in kept and known == NEUTRAL[field]):
        said[field] = value
    elif value not in (known, NEUTRAL[field], ()):
        unheeded.append(name)


def _template(kept: dict[str, Any]) -> None:
    """A chat template for one request, where there are messages to put into it."""
    template, load = kept.get("instruction_template_str"), kept.get("load") or {}
    if isinstance(template, str) and template and isinstance(load, dict) and kept.get("messages"):
        kept["load"] = {"chat_template": template, **load}
        del kept["instruction_template_str"]


def _bans(kept: dict[str, Any], said: dict[str, Any], unheeded: list[str]) -> None:
    """KoboldCpp's banned tokens are texts, ours are ids; and a second name has ids as "1,2"."""
    given = kept.get("banned_tokens")
    if isinstance(given, list | tuple) and any(isinstance(item, str) for item in given):
        kept["banned_tokens"] = [item for item in given if not isinstance(item, str)]
        texts = [item for item in given if isinstance(item, str) and item]
        kept["banned_strings"] = [*(kept.get("banned_strings") or ()), *texts]
    given = kept.pop("custom_token_bans", None)
    if not given:
        return
    try:
        found = ids(given)
    except Unusable:
        found = None
    known = kept.get("banned_tokens") or []
    if _are_ids(found) and isinstance(known, list | tuple):
        kept["banned_tokens"] = [*known, *found]
    else:
        unheeded.append("custom_token_bans")


def _are_ids(found: Any) -> bool:
    return isinstance(found, list | tuple) and all(type(id) is int for id in found)


def _heat(kept: dict[str, Any], said: dict[str, Any], unheeded: list[str]) -> None:
    """A range of temperatures as a middle and what it is to both sides; and "do not sample" as none."""
    low, high = kept.pop("dynatemp_low", None), kept.pop("dynatemp_high", None)
    switch = kept.pop("dynamic_temperature", None)
    if switch is False:
        said.setdefault("dynatemp_range", 0)
    if switch is True and _is_number(low) and _is_number(high) and high >= low:
        kept["temperature"] = round((low + high) / 2, 6)
        kept["dynatemp_range"] = round((high - low) / 2, 6)
    elif switch is True and "dynatemp_range" not in kept:
        unheeded.append("dynamic_temperature")
    if kept.pop("do_sample", None) is False:
        kept["temperature"] = 0


def _leave_idle(values: dict[str, Any]) -> None:
    """Front-ends send the details always, also of a sampler that they switch off in the same body. Without
    the switch they stay: whoever forgot it is told that they did nothing."""
    for detail, switches in NEEDS.items():
        said = [name for name in switches if values.get(name) is not None]
        if switches[0] in said and all(values[name] == NEUTRAL[name] for name in said):
            values.pop(detail, None)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


# ── the order of samplers ───────────────────────────────────────────────────────────────────────────────


def _order(kept: dict[str, Any], unheeded: list[str]) -> tuple[str, ...]:
    """What the body says of it under any of its names; () = nothing. An order in our own names stays."""
    last = kept.pop("temperature_last", None) is True
    named = kept.get("sampler_order")
    if isinstance(named, list) and named and all(isinstance(item, int) for item in named):
        del kept["sampler_order"]
        order, unknown = numbered(named)
        unheeded += [f"sampler_order[{number}]" for number in unknown]
    elif named:
        return ()
    else:
        order = _listed(kept, unheeded)
    return tuple(heated_last(order) if last else order)


def _listed(kept: dict[str, Any], unheeded: list[str]) -> list[str]:
    """A list of names, or one name a line. Of several lists the first counts; the others are told."""
    order: list[str] = []
    for key in LISTS:
        value = kept.pop(key, None)
        names = value.replace(",", "\n").split("\n") if isinstance(value, str) else value
        if not names:
            continue
        if order or not isinstance(names, list):
            unheeded.append(key)
            continue
        words = [name.strip() if isinstance(name, str) else f"{name}" for name in names]
        unheeded += [f"{key}[{word}]" for word in words if word and word not in STEPS]
        order = list(dict.fromkeys(step for word in words for step in STEPS.get(word, ())))
    return order


def _needed(order: Iterable[str], values: Mapping[str, Any]) -> tuple[str, ...]:
    """() where the samplers that do something run in their usual order anyway."""
    active = [step for step in SAMPLERS if _is_on(step, values)]
    named = [step for step in order if step in active]
    return tuple(order) if named + [step for step in active if step not in named] != active else ()


def _is_on(step: str, values: Mapping[str, Any]) -> bool:
    return any(values.get(name, NEUTRAL[name]) not in (off, None) for name, off in OFF[step].items())
