"""Bodies of /completion and /infill into turn requests. Knows nothing of how answers look.

Source: the README of llama.cpp's server. Fields of `Sampling` are accepted at the top level too. Whatever is
neither is listed as ignored, never dropped in silence.
"""

from __future__ import annotations

import dataclasses
import itertools
import secrets
from collections.abc import Container, Mapping
from dataclasses import dataclass
from typing import Any

from fabula.core.errors import BadParameter
from fabula.core.load import wish_of
from fabula.core.loose import is_number
from fabula.core.model import LocalModel
from fabula.core.sampling import Sampling
from fabula.core.texts import phrase
from fabula.core.worker import Pieces
from fabula.server.asking import SAMPLING_FIELDS, Ask, named, sampling_of
from fabula.server.bodies import get, image_of, joined, plain, unknown
from fabula.server.llamacpp.names import ALIASES, SPECIAL, biases, chain, is_said_twice
from fabula.server.wire_names import asks_nothing

MARKER = f"<__media_{secrets.token_urlsafe(24)}__>"
"""Stands in a prompt where an image is; another one after each start, so that no text holds it by chance."""
MAX_PROMPTS = 16
GAP = ("input_prefix", "input_suffix", "input_extra")
SNIPPET = "--- snippet ---\n\n"  # llama.cpp's heading of a text beside the file, for all models alike

HANDLED = frozenset(
    {"prompt", "model", "stream", "samplers", "logit_bias", "lora", "response_fields", "n_keep"}
    | {"return_progress", "return_tokens", "timings_per_token", "t_max_predict_ms"}
    | {"load", "keep_alive"}  # ours
)
NEUTRAL: dict[str, tuple[Any, ...]] = {
    # values of unsupported fields that ask for nothing, so that ignoring them ignores nothing
    "cache_prompt": (True,),
    "id_slot": (-1,),
    "slot_id": (-1,),
    "post_sampling_probs": (False,),
    "min_keep": (0,),
    "n_discard": (0,),
    "n_indent": (0,),
    "n_cache_reuse": (0,),
    "t_max_prompt_ms": (0, -1),
    "grammar_lazy": (False,),
    "grammar_triggers": ([],),
    "preserved_tokens": ([],),
    "backend_sampling": (False,),
    "reasoning_format": ("none", "auto"),
}
KNOWN = HANDLED | SAMPLING_FIELDS | ALIASES.keys()


@dataclass(frozen=True, slots=True)
class Given:
    """One prompt: as it was asked, and as the turn takes it."""

    asked: Any
    pieces: Pieces
    images: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish(Ask):
    """A parsed body: what to generate and how to answer. `biased` are texts whose tokens are to be biased,
    `lora` the scales of adapters by their number."""

    given: tuple[Given, ...]
    biased: tuple[tuple[str, float], ...] = ()
    lora: tuple[tuple[int, float], ...] | None = None
    writes: bool = True  # False: the prompt is read, and nothing of the reply is told
    limit_ms: float = 0.0  # of writing, once there was a line; 0 = none
    fields: tuple[str, ...] = ()  # of the answer; () = all
    with_progress: bool = False
    with_tokens: bool = False
    with_timings: bool = False


def completion(body: dict[str, Any]) -> Wish:
    """Raises BadParameter."""
    return _wish(body, _prompts(body.get("prompt")), _ignored(body, KNOWN))


def infill(body: dict[str, Any], model: LocalModel) -> Wish:
    """The text between `input_prefix` and `input_suffix`; `prompt` is how it begins."""
    before, middle, behind = model.infill
    prefix, suffix = get(body, "input_prefix", str, ""), get(body, "input_suffix", str, "")
    beside, begun = _extra(get(body, "input_extra", list, [])), get(body, "prompt", str, "")
    texts = [plain(text, "input_prefix") for text in (beside, prefix, suffix, begun)]
    ready: Pieces = (texts[0], (before,), texts[1], (middle,), texts[2], (behind,), texts[3])
    # The empty text at the start is where the engine puts the model's own first token, if it has one.
    pieces = ("", *(piece for piece in ready if piece))
    wish = _wish(body, (Given(begun, pieces),), _ignored(body, KNOWN | set(GAP)))
    return dataclasses.replace(wish, turn={**wish.turn, "literal": True})


def _ignored(body: Mapping[str, Any], known: Container[str]) -> tuple[str, ...]:
    names = unknown(body, known, NEUTRAL)
    return tuple(
        name
        for name in names
        if not (asks_nothing(name, body[name]) or is_said_twice(name, body[name], body))
    )


def _extra(rows: list[Any]) -> str:
    """Other files, in front of this one."""
    texts = []
    for index, row in enumerate(rows):
        if not isinstance(row, dict) or not isinstance(row.get("text"), str):
            where = f"input_extra[{index}]"
            raise BadParameter(where, f"{row!r}"[:80], phrase("expected.extra_file"))
        name = get(row, "filename", str, "")
        texts.append(f"{SNIPPET}{name}\n{row['text']}\n" if name else f"{SNIPPET}{row['text']}\n")
    return "".join(texts)


def _wish(body: dict[str, Any], given: tuple[Given, ...], ignored: tuple[str, ...]) -> Wish:
    ids, texts = biases(body.get("logit_bias"))
    sampling, lost = _sampling(body, ids)
    return Wish(
        model=get(body, "model", str, ""),
        sampling=sampling,
        stream=get(body, "stream", bool, False),
        ignored=(*ignored, *lost),
        turn={"wish": wish_of(get(body, "load", dict, {}), body.get("keep_alive"))},
        given=given,
        biased=tuple(texts),
        lora=_lora(body.get("lora")),
        writes=body.get("n_predict", body.get("max_tokens")) != 0,
        limit_ms=max(get(body, "t_max_predict_ms", float, 0.0), 0.0),
        fields=tuple(f"{name}" for name in get(body, "response_fields", list, [])),
        with_progress=get(body, "return_progress", bool, False),
        with_tokens=get(body, "return_tokens", bool, False),
        with_timings=get(body, "timings_per_token", bool, False),
    )


