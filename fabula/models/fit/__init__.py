"""Plan how a model is loaded on a machine: context, slots, threads, memory. Asks no engine: a rough estimate.

    memory = weights + KV + compute + output + reserve

- weights: the file's size. On processors the engine keeps a repacked copy of some types, whose originals
  are then cold pages of the mapped file: what must stay in memory is about one file.
- KV, exact for models with full attention in every layer:
  cells × kv_heads × (key_length × bytes_K + value_length × bytes_V) × layers, cells padded to 256 per slot.
  For sliding-window, latent and recurrent models it is an upper bound, and the plan says so.
- compute and reserve follow what xllamacpp 2026.10.11549 logged for the 135M starter with flash attention at
  contexts of 512, 2,048, 8,192 and 32,768: compute 15.1, 16.6, 22.6 and 46.6 MiB, and after loading 55 MiB
  above weights + KV + compute (within 15 % up to 8,192, 5 % above). Compute grows by 2 bytes × micro-batch
  per cell; its constant part is 4 bytes × micro-batch × (4 d + 3 f), the feed-forward width f taken as 4 d.

Against the engine's own plans of 18 full-attention models on the processor (396 rows, micro-batch 512):
weights and KV exact, the sum without the reserve within 1 %.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Self

from fabula.core.load import NOTHING, LoadOptions
from fabula.core.model import LocalModel
from fabula.core.plan import HOST, DevicePlan, Held, Note, Plan, Verdict
from fabula.models.formats.types import KV_BYTES
from fabula.models.gpus import Gpu, named
from fabula.models.hardware import Machine

CELL_PADDING = 256
MICRO_BATCH = 512  # tokens
DEFAULT_CONTEXT = 8192  # tokens
SMALLEST_CONTEXT = 512  # tokens; the engine aborts on absurdly small ones
SLOTS = 4
SLOTS_SHARE = 1 / 16  # of available memory that the KV of several slots may take
RESERVE = 55 << 20  # bytes of the engine's process beside its buffers
GPU_RESERVE = 600 << 20  # bytes of a GPU's context, kernels and screen
TIGHT = 0.9  # of available memory; above it a plan is tight
PROMPT_CACHE = 1 << 30  # bytes at most
PROMPT_CACHE_SHARE = 0.05  # of available memory at most
UNKNOWN_KV = 1 / 40_000  # of the weights, per token, where a header does not tell its layers

UPPER_BOUND = (
    "gemma2",
    "gemma3",
    "gemma3n",
    "gemma4",
    "gpt-oss",
    "deepseek2",
    "mamba",
    "mamba2",
    "lfm2",
    "jamba",
)
"""Architectures whose cache is smaller than that of full attention in every layer."""

EXPERTS_SHARE = 0.9  # of the weights of a model that has experts; a rough figure


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a person set. 0 leaves context, slots and threads to the plan, −1 the GPU layers (0 = none)."""

    context: int = 0
    slots: int = 0
    threads: int = 0
    kv_type: str = "f16"
    gpu_layers: int = -1
    options: LoadOptions = NOTHING  # of these, `slots` to `gpu_layers` are overruled by the fields above

    @classmethod
    def of(cls, options: LoadOptions) -> Self:
        """What load options say; what they leave open is left to the plan."""
        return cls(
            context=options.context or 0,
            slots=options.slots or 0,
            threads=options.threads or 0,
            kv_type=options.kv_type or "f16",
            gpu_layers=-1 if options.gpu_layers is None else options.gpu_layers,
            options=options,
        )

    @property
    def batch(self) -> int:
        return self.options.batch or MICRO_BATCH

    @property
    def kv_types(self) -> str:
        """As `kv_bytes` takes them."""
        values = self.options.kv_type_v
        return f"{self.kv_type}/{values}" if values else self.kv_type

    @property
    def kv_offload(self) -> bool:
        return self.options.kv_offload is not False


