"""Whether a loaded model can serve other wishes than it was loaded with, and if not, why. Pure.

Knows no engine. A wish is compared with what is in force, however that came about: it was said, the plan
decided it, or the engine took it by itself. Most wishes never need a reload: those that change only the
speed, those that the prompt sees (a chat template), and room that is there already.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from fabula.core.load import NOTHING, LoadOptions
from fabula.core.plan import HOST, ON_CARDS, Plan
from fabula.core.texts import Phrase, phrase
from fabula.core.worker import Worker

ROOM = ("context", "slots")
"""Enough is enough: a smaller wish is served by what is loaded, unless a person wants less of it."""

EXACT = (
    *("kv_type", "kv_type_v", "flash_attention", "gpu_layers", "split_mode", "tensor_split"),
    *("main_gpu", "kv_offload", "moe_cpu", "rope_scaling", "rope_base", "rope_scale", "rope_original"),
    *("adapters", "pooling", "quantize"),
)
"""What changes the memory or the text."""

STRETCH = ("rope_scaling", "rope_scale", "rope_original")
"""What says something only together: how far positions reach past those that were trained."""

SPEED = ("threads", "batch", "speculation", "draft", "mmap", "mlock")
"""Worth a reload only when a person asks for the load itself."""


def settled_by(worker: Worker) -> LoadOptions:
    """What its engine took by itself, where it tells."""
    # Asked for by nearly every request; Python 3.11 takes long to see whether a protocol is fulfilled.
    settled: LoadOptions = getattr(worker, "settled", NOTHING)
    return settled


def reload_reason(
    plan: Plan,
    wished: LoadOptions,
    settled: LoadOptions = NOTHING,
    *,
    by_hand: bool = False,
    less: bool = False,
) -> Phrase | None:
    """Which wish the loaded model cannot serve; None when it can serve them all. `settled` is what its engine
    took where nothing was said. `less`: too much room is a reason too."""
    if wished is NOTHING:  # nearly always
        return None
    force = _InForce(plan, settled)
    for name, wish in wished.said().items():
        worth = name in (*ROOM, *EXACT) or (by_hand and name in (*SPEED, "exact"))
        if worth and force.heeds(name) and force.differs(name, wished, less=less):
            key = "models.adapter.reloaded" if name == "adapters" else "models.reload"
            return phrase(key, name=name, loaded=_shown(force.value(name)), wanted=_shown(_plain(name, wish)))
    return None


def unmet(plan: Plan, wished: LoadOptions, settled: LoadOptions = NOTHING) -> tuple[str, ...]:
    """The wishes that a model is used without: those that are not worth a reload, those that can change
    nothing, and more room than there could be had."""
    if wished is NOTHING:
        return ()
    force = _InForce(plan, settled)
    return tuple(
        name
        for name in wished.said()
        if name in (*ROOM, *SPEED) or (name in EXACT and not force.heeds(name))
        if force.differs(name, wished, less=False)
    )


@dataclasses.dataclass(frozen=True, slots=True)
class _InForce:
    """What a model is loaded with, under the names of wishes."""

    plan: Plan
    settled: LoadOptions

    def heeds(self, name: str) -> bool:
        """Whether an option can change anything: of GPUs, none took part though the plan was free to take
        one, or none was to."""
        if name in self.plan.idle:
            return False
        if self.plan.gpu_layers or any(device.name != HOST for device in self.plan.devices):
            return True
        return name not in ON_CARDS and (name != "gpu_layers" or self.plan.options.gpu_layers == 0)

    def differs(self, name: str, wished: LoadOptions, *, less: bool) -> bool:
        """A wish is met where the same was said to the engine, and where it comes to the same."""
        wish, value = _plain(name, getattr(wished, name)), self.value(name)
        if name in ROOM:
            assert isinstance(wish, int)
            assert isinstance(value, int)
            return wish > value or (less and wish < value)
        if wish in (self._said(name), value):
            return False
        if name == "gpu_layers" and self.plan.verdict != "partial" and self.plan.gpu_layers:
            assert isinstance(wish, int)
            return wish < self.plan.gpu_layers  # all are there already
        if name in STRETCH:
            return self._stretch(wished) != self._stretch(NOTHING)
        return True

    def value(self, name: str) -> object:
        if name in ("context", "slots", "threads", "kv_type", "gpu_layers"):
            return getattr(self.plan, name)
        said, settled = self._said(name), getattr(self.settled, name)
        if said is not None and said != _OPEN.get(name):
            return said
        if settled is not None:
            return settled
        return self.plan.kv_type if name == "kv_type_v" else _NEUTRAL.get(name)

    def _said(self, name: str) -> object:
        """What the engine was told; None where that is nothing, and nothing is no choice of its own."""
        value = getattr(self.plan.options, name)
        return _OPEN.get(name) if value is None else _plain(name, value)

    def _stretch(self, wished: LoadOptions) -> tuple[object, ...]:
        """What the three come to together, with these wishes. A factor of one is no stretch, and only YaRN
        asks what was trained."""
        said = self.plan.options.over(self.settled)
        kind = wished.rope_scaling or said.rope_scaling or "linear"
        factor = wished.rope_scale or said.rope_scale or 1.0
        if kind == "none" or factor == 1:
            return ()
        return (kind, factor, (wished.rope_original or said.rope_original) if kind == "yarn" else None)


_OPEN = {"flash_attention": "auto", "gpu_layers": -1}
"""What says that the engine, or the plan, is to choose."""

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
    "exact": "auto",
}
"""What not saying anything comes to."""


def _plain(name: str, value: object) -> object:
    """So that what means the same is equal: the scales of adapters are each request's and need no reload,
    shares are parts of a whole, and a load is exact or not."""
    if name == "adapters":
        return tuple(sorted(adapter for adapter, _ in value))  # type: ignore[attr-defined]
    if name == "exact":
        return "always" if value in ("always", "swap") else "auto"
    if name == "tensor_split":
        total = sum(value)  # type: ignore[call-overload]
        return tuple(share / total for share in value) if total else ()  # type: ignore[attr-defined]
    return value


def _shown(value: object) -> str:
    if isinstance(value, tuple):
        return ", ".join(f"{item}" for item in value) or "–"
    return "–" if value is None else f"{value}"


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
