"""What a folder of safetensors takes on a machine, in bytes: a rough plan, and told to be one. Pure.

weights   as stored; floats of 16 bits are 32 where a processor cannot calculate with them
cache     2 × layers × KV heads × head length × bytes, for each token of each slot
compute   logits of a piece of the prompt, and what the libraries themselves take (measured: 0.5 GB)
"""

from __future__ import annotations

import dataclasses

from fabula.core.load import LoadOptions
from fabula.core.model import LocalModel
from fabula.core.plan import HOST, DevicePlan, Note, Plan, Verdict
from fabula.engine.reload import EXACT, SPEED
from fabula.models.hardware import Machine

DEFAULT_CONTEXT, SMALLEST_CONTEXT = 8192, 512  # tokens
LIBRARIES = 500 << 20  # bytes
LOGITS = 256 << 20
RESERVE = 256 << 20
TIGHT = 0.9  # of what is free
SLOTS = 2  # beginnings that are kept, where nothing else is wished
HALF, WHOLE = 2, 4  # bytes of a number
MAX_THREADS = 64
HEEDED = ("threads", "gpu_layers", "adapters", "quantize")  # of what a load can be told beside its room
SHARES = {"4bit": 0.6, "8bit": 1.1}
"""Bytes of a weight with its scales."""


def plan(model: LocalModel, machine: Machine, wished: LoadOptions) -> Plan:
    """The largest context up to the wished one that fits, on the first GPU or on the processor."""
    card = machine.gpus[0] if machine.gpus and wished.gpu_layers != 0 else None
    free = card.memory_free if card else machine.memory_available
    weights = weights_bytes(model, on_gpu=card is not None, quantize=wished.quantize)
    slots = wished.slots or SLOTS
    wanted = min(
        wished.context or DEFAULT_CONTEXT, model.trained_context or wished.context or DEFAULT_CONTEXT
    )
    largest = _largest(model, free - weights - LIBRARIES - LOGITS - RESERVE, slots)
    context = max(min(wanted, largest), min(wanted, SMALLEST_CONTEXT))
    device = DevicePlan(
        name=card.name if card else HOST,
        weights=weights,
        kv=context * slots * token_bytes(model),
        compute=LIBRARIES + LOGITS,
        reserve=RESERVE,
        available=max(free, 0),
    )
    why = "models.transformers.on_gpu" if card else "models.transformers.on_cpu"
    return Plan(
        model=model.name,
        tier="rough",
        verdict=_verdict(device),
        devices=(device,),
        context=context,
        slots=slots,
        gpu_layers=model.layers + 1 if card else 0,
        threads=wished.threads or max(1, min(machine.physical_cores - 1, MAX_THREADS)),
        kv_type="f16",
        largest_context=max(largest, 0),
        reasons=(Note(why, {"name": device.name}),),
        options=dataclasses.replace(wished, context=context, slots=slots),
        idle=tuple(name for name in (*EXACT, *SPEED) if name not in HEEDED),
    )


def weights_bytes(model: LocalModel, *, on_gpu: bool, quantize: str | None = None) -> int:
    """In memory: what is stored with 16 bits as F16 is calculated with 32 on a processor.

    What is made smaller while it is loaded keeps its embeddings, which are written twice where they are tied.
    """
    if quantize:
        embeddings = 2 * model.vocabulary * model.embedding
        rest = max(model.parameters - embeddings // 2, 0)
        return embeddings * HALF + int(rest * SHARES[quantize])
    return model.size * 2 if model.quantization == "F16" and not on_gpu else model.size


def token_bytes(model: LocalModel) -> int:
    number = WHOLE if model.quantization in ("F32", "F16") else HALF
    return model.layers * model.kv_heads * (model.key_length + model.value_length) * number


def _largest(model: LocalModel, room: int, slots: int) -> int:
    each = token_bytes(model) * slots
    most = room // each if each else DEFAULT_CONTEXT
    return min(most, model.trained_context) if model.trained_context else most


def _verdict(device: DevicePlan) -> Verdict:
    if device.total > device.available:
        return "no"
    return "tight" if device.total > TIGHT * device.available else "fits"