def plan(model: LocalModel, machine: Machine, wanted: Wanted | None = None, gpu: bool = False) -> Plan:
    """How `model` would be loaded. `gpu` says whether the installed engine can use the machine's GPUs.

    Never raises: what cannot work has the verdict "no" and the reason beside it.
    """
    wanted = wanted or Wanted()
    cards = _cards(machine, wanted.options) if gpu and wanted.gpu_layers != 0 else ()
    available = _room(machine, cards)
    context, reasons = _context(model, wanted, available)
    slots = wanted.slots or _slots(model, context, wanted.kv_types, available)
    layers = _gpu_layers(model, wanted, cards, context, slots)
    devices = _devices(model, machine, cards, layers, context, slots, wanted)
    verdict = _verdict(model, devices, layers)
    used = sum(device.total for device in devices)
    return Plan(
        model=model.name,
        tier="rough",
        verdict=verdict,
        devices=devices,
        context=context,
        slots=slots,
        gpu_layers=layers,
        threads=wanted.threads or max(1, machine.cores - 1),
        kv_type=wanted.kv_type,
        prompt_cache=_prompt_cache(machine.memory_available, devices[0].total),
        largest_context=_largest(model, wanted.kv_types, slots, available),
        reasons=(*reasons, *_why(verdict, used, available, model, layers, cards)),
        warnings=(*_rope_warnings(model, context), *_warnings(model, machine, gpu)),
        options=_decided(model, wanted.options, context),
    )


def left(machine: Machine, held: Held, limit: int = 0) -> Machine:
    """The machine as a further model finds it. `limit` bounds what all models take of its memory; 0 = all."""
    free = machine.memory_available - held.claimed.get(HOST, 0)
    if limit:
        free = min(free, limit - held.taken)
    gpus = (
        replace(gpu, memory_free=min(gpu.memory_free - held.claimed.get(name, 0), gpu.memory))
        for name, gpu in named(machine.gpus)
    )
    return replace(machine, memory_available=max(free, 0), gpus=tuple(gpus))


# ── the parts of the sum ────────────────────────────────────────────────────────────────────────────


def kv_bytes(model: LocalModel, context: int, slots: int = 1, kv_type: str = "f16") -> int:
    """The KV cache of `slots` slots of `context` tokens each; "q8_0/q4_0" = of keys and of values."""
    cells = slots * _padded(context)
    if not _shape_known(model):
        return math.ceil(cells * model.size * UNKNOWN_KV)
    keys, _, values = kv_type.partition("/")
    width = model.key_length * KV_BYTES[keys] + model.value_length * KV_BYTES[values or keys]
    return math.ceil(cells * model.kv_heads * width * model.layers)


def compute_bytes(model: LocalModel, context: int, slots: int = 1, batch: int = MICRO_BATCH) -> int:
    """The working memory of one batch."""
    mask = 2 * batch * slots * _padded(context)
    return mask + 4 * batch * 16 * model.embedding


def needed_bytes(model: LocalModel, context: int, slots: int = 1, kv_type: str = "f16") -> int:
    """All memory that the model takes when it runs on one device."""
    kv, compute = kv_bytes(model, context, slots, kv_type), compute_bytes(model, context, slots)
    return model.size + kv + compute + _output(model, slots) + RESERVE


def _output(model: LocalModel, slots: int) -> int:
    return 4 * model.vocabulary * slots  # one row of logits per slot


