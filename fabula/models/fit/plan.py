"""Decide how a model is loaded on a machine: context, slots, layers, and whether it fits. Asks no engine.

The bytes are the closed form's (`breakdown`) where the model's tensors are known, else a rough guess. Every
choice that a person leaves open is made for them, and told: what cannot work has the verdict "no".
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

from fabula.core.load import LoadOptions
from fabula.core.model import LocalModel
from fabula.core.plan import HOST, ON_CARDS, DevicePlan, Held, Note, Plan, Verdict
from fabula.models.fit.anatomy import Anatomy
from fabula.models.fit.cache import CELL_PADDING, Load, refusal
from fabula.models.fit.constants import KNOWN_BUILD, constants, is_known
from fabula.models.fit.placing import Ground, place, reserve
from fabula.models.fit.reading import anatomy_of
from fabula.models.fit.wanted import NOTHING_BESIDE, Beside, Wanted
from fabula.models.gpus import Gpu, named
from fabula.models.hardware import Machine

DEFAULT_CONTEXT = 8192  # tokens
SMALLEST_CONTEXT = 512  # tokens; the engine aborts on absurdly small ones
SLOTS = 4
SLOTS_SHARE = 1 / 16  # of available memory that the caches of several slots may take
TIGHT = 0.9  # of available memory; above it a plan is tight
CARD_TIGHT = 0.97  # of a card's: its reserve is a part of the plan already
SPILLS = 0.85  # of a card's memory; above it, drivers for Windows move parts into the machine's
PROMPT_CACHE = 1 << 30  # bytes at most
PROMPT_CACHE_SHARE = 0.05  # of available memory at most


def plan(
    model: LocalModel,
    machine: Machine,
    wanted: Wanted | None = None,
    gpu: bool = False,
    beside: Beside = NOTHING_BESIDE,
    anatomy: Anatomy | None = None,
    engine: str = KNOWN_BUILD,
) -> Plan:
    """How `model` would be loaded. `gpu` says whether the installed engine can use the machine's GPUs.

    `anatomy` is that of a model whose file is elsewhere, `engine` the version that will load it: one that the
    formula was not measured with is told. Never raises: what cannot work has the verdict "no" and the reason.
    """
    body, is_read = (anatomy, True) if anatomy else anatomy_of(model)
    return _Planner(model, body, machine, wanted or Wanted(), gpu, beside, is_read, engine).plan()


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


def needed_bytes(model: LocalModel, context: int, slots: int = 1, kv_type: str = "f16") -> int:
    """All memory that the model takes when it runs without a GPU."""
    nowhere = Machine(system="", processor="", cores=1, physical_cores=1, memory=0, memory_available=0)
    planned = plan(model, nowhere, Wanted(context=context, slots=slots, kv_type=kv_type))
    return planned.total


@dataclass(frozen=True)
class _Layers:
    """How many layers the cards hold, and of how many layers the experts stay in the machine's memory."""

    on_cards: int
    kept_experts: int = 0