def _sampling(body: Mapping[str, Any], bias: list[tuple[int, float]]) -> tuple[Sampling, tuple[str, ...]]:
    """With what a list of samplers switches off, and the fields that were asked for and so do nothing."""
    overruled: list[str] = []
    values = named(body, ALIASES, not_ours=HANDLED, special=SPECIAL, overruled=overruled)
    if bias:
        values["logit_bias"] = bias
    asked = chain(body.get("samplers"))
    if asked is None:
        return sampling_of(values, body, ALIASES), tuple(overruled)
    lost = tuple(name for name in body if _is_lost(body, name, asked.off))
    strange = tuple(f"samplers.{name}" for name in asked.unknown)
    values |= {**asked.off, "sampler_order": asked.order}
    return sampling_of(values, body, ALIASES), (*overruled, *lost, *strange)


def _is_lost(body: Mapping[str, Any], name: str, off: Mapping[str, Any]) -> bool:
    """Whether the field asks for something that is switched off."""
    field = ALIASES.get(name, name)
    if field not in off:
        return False
    value = SPECIAL[field](body[name]) if field in SPECIAL else body[name]
    return value is not None and bool(value != off[field])


def _lora(value: Any) -> tuple[tuple[int, float], ...] | None:
    if value is None:
        return None
    return lora_rows(value, "lora")


def lora_rows(value: Any, where: str) -> tuple[tuple[int, float], ...]:
    """From [{id, scale}]. Raises BadParameter."""
    if not isinstance(value, list) or not all(_is_lora(row) for row in value):
        raise BadParameter(where, f"{value!r}"[:80], phrase("expected.lora_rows"))
    return tuple((row["id"], float(row["scale"])) for row in value)


def _is_lora(row: Any) -> bool:
    if not isinstance(row, dict):
        return False
    id, scale = row.get("id"), row.get("scale")
    return type(id) is int and id >= 0 and is_number(scale)


def scaled(lora: tuple[tuple[int, float], ...], names: tuple[str, ...], where: str) -> dict[str, float]:
    """The scale of every adapter; those that are not listed are off. Raises BadParameter."""
    if wrong := [id for id, _ in lora if id >= len(names)]:
        expected = phrase(
            "expected.lora_ids", names=", ".join(f"{i} = {n}" for i, n in enumerate(names)) or "–"
        )
        raise BadParameter(where, f"{wrong[0]}", expected)
    scales = dict(lora)
    return {name: scales.get(number, 0.0) for number, name in enumerate(names)}


def settled(wish: Wish, more_bias: list[tuple[int, float]], adapters: Mapping[str, float]) -> Wish:
    """With what only the model knows: the tokens of biased texts, and the names of adapters."""
    sampling = wish.sampling
    if more_bias:
        sampling = dataclasses.replace(sampling, logit_bias=(*sampling.logit_bias, *more_bias))
    if adapters:
        sampling = dataclasses.replace(sampling, adapters=tuple(adapters.items()))
    return dataclasses.replace(wish, sampling=sampling)


# ── prompts ─────────────────────────────────────────────────────────────────────────────────────────


def _prompts(value: Any) -> tuple[Given, ...]:
    """One prompt as text, ids, texts between ids or an object; or a list of those."""
    if isinstance(value, list) and not any(type(item) is int for item in value):
        if not 0 < len(value) <= MAX_PROMPTS:
            raise _wrong_prompt(value)
        return tuple(_prompt(item, f"prompt[{index}]") for index, item in enumerate(value))
    return (_prompt(value, "prompt"),)


def _prompt(value: Any, where: str) -> Given:
    if isinstance(value, str):
        return Given(value, (plain(value, where),))
    if isinstance(value, list) and value:
        return Given(value, pieces_of(value, where))
    if isinstance(value, dict) and isinstance(value.get("prompt_string"), str):
        return _seen(value, where)
    raise _wrong_prompt(value)


def pieces_of(parts: list[Any], where: str) -> Pieces:
    """Texts and ids as they follow each other. Raises BadParameter."""
    if not all(isinstance(part, str) or (type(part) is int and part >= 0) for part in parts):
        raise BadParameter(where, f"{parts!r}"[:80], phrase("expected.mixed"))
    pieces: list[str | tuple[int, ...]] = []
    for is_text, found in itertools.groupby(parts, lambda part: isinstance(part, str)):
        run = tuple(found)
        pieces += [plain(text, where) for text in run] if is_text else [run]
    return tuple(pieces)


def _seen(value: dict[str, Any], where: str) -> Given:
    """A text with a marker for each image."""
    text = plain(value["prompt_string"], where)
    files = get(value, "multimodal_data", list, [])
    texts = text.split(MARKER)
    if len(texts) != len(files) + 1:
        expected = phrase("expected.as_many_markers", marker=MARKER, images=len(files))
        raise BadParameter(f"{where}.multimodal_data", f"{len(texts) - 1}", expected)
    images = [image_of(file, f"{where}.multimodal_data[{index}]") for index, file in enumerate(files)]
    parts: list[str | bytes] = [texts[0]]
    for image, behind in zip(images, texts[1:], strict=True):
        parts += [image, behind]
    whole, kept = joined(parts, where)
    return Given(text, (whole,), kept)


def _wrong_prompt(value: Any) -> BadParameter:
    return BadParameter("prompt", f"{value!r}"[:80], phrase("expected.prompt", most=MAX_PROMPTS))
