"""Bodies of /generate into turn requests. Knows nothing of how answers look.

Source: KoboldCpp's API documentation, and what KoboldAI Lite and SillyTavern send. Fields of `Sampling` are
accepted under their own names too. Whatever is neither is listed as ignored, never dropped in silence.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fabula.core.errors import BadParameter
from fabula.core.load import wish_of
from fabula.core.sampling import Sampling
from fabula.core.texts import phrase
from fabula.server.asking import SAMPLING_FIELDS, Ask, by_names_sent, named
from fabula.server.bodies import MAX_IMAGES, get, image_of, joined, plain, unknown
from fabula.server.kobold.placeholders import Tags, replaced, stopped
from fabula.server.wire_names import FOREIGN, LENGTHS, limit_of, translated

DEFAULT_LENGTH = 768  # tokens of a reply whose length nobody says, as KoboldCpp has it
MOST_STOPS, MOST_BIASES, MOST_BIAS = 256, 512, 100.0
MOST_CHOICES = 16
LIKELIEST = 5
PENALTIES = ("rep_pen", "repetition_penalty", "repeat_penalty")
NO_END = ("use_default_badwordsids", "ban_eos_token", "ignore_eos", "bypass_eos")

HANDLED = frozenset(
    {"prompt", "memory", "images", "genkey", "n", "stop_sequence", "stop", "trim_stop", "logprobs"}
    | {"replace_instruct_placeholders", "singleline", "logit_bias", "sampler_seed", "seed", "quiet"}
    | {*PENALTIES, *NO_END, *LENGTHS}
    | {"load", "keep_alive"}  # ours
)
KNOWN = HANDLED | SAMPLING_FIELDS
WORDS = {name: field for name, (field, _) in FOREIGN.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish(Ask):
    """A parsed body, and how to answer. `key` is by what the client polls and stops it."""

    key: str = ""
    trims_stop: bool = True
    wants_logprobs: bool = False


@by_names_sent(WORDS)
def generate(body: dict[str, Any], tags: Tags | None = None, *, stream: bool = False) -> Wish:
    """`tags` replace instruct placeholders. Raises BadParameter."""
    tags = tags or {}
    memory = replaced(plain(get(body, "memory", str, ""), "memory"), tags, begins=True)
    prompt = plain(_prompt(body), "prompt")
    text, images = joined([*_images(body), replaced(prompt, tags, begins=not memory)], "images")
    values, unheeded = translated(_without(body))
    wants_logprobs = get(body, "logprobs", bool, False)
    notes = [*unheeded]
    sampling = named(values, {})
    sampling |= _stops(body, tags, notes) | _ends(body, notes) | _bias(body, notes)
    sampling |= _seed(body) | ({"logprobs": LIKELIEST} if wants_logprobs else {})
    choices = _choices(body, stream, notes)
    return Wish(
        model="",
        sampling=Sampling.of({"max_tokens": DEFAULT_LENGTH} | sampling),
        prompts=((text,),),
        choices=choices,
        stream=stream,
        ignored=(*notes, *unknown(values, KNOWN)),
        turn={
            "overflow": "cut",
            "limit": limit_of(body),
            "head": memory,
            "images": images,
            "reasoning_format": "none",
            "wish": wish_of(get(body, "load", dict, {}), body.get("keep_alive")),
        },
        key=genkey(body),
        trims_stop=get(body, "trim_stop", bool, True),
        wants_logprobs=wants_logprobs,
    )


def genkey(body: dict[str, Any]) -> str:
    return str(get(body, "genkey", str, ""))


def _prompt(body: dict[str, Any]) -> str:
    if not isinstance(body.get("prompt"), str):
        raise BadParameter("prompt", f"{body.get('prompt')!r}"[:80], phrase("expected.text"))
    return str(body["prompt"])


def _without(body: dict[str, Any]) -> dict[str, Any]:
    """What `translated` is to read: the rest means something of its own here. A window of 0 is 1 token, as
    KoboldCpp has it."""
    rest = {name: value for name, value in body.items() if name not in HANDLED}
    if rest.get("rep_pen_range") == 0:
        rest["rep_pen_range"] = 1
    return rest | _penalty(body)


def _images(body: dict[str, Any]) -> list[bytes]:
    """Files as base64, with or without the beginning of a data: address."""
    rows = get(body, "images", list, [])
    if len(rows) > MAX_IMAGES:
        raise BadParameter("images", f"{len(rows)}", phrase("expected.images", most=MAX_IMAGES))
    return [image_of(_coded(row), f"images[{index}]") for index, row in enumerate(rows)]


def _coded(row: Any) -> Any:
    return row.partition(",")[2] if isinstance(row, str) and row.startswith("data:") else row


def _choices(body: dict[str, Any], stream: bool, notes: list[str]) -> int:
    choices = int(get(body, "n", int, 1))
    if not 1 <= choices <= MOST_CHOICES:
        raise BadParameter("n", f"{choices}", phrase("expected.whole_range", low=1, high=MOST_CHOICES))
    if stream and choices > 1:  # pieces of a stream do not say of which reply they are
        notes.append("n")
        return 1
    return choices


def _stops(body: dict[str, Any], tags: Tags, notes: list[str]) -> dict[str, Any]:
    given = body.get("stop_sequence") or body.get("stop") or []
    if isinstance(given, str):
        given = [given]
    if not isinstance(given, list) or not all(isinstance(stop, str) for stop in given):
        raise BadParameter("stop_sequence", f"{given!r}"[:80], phrase("expected.texts"))
    stops = [stopped(stop, tags) for stop in given]
    if get(body, "singleline", bool, False):
        stops.append("\n")
    if len(stops) > MOST_STOPS:
        notes.append(f"stop_sequence[{MOST_STOPS}…]")
    found = list(dict.fromkeys(filter(None, stops)))[:MOST_STOPS]
    return {"stop": found} if found else {}


def _penalty(body: dict[str, Any]) -> dict[str, Any]:
    """The largest of its three names."""
    given = [get(body, name, float, None) for name in PENALTIES]
    found = [penalty for penalty in given if penalty is not None]
    return {"repetition_penalty": max(found)} if found else {}


def _ends(body: dict[str, Any], notes: list[str]) -> dict[str, Any]:
    """To write on behind the model's end token is nearest to writing none."""
    asked = [name for name in NO_END if get(body, name, bool, False)]
    if "bypass_eos" in asked:
        notes.append("bypass_eos (as ignore_eos)")
    return {"ignore_eos": True} if asked else {}


def _bias(body: dict[str, Any], notes: list[str]) -> dict[str, Any]:
    given = get(body, "logit_bias", dict, {})
    try:
        pairs = [(int(id), _clamped(float(amount))) for id, amount in given.items()]
    except (TypeError, ValueError) as wrong:
        raise BadParameter("logit_bias", f"{given!r}"[:80], phrase("expected.bias")) from wrong
    if len(pairs) > MOST_BIASES:
        notes.append(f"logit_bias[{MOST_BIASES}…]")
    return {"logit_bias": pairs[:MOST_BIASES]} if pairs else {}


def _clamped(amount: float) -> float:
    return max(-MOST_BIAS, min(amount, MOST_BIAS))


def _seed(body: dict[str, Any]) -> dict[str, Any]:
    """0 and what is below are random."""
    given = [get(body, name, int, 0) for name in ("sampler_seed", "seed")]
    found = [seed for seed in given if seed > 0]
    return named({"seed": found[0]}, {}) if found else {}
