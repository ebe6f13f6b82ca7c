"""What the engine would allocate, in bytes: weights, caches and working memory, host and device. Pure.

Weights and caches are exact. The working memory is that of the engine's allocator within about a percent of
the whole; where only some layers are on the device, those of the host go through it batch by batch, and how
much of that shares its place is known only roughly.
"""

from __future__ import annotations

from dataclasses import dataclass

from fabula.models.fit import compute
from fabula.models.fit.anatomy import Anatomy
from fabula.models.fit.cache import Load, caches
from fabula.models.fit.constants import Constants, constants


@dataclass(frozen=True, slots=True, kw_only=True)
class Breakdown:
    """The columns of the engine's own plan."""

    host_model: int
    host_context: int
    host_compute: int
    device_model: int = 0
    device_context: int = 0
    device_compute: int = 0
    rough: bool = False  # the working memory may be far off

    @property
    def host(self) -> int:
        return self.host_model + self.host_context + self.host_compute

    @property
    def device(self) -> int:
        return self.device_model + self.device_context + self.device_compute


def breakdown(model: Anatomy, load: Load, known: Constants | None = None) -> Breakdown:
    """One device takes the last `load.gpu_layers` layers, the output first."""
    known = known or constants()
    each = caches(model, load)
    host, device = weights(model, load)
    if not load.gpu_layers:
        working = compute.on_processor(model, load, known)
        return Breakdown(host_model=host, host_context=sum(each), host_compute=working)
    first = first_on_device(model, load)
    moved = sum(each[first:]) if load.kv_offload else 0
    return Breakdown(
        host_model=host,
        host_context=sum(each) - moved,
        host_compute=compute.beside_device(model, load, known),
        device_model=device,
        device_context=moved,
        device_compute=_device_compute(model, load, first, each, known),
        rough=first == len(model.layers),
    )


def first_on_device(model: Anatomy, load: Load) -> int:
    """The first layer on the device; as many as there are when only the output is there, or nothing."""
    if not load.gpu_layers:
        return len(model.layers)
    all_layers = len(model.layers) + model.unused_layers
    return min(max(all_layers + 1 - load.gpu_layers, 0), len(model.layers))


def weights(model: Anatomy, load: Load) -> tuple[int, int]:
    """(host, device)"""
    before, before_on_device, _ = model.summed
    if not load.gpu_layers:
        return before[-1] + model.inputs + model.output_on_host + model.tables_on_host, 0
    first = first_on_device(model, load)
    kept = _kept_experts(model, load, first)
    host = before[first] + kept + model.inputs
    device = before_on_device[-1] - before_on_device[first] - kept
    device += model.output + (model.embeddings if model.tied else 0)
    device += model.shared_tables if first < len(model.layers) else 0
    return host + (model.tables_on_host if first else 0), device


def _kept_experts(model: Anatomy, load: Load, first: int) -> int:
    experts = model.summed[2]
    count = len(model.layers)
    kept = count if load.experts_on_host < 0 else min(load.experts_on_host, count)
    return max(experts[kept] - experts[first], 0)


def _device_compute(model: Anatomy, load: Load, first: int, each: list[int], known: Constants) -> int:
    """What stays on the host goes through the device batch by batch."""
    kept = model.layers[: max(first, load.experts_on_host)] if load.experts_on_host >= 0 else model.layers
    tensor = max((layer.largest for layer in kept), default=0)
    cache = max(each[:first] if load.kv_offload else each, default=0)
    if not tensor and not cache:
        return compute.on_device(model, load, known)
    whole = compute.fed(model, load, known) if tensor else compute.on_device(model, load, known)
    most = max(whole + tensor, compute.streaming(model, load, known) + cache)
    mixed = 0 < first < len(model.layers)
    share = known.overlap if mixed else known.overlap_at_the_ends
    return most + int(share * (whole + tensor + cache - most))