@dataclass(frozen=True)
class _Planner:
    model: LocalModel
    body: Anatomy
    machine: Machine
    wanted: Wanted
    gpu: bool
    beside: Beside
    is_read: bool
    engine: str

    def plan(self) -> Plan:
        context, reasons = self._context()
        slots = self.wanted.slots or self._slots(context)
        layers = self._layers(context, slots)
        load = self._load(context, slots, layers)
        devices = place(self.ground, load)
        refused = refusal(self.body, load) if self.is_read else ""
        verdict = self._verdict(devices, layers, refused)
        return Plan(
            model=self.model.name,
            tier="closed form" if self.is_read else "rough",
            verdict=verdict,
            devices=devices,
            context=context,
            slots=slots,
            gpu_layers=layers.on_cards,
            threads=self.wanted.threads or max(1, self.machine.cores - 1),
            kv_type=self.wanted.kv_type,
            prompt_cache=_prompt_cache(self.machine.memory_available, devices[0].total),
            largest_context=self._largest(slots, layers),
            reasons=(*reasons, *self._why(verdict, devices, layers, refused)),
            warnings=(*self._rope_warnings(context), *self._warnings(devices)),
            options=self._decided(context, layers),
            idle=self._idle(),
            rough=layers.on_cards == 1 and len(self.body.layers) > 0,
        )

    # ── the ground ──────────────────────────────────────────────────────────────────────────────────

    @cached_property
    def ground(self) -> Ground:
        cards = self._cards()
        known = constants(self.engine)
        return Ground(self.body, self.machine, cards, self._shares(cards), self.beside, known)

    @cached_property
    def room(self) -> int:
        """Memory that a model may take on all devices together."""
        cards = self.ground.cards
        separate = sum(max(card.memory_free - reserve(card), 0) for card in cards if not card.unified)
        return self.machine.memory_available + separate

    def _cards(self) -> tuple[Gpu, ...]:
        """The GPUs that take part, each under a name of its own."""
        if not self.gpu or self.wanted.gpu_layers == 0:
            return ()
        cards = tuple(replace(gpu, name=name) for name, gpu in named(self.machine.gpus))
        if self.wanted.options.split_mode == "none":
            return cards[self.wanted.options.main_gpu or 0 :][:1]
        return cards

    def _shares(self, cards: tuple[Gpu, ...]) -> tuple[float, ...]:
        """Each card's part of what the cards hold: as it was wished, else by free memory."""
        wished = list(self.wanted.options.tensor_split or ())
        total = sum(wished)
        if len(wished) == len(cards) and total:
            return tuple(part / total for part in wished)
        free = sum(card.memory_free for card in cards)
        if not free:
            return tuple(1 / len(cards) for _ in cards)
        return tuple(card.memory_free / free for card in cards)

    def _load(self, context: int, slots: int, layers: _Layers) -> Load:
        wanted = self.wanted
        return Load(
            context=context * slots,
            batch=wanted.batch,
            sequences=slots,
            outputs=slots,
            keys=wanted.kv_type,
            values=wanted.value_type,
            flash=wanted.flash,
            kv_offload=wanted.kv_offload,
            gpu_layers=layers.on_cards,
            experts_on_host=layers.kept_experts,
        )

    def _needed(self, context: int, slots: int) -> int:
        """In one memory, wherever the parts will lie."""
        whole = place(self.ground, self._load(context, slots, _Layers(0)))
        return sum(device.total for device in whole)

    # ── choices ─────────────────────────────────────────────────────────────────────────────────────

    def _context(self) -> tuple[int, list[Note]]:
        """Tokens per slot. A wish is lowered where it needs YaRN and may not have it, a default to what fits.

        Linear scaling is no help: the engine's server cuts each slot to the trained length with it.
        """
        wish = self.wanted.context
        trained = self.trained or wish or DEFAULT_CONTEXT
        if wish:
            if wish <= trained or self.wanted.options.rope_scaling in (None, "yarn"):
                return max(wish, CELL_PADDING), []  # the engine pads to that anyway
            return trained, [Note("models.fit.context_trained", {"wanted": wish, "context": trained})]
        usual = min(trained, DEFAULT_CONTEXT)
        most = int(self.room * TIGHT)
        fitting = self._search(lambda context: self._needed(context, 1) <= most, usual)
        if fitting >= usual:
            return usual, []
        context = max(fitting, min(SMALLEST_CONTEXT, usual))
        return context, [Note("models.fit.context_lowered", {"wanted": usual, "context": context})]

    @property
    def trained(self) -> int:
        return self.model.trained_context or self.body.trained_context

    def _slots(self, context: int) -> int:
        """Several chats at a time, where their memory is small change."""
        more = self._needed(context, SLOTS)
        cheap = more - self._needed(context, 1) <= self.room * SLOTS_SHARE * (SLOTS - 1) / SLOTS
        return SLOTS if cheap and more <= self.room * TIGHT else 1

    def _search(self, fits: Callable[[int], bool], most: int) -> int:
        """The largest context up to `most` that fits, in steps of the padding; 0 when none does."""
        low, high = 0, -(-most // CELL_PADDING)
        if high and fits(high * CELL_PADDING):
            return most
        while low < high:
            middle = (low + high + 1) // 2
            low, high = (middle, high) if fits(middle * CELL_PADDING) else (low, middle - 1)
        return min(low * CELL_PADDING, most)

    def _largest(self, slots: int, layers: _Layers) -> int:
        """The largest context per slot that fits with the layers where they are."""

        def fits(context: int) -> bool:
            devices = place(self.ground, self._load(context, slots, layers))
            return all(device.total <= device.available for device in devices)

        return self._search(fits, self.trained or DEFAULT_CONTEXT)

    def _layers(self, context: int, slots: int) -> _Layers:
        """How many layers the cards hold, the output counted as one; 0 without a card.

        Where not all fit, a mixture of experts keeps experts in the machine's memory first: each token needs
        few of them. Other models keep whole layers there.
        """
        everything = self.everything
        kept = self.wanted.options.moe_cpu or 0
        if not self.ground.cards:
            return _Layers(0)
        if self.wanted.gpu_layers > 0:
            return _Layers(min(self.wanted.gpu_layers, everything), kept)

        def fits(layers: _Layers) -> bool:
            cards = place(self.ground, self._load(context, slots, layers))[1:]
            return all(card.total <= card.available for card in cards)

        if fits(_Layers(everything, kept)):
            return _Layers(everything, kept)
        if self.mixes and self.wanted.options.moe_cpu is None and fits(_Layers(everything, -1)):
            most = everything - 1
            few = next(iter(_least(lambda count: fits(_Layers(everything, count)), most)), most)
            return _Layers(everything, few)
        return _Layers(_most(lambda count: fits(_Layers(count, kept)), everything - 1), kept)

    @property
    def everything(self) -> int:
        """Layers as the engine counts them: with the output, and those of the file that it leaves out."""
        return len(self.body.layers) + self.body.unused_layers + 1

    @property
    def mixes(self) -> bool:
        return any(layer.experts for layer in self.body.layers)

    # ── verdict and words ───────────────────────────────────────────────────────────────────────────

    def _verdict(self, devices: tuple[DevicePlan, ...], layers: _Layers, refused: str) -> Verdict:
        if self.model.problem or refused:
            return "no"
        some = 0 < layers.on_cards < self.everything or (layers.on_cards and layers.kept_experts)
        return verdict_of("partial" if some else "fits", devices)

    def _why(
        self, verdict: Verdict, devices: tuple[DevicePlan, ...], layers: _Layers, refused: str
    ) -> list[Note]:
        model = self.model
        if model.problem:
            return [
                Note("models.fit.unusable"),
                Note(model.problem, {"name": model.name, "size": model.size, "file": model.path.name}),
            ]
        if refused:
            return [Note(refused, {"keys": self.wanted.kv_type, "values": self.wanted.value_type})]
        worst = max(devices, key=lambda device: device.total - device.available)
        sums = {
            "needed": sum(device.total for device in devices),
            "available": sum(device.available for device in devices),
        }
        if verdict == "no" and worst.name != HOST:
            return [Note("models.fit.too_big_for", _sums(worst))]
        if verdict in ("no", "tight"):
            return [Note("models.fit.too_big" if verdict == "no" else "models.fit.tight", sums)]
        return self._split(layers) if verdict == "partial" else []

    def _split(self, layers: _Layers) -> list[Note]:
        notes, all_layers = [], self.everything
        gpu = self.ground.cards[0].name
        if layers.on_cards < all_layers:
            notes.append(
                Note("models.fit.partial", {"layers": layers.on_cards, "all": all_layers, "gpu": gpu})
            )
        if layers.kept_experts:
            kept = all_layers - 1 if layers.kept_experts < 0 else layers.kept_experts
            notes.append(Note("models.fit.experts", {"layers": kept, "all": all_layers - 1, "gpu": gpu}))
        return notes

    def _decided(self, context: int, layers: _Layers) -> LoadOptions:
        """What the engine is told beside the plan's own fields: YaRN is set where the context needs it."""
        options = self.wanted.options
        if layers.kept_experts and options.moe_cpu is None:
            options = replace(options, moe_cpu=layers.kept_experts)
        if not self._stretched(context):
            return options
        return replace(
            options,
            rope_scaling="yarn",
            rope_scale=options.rope_scale or context / self.trained,
            rope_original=options.rope_original or self.trained,
        )

    def _idle(self) -> tuple[str, ...]:
        """The load options of GPUs where there are none, of several where there is one, and of experts where
        there are none."""
        cards = self.machine.gpus if self.gpu else ()
        if not cards:
            return ("gpu_layers", *ON_CARDS)
        alone = ("tensor_split",) if len(cards) == 1 else ()
        return (*alone, "moe_cpu") if self.is_read and not self.mixes else alone

    def _stretched(self, context: int) -> bool:
        return 0 < self.trained < context and context > CELL_PADDING

    def _rope_warnings(self, context: int) -> list[Note]:
        if not self._stretched(context):
            return []
        times = context / self.trained
        return [Note("models.fit.stretched", {"context": context, "trained": self.trained, "times": times})]

    def _warnings(self, devices: tuple[DevicePlan, ...]) -> list[Note]:
        warnings = []
        if self.machine.gpus and not self.gpu:
            warnings.append(Note("models.fit.gpu_unused", {"gpu": self.machine.gpus[0].name}))
        if not is_known(self.engine):
            warnings.append(Note("models.fit.other_build", {"version": self.engine, "known": KNOWN_BUILD}))
        kind = {"architecture": self.body.architecture}
        warnings += [Note(key, kind) for key in self.body.notes]
        cards = {card.name: card for card in self.ground.cards}
        for device in devices[1:]:
            card = cards[device.name]
            if card.display:
                warnings.append(Note("models.fit.display", {"gpu": card.name}))
            if self.machine.system.startswith("Windows") and device.total > SPILLS * card.memory:
                warnings.append(Note("models.fit.spills", {"gpu": card.name}))
        return warnings


def verdict_of(before: Verdict, devices: tuple[DevicePlan, ...]) -> Verdict:
    """Whether everything has room; what was split stays so."""
    if any(device.total > device.available for device in devices):
        return "no"
    if before == "partial":
        return before
    return "tight" if any(_is_tight(device) for device in devices) else "fits"


def _sums(device: DevicePlan) -> dict[str, int | str]:
    return {"needed": device.total, "available": device.available, "device": device.name}


def _is_tight(device: DevicePlan) -> bool:
    return device.total > device.available * (TIGHT if device.name == HOST else CARD_TIGHT)


def _prompt_cache(available: int, used: int) -> int:
    return max(0, min(PROMPT_CACHE, int(available * PROMPT_CACHE_SHARE), available - used))


def _most(fits: Callable[[int], bool], most: int) -> int:
    """The largest count from 1 to `most` that fits; 0 when none does."""
    low, high = 0, most
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if fits(middle) else (low, middle - 1)
    return low


def _least(fits: Callable[[int], bool], most: int) -> list[int]:
    """The smallest count from 1 to `most` that fits, if any does."""
    low, high = 1, most + 1
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if fits(middle) else (middle + 1, high)
    return [low] if low <= most else []