def _padded(context: int) -> int:
    return -(-context // CELL_PADDING) * CELL_PADDING


def _shape_known(model: LocalModel) -> bool:
    return bool(model.layers and model.kv_heads and model.key_length)


# ── choices ─────────────────────────────────────────────────────────────────────────────────────────


def _room(machine: Machine, cards: tuple[Gpu, ...]) -> int:
    """Memory that a model may take on all devices together."""
    separate = sum(max(card.memory_free - GPU_RESERVE, 0) for card in cards if not card.unified)
    return machine.memory_available + separate


def _context(model: LocalModel, wanted: Wanted, available: int) -> tuple[int, list[Note]]:
    """Tokens per slot. A wish is lowered where it needs YaRN and may not have it, a default to what fits.

    Linear scaling is no help: the engine's server cuts each slot to the trained length with it.
    """
    trained = model.trained_context or wanted.context or DEFAULT_CONTEXT
    if wanted.context:
        if wanted.context <= trained or wanted.options.rope_scaling in (None, "yarn"):
            return max(wanted.context, CELL_PADDING), []  # the engine pads to that anyway
        return trained, [Note("models.fit.context_trained", {"wanted": wanted.context, "context": trained})]
    usual = min(trained, DEFAULT_CONTEXT)
    fitting = _largest(model, wanted.kv_types, 1, int(available * TIGHT))
    if fitting >= usual:
        return usual, []
    context = max(fitting, min(SMALLEST_CONTEXT, usual))
    return context, [Note("models.fit.context_lowered", {"wanted": usual, "context": context})]


def _slots(model: LocalModel, context: int, kv_type: str, available: int) -> int:
    """Several chats at a time, where their memory is small change."""
    cheap = kv_bytes(model, context, SLOTS, kv_type) <= available * SLOTS_SHARE
    return SLOTS if cheap and needed_bytes(model, context, SLOTS, kv_type) <= available * TIGHT else 1


def _largest(model: LocalModel, kv_type: str, slots: int, available: int) -> int:
    """The largest context per slot that fits, in steps of the padding; 0 when not even the weights do."""
    trained = model.trained_context or DEFAULT_CONTEXT
    low, high = 0, -(-trained // CELL_PADDING)
    while low < high:
        middle = (low + high + 1) // 2
        fits = needed_bytes(model, middle * CELL_PADDING, slots, kv_type) <= available
        low, high = (middle, high) if fits else (low, middle - 1)
    return min(low * CELL_PADDING, trained)


def _gpu_layers(model: LocalModel, wanted: Wanted, cards: tuple[Gpu, ...], context: int, slots: int) -> int:
    """How many layers the GPUs hold, the output layer counted as one. 0 without a GPU."""
    everything = model.layers + 1
    if not cards:
        return 0
    if wanted.gpu_layers > 0:
        return min(wanted.gpu_layers, everything)
    compute = compute_bytes(model, context, slots) + _output(model, slots)
    free = sum(max(card.memory_free - GPU_RESERVE - compute, 0) for card in cards)
    kv = kv_bytes(model, context, slots, wanted.kv_types) if wanted.kv_offload else 0
    per_layer = (model.size * (1 - _experts_kept(model, wanted)) + kv) / everything
    return min(everything, int(free / per_layer)) if per_layer else 0


def _experts_kept(model: LocalModel, wanted: Wanted) -> float:
    """The share of the weights that stays in the machine's memory as experts."""
    kept = wanted.options.moe_cpu or 0
    if not model.experts or not kept:
        return 0.0
    return EXPERTS_SHARE * (1.0 if kept < 0 else min(kept / max(model.layers, 1), 1.0))


def _cards(machine: Machine, options: LoadOptions) -> tuple[Gpu, ...]:
    """The GPUs that take part, each under a name of its own."""
    cards = tuple(replace(gpu, name=name) for name, gpu in named(machine.gpus))
    if options.split_mode == "none":
        return cards[options.main_gpu or 0 :][:1]
    return cards


def _shares(cards: tuple[Gpu, ...], options: LoadOptions) -> list[float]:
    """Each card's part of what the cards hold: as it was wished, else by free memory."""
    wished = list(options.tensor_split or ())
    total = sum(wished)
    if len(wished) == len(cards) and total:
        return [part / total for part in wished]
    free = sum(card.memory_free for card in cards) or 1
    return [card.memory_free / free for card in cards]


def _prompt_cache(available: int, used: int) -> int:
    return max(0, min(PROMPT_CACHE, int(available * PROMPT_CACHE_SHARE), available - used))


# ── devices and verdict ─────────────────────────────────────────────────────────────────────────────


def _devices(
    model: LocalModel,
    machine: Machine,
    cards: tuple[Gpu, ...],
    layers: int,
    context: int,
    slots: int,
    wanted: Wanted,
) -> tuple[DevicePlan, ...]:
    """The host's memory first, then each GPU with its share by free memory."""
    whole = DevicePlan(
        name=HOST,
        weights=model.size,
        kv=kv_bytes(model, context, slots, wanted.kv_types),
        compute=compute_bytes(model, context, slots, wanted.batch),
        output=_output(model, slots),
        reserve=RESERVE,
        available=machine.memory_available,
    )
    moved = layers / (model.layers + 1)
    if not moved:
        return (whole,)
    portable = replace(
        whole,
        weights=int(whole.weights * (1 - _experts_kept(model, wanted))),
        kv=whole.kv if wanted.kv_offload else 0,
    )
    shares = zip(cards, _shares(cards, wanted.options), strict=True)
    on_cards = tuple(_on_card(portable, card, moved * share) for card, share in shares)
    taken = sum(device.total for device in on_cards if cards[0].unified)
    host = replace(
        whole,
        weights=whole.weights - sum(device.weights for device in on_cards),
        kv=whole.kv - sum(device.kv for device in on_cards),
        available=max(whole.available - taken, 0),
    )
    return (host, *on_cards)


def _on_card(whole: DevicePlan, card: Gpu, share: float) -> DevicePlan:
    return DevicePlan(
        name=card.name,
        weights=int(whole.weights * share),
        kv=int(whole.kv * share),
        compute=whole.compute,
        output=whole.output,
        reserve=0 if card.unified else GPU_RESERVE,
        available=card.memory_free,
    )


def _verdict(model: LocalModel, devices: tuple[DevicePlan, ...], layers: int) -> Verdict:
    if model.problem or any(device.total > device.available for device in devices):
        return "no"
    if 0 < layers <= model.layers:
        return "partial"
    tight = any(device.total > device.available * TIGHT for device in devices)
    return "tight" if tight else "fits"


def _why(
    verdict: Verdict, used: int, available: int, model: LocalModel, layers: int, cards: tuple[Gpu, ...]
) -> list[Note]:
    sums = {"needed": used, "available": available}
    if model.problem:
        return [
            Note("models.fit.unusable"),
            Note(model.problem, {"name": model.name, "file": model.path.name}),
        ]
    if verdict == "no":
        return [Note("models.fit.too_big", sums)]
    if verdict == "tight":
        return [Note("models.fit.tight", sums)]
    if verdict == "partial":
        split = {"layers": layers, "all": model.layers + 1, "gpu": cards[0].name}
        return [Note("models.fit.partial", split)]
    return []


def _decided(model: LocalModel, options: LoadOptions, context: int) -> LoadOptions:
    """What the engine is told beside the plan's own fields: YaRN is set where the context needs it."""
    if not _stretched(model, context):
        return options
    return replace(
        options,
        rope_scaling="yarn",
        rope_scale=options.rope_scale or context / model.trained_context,
        rope_original=options.rope_original or model.trained_context,
    )


def _stretched(model: LocalModel, context: int) -> bool:
    return 0 < model.trained_context < context and context > CELL_PADDING


def _rope_warnings(model: LocalModel, context: int) -> list[Note]:
    if not _stretched(model, context):
        return []
    trained = model.trained_context
    return [
        Note("models.fit.stretched", {"context": context, "trained": trained, "times": context / trained})
    ]


def _warnings(model: LocalModel, machine: Machine, gpu: bool) -> list[Note]:
    warnings = []
    if machine.gpus and not gpu:
        warnings.append(Note("models.fit.gpu_unused", {"gpu": machine.gpus[0].name}))
    if model.architecture in UPPER_BOUND:
        warnings.append(Note("models.fit.upper_bound", {"architecture": model.architecture}))
    if not _shape_known(model) and not model.problem:
        warnings.append(Note("models.fit.unknown_shape"))
    return warnings
