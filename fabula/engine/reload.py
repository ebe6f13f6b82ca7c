"""Whether a loaded model can serve other wishes than it was loaded with, and if not, why. Pure.

Knows no engine. Most wishes never need a reload: those that change only the speed, those that the prompt
sees (a chat template), and room that is there already.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from fabula.core.load import NOTHING, LoadOptions
from fabula.core.plan import HOST, Plan
from fabula.core.texts import Phrase, phrase

ROOM = ("context", "slots")
"""Enough is enough: a smaller wish is served by what is loaded, unless a person wants less of it."""

EXACT = (
    *("kv_type", "kv_type_v", "flash_attention", "gpu_layers", "split_mode", "tensor_split"),
    *("main_gpu", "kv_offload", "moe_cpu", "rope_scaling", "rope_base", "rope_scale", "rope_original"),
    *("adapters", "pooling", "quantize"),
)
"""What changes the memory or the text."""

ON_CARDS = ("split_mode", "tensor_split", "main_gpu", "kv_offload", "moe_cpu")
"""What says nothing where all of a model lies in the machine's memory anyway."""

SPEED = ("threads", "batch", "speculation", "draft", "mmap", "mlock")
"""Worth a reload only when a person asks for the load itself."""


def reload_reason(
    plan: Plan, wished: LoadOptions, *, by_hand: bool = False, less: bool = False
) -> Phrase | None:
    """Which wish the loaded model cannot serve; None when it can serve them all. `less`: too much room is a
    reason too."""
    for name, wish in wished.said().items():
        loaded = in_force(plan, name)
        if name == "adapters":  # their scales are each request's, and need no reload
            wish, loaded = _names(wish), _names(loaded)
        if _matters(name, plan) and _differs(name, wish, loaded, by_hand, less):
            key = "models.adapter.reloaded" if name == "adapters" else "models.reload"
            return phrase(key, name=name, loaded=_shown(loaded), wanted=_shown(wish))
    return None


def unmet(plan: Plan, wished: LoadOptions) -> tuple[str, ...]:
    """The wishes that a model is used without: those that are not worth a reload, those of GPUs where none
    takes part, and more room than there could be had."""
    return tuple(
        name
        for name, wish in wished.said().items()
        if (name in (*ROOM, *SPEED) or not _matters(name, plan))
        and _differs(name, wish, in_force(plan, name), by_hand=True, less=False)
    )


def _matters(name: str, plan: Plan) -> bool:
    """Whether an option of GPUs can change anything: none took part though the plan was free to take one, or
    none was to."""
    if plan.gpu_layers or any(device.name != HOST for device in plan.devices):
        return True
    return name not in ON_CARDS and (name != "gpu_layers" or plan.options.gpu_layers == 0)


def _differs(name: str, wish: object, loaded: object, by_hand: bool, less: bool) -> bool:
    if name in ROOM:
        assert isinstance(wish, int)
        assert isinstance(loaded, int)
        return wish > loaded or (less and wish < loaded)
    if name == "gpu_layers" and wish == -1:
        return False  # the plan decided, and that is what was wished
    return (name in EXACT or (by_hand and name in SPEED)) and wish != loaded


def in_force(plan: Plan, name: str) -> object:
    """What the model is loaded with, under the name of the wish."""
    if name in ("context", "slots", "threads", "kv_type", "gpu_layers"):
        return getattr(plan, name)
    value = getattr(plan.options, name)
    if value is None:
        return plan.kv_type if name == "kv_type_v" else _NEUTRAL.get(name)
    return value


_NEUTRAL = {
    "flash_attention": "auto",
    "split_mode": "layer",
    "tensor_split": (),
    "main_gpu": 0,
    "kv_offload": True,
    "moe_cpu": 0,
    "rope_scaling": "none",
    "rope_scale": 1.0,
    "speculation": "none",
    "draft": "",
    "mmap": True,
    "mlock": False,
    "adapters": (),
}
"""What not saying anything comes to."""


def _shown(value: object) -> str:
    if isinstance(value, tuple):
        return ", ".join(f"{item}" for item in value) or "–"
    return "–" if value is None else f"{value}"


def _names(adapters: object) -> tuple[str, ...]:
    assert isinstance(adapters, tuple)
    return tuple(sorted(name for name, _ in adapters))


def together(wishes: Sequence[LoadOptions]) -> LoadOptions:
    """The first one's wishes, with room for the others too: they need no load of their own then."""
    if not wishes:
        return NOTHING
    context = max(wish.context or 0 for wish in wishes)
    slots = max(wish.slots or 0 for wish in wishes)
    return dataclasses.replace(wishes[0], context=context or None, slots=slots or None)


def beyond(wished: LoadOptions, asked: LoadOptions, *, less: bool = False) -> LoadOptions:
    """What is wished and was not asked for at the load already: what could not be had then is not now."""
    enough = () if less else ROOM
    news = {
        name: value
        for name, value in wished.said().items()
        if value != getattr(asked, name) and not (name in enough and value <= (getattr(asked, name) or 0))
    }
    return LoadOptions(**news)
