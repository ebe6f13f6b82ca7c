"""Which well-known model suits a task on a machine, in which type, and why others do not. Knows no network.

The rule, term by term: tuned for the task before not, the largest that fits into memory without swap, then
the highest quantization; nothing below IQ3 unless asked. Ruled out beforehand: what nobody says speaks the
language, what was trained for less context, and what would write slower than is bearable.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from fabula.core.model import LocalModel
from fabula.core.plan import HOST, Note, Plan
from fabula.models.cards import Card, matching, ordinary
from fabula.models.fit import Wanted, plan
from fabula.models.fit.anatomy import Anatomy
from fabula.models.fit.cache import Load
from fabula.models.fit.rough import BITS, typical
from fabula.models.fit.speed import Rates, Speed, of_card, speed
from fabula.models.hardware import Machine
from fabula.models.known import skeletons
from fabula.models.known.entries import Entry, File, Origin

LOW = re.compile(r"^(IQ[12]|Q2|TQ|Q1)", re.IGNORECASE)
"""Below IQ3: answers get so much worse that a smaller model is better."""
_NAMED = re.compile(r"-((?:IQ|Q)\d_(?:K(?:_[SML])?|[01]|XXS|XS|S|M|NL))-GGUF$", re.IGNORECASE)
USUAL = ("Q8_0", "Q6_K", "Q5_K_M", "Q4_K_M", "IQ4_XS", "Q3_K_M", "Q2_K")
"""What repositories of GGUFs usually have, where no file of one was seen."""
SLOWEST = 5.0  # tokens per second, in the middle of the range; about what people read
MEMORY_RATE = 64e9  # bytes per second; two channels of DDR4-3200 have 51.2e9, of DDR5-5600 89.6e9
ASIDE = ("roleplay", "story")
"""Tasks that an instruct model does among other things; only tunes are made for them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What a person wants. "" leaves task and language open. `context` is tokens, `slowest` tokens a second.

    With `anywhere` also models whose GGUF was seen nowhere; `fabula search` may find it.
    """

    task: str = ""
    language: str = ""
    context: int = 8192
    two_bits: bool = False
    slowest: float = SLOWEST
    anywhere: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """The machine, whether its GPUs can be used, and the rates of its memory and its card where known."""

    machine: Machine
    gpu: bool = False
    host: Rates = field(default_factory=lambda: of_card(MEMORY_RATE))
    card: Rates | None = None


def ground(machine: Machine, gpu: bool, host: Rates | None = None, card: Rates | None = None) -> Ground:
    """With what was measured, else with what the card's name or its memory makes likely."""
    known = likely_card(machine) if gpu and card is None else None
    if known is not None:
        card = of_card(known.bandwidth)
    return Ground(machine=machine, gpu=gpu, host=host or of_card(MEMORY_RATE), card=card)


def likely_card(machine: Machine) -> Card | None:
    """The first card by its name, else an ordinary one with as much memory; None without cards."""
    if not machine.gpus:
        return None
    first = machine.gpus[0]
    named = matching(first.name)
    return named[0] if named else ordinary(first.memory)


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """A model in one type. `out` says why it was ruled out: "" = it was not.

    `out` is one of "obstacle", "language" (no source tells the language), "task", "context" (it was trained
    for less), "nowhere" (no GGUF was seen), "bits", "memory", "slow". `quicker` is the same model in a type
    that lies on the card as a whole, where the chosen one does not.
    """

    entry: Entry
    quantization: str
    size: int  # bytes
    plan: Plan
    tuned: bool
    origin: Origin | None = None
    file: File | None = None
    speed: Speed | None = None
    quicker: Choice | None = None
    out: str = ""

    @property
    def bits(self) -> float:
        """Per weight."""
        return self.size * 8 / self.entry.parameters

    @property
    def terms(self) -> tuple[bool, int, float]:
        """What the ranking compares, in order: tuned for the task, parameters, bits per weight."""
        return self.tuned, self.entry.parameters, self.bits

    @property
    def rate(self) -> float:
        """Tokens per second in the middle of the range; 0 = not known."""
        return sum(self.speed.written) / 2 if self.speed else 0.0

    @property
    def approximate(self) -> bool:
        """Whether the size is calculated; else it was seen."""
        return self.file is None or not self.file.bytes

    @property
    def source(self) -> str:
        """What `fabula pull` takes; "" where no GGUF was seen."""
        if self.origin is None:
            return ""
        return f"{self.origin.address}:{self.file.file if self.file else self.quantization}"


@dataclass(frozen=True, slots=True)
class Advice:
    """Best first, one type of each model; then what was ruled out, each as it came nearest."""

    best: tuple[Choice, ...]
    out: tuple[Choice, ...]


Planned = dict[tuple[str, str, int, int], tuple[Plan, Speed | None]]


def recommend(entries: Iterable[Entry], ground: Ground, wish: Wish, planned: Planned | None = None) -> Advice:
    """Of each model the best type that fits, best first by `Choice.terms`.

    `planned` keeps plans for further wishes on the same ground with the same context.
    """
    judge = _Judge(ground, wish, {} if planned is None else planned)
    best, out = list[Choice](), list[Choice]()
    for entry in entries:
        choice = judge.best(entry)
        (out if choice.out else best).append(choice)
    return Advice(
        tuple(sorted(best, key=lambda each: each.terms, reverse=True)),
        tuple(sorted(out, key=lambda each: each.terms, reverse=True)),
    )


Offer = tuple[Origin | None, File | None, str]


def offers(entry: Entry, wish: Wish) -> list[Offer]:
    """Files that were seen, and where none was, the usual types."""
    found: list[Offer] = []
    for origin in entry.quantized:
        named = [file for file in origin.files if file.quantization]
        found += [(origin, file, file.quantization) for file in named]
        if not any(file.bytes for file in origin.files) and entry.kind:
            seen = {file.quantization for file in named}
            found += [(origin, None, kind) for kind in _usual(origin) if kind not in seen]
    return found or [(None, None, kind) for kind in USUAL]


def _usual(origin: Origin) -> tuple[str, ...]:
    """A repository whose name has a type has no other; one trained to be Q4_0 (QAT) gains nothing."""
    alone = _NAMED.search(origin.repository)
    if "-qat-" in origin.repository.casefold():
        return ("Q4_0",)
    return (alone[1].upper(),) if alone else USUAL


def _nearest(found: Sequence[Choice]) -> Choice:
    """The best type of those that only memory or speed rules out, else the first reason that there is."""
    late = [choice for choice in found if choice.out in ("memory", "slow")]
    return min(late, key=lambda each: each.size) if late else found[0]


@dataclass(frozen=True, slots=True)
class _Offered:
    entry: Entry
    origin: Origin | None
    file: File | None
    quantization: str
    model: LocalModel
    body: Anatomy | None


class _Judge:
    def __init__(self, ground: Ground, wish: Wish, planned: Planned) -> None:
        self.ground, self.wish = ground, wish
        self._planned = planned

    def best(self, entry: Entry) -> Choice:
        """Its highest type that nothing rules out, else what came nearest."""
        found = [self._offered(entry, *offer) for offer in offers(entry, self.wish)]
        if hindered := self._unsuitable(entry):
            return replace(self._judged(found[0]), out=hindered)
        late = list[Choice]()
        for offer in sorted(found, key=lambda each: (each.model.size, each.file is not None), reverse=True):
            choice = self._judged(offer)
            if not choice.out:
                return replace(choice, quicker=self._on_card(choice, found))
            late.append(choice)
        return _nearest(late)

    def _on_card(self, chosen: Choice, found: Sequence[_Offered]) -> Choice | None:
        """Where a part lies in memory: its highest type of which nothing does."""
        if chosen.plan.verdict != "partial":
            return None
        for offer in sorted(found, key=lambda each: (each.model.size, each.file is not None), reverse=True):
            if offer.model.size >= chosen.size:
                continue
            choice = self._judged(offer)
            if not choice.out and choice.plan.verdict != "partial" and choice.rate > chosen.rate:
                return choice
        return None

    def _offered(self, entry: Entry, origin: Origin | None, file: File | None, quantization: str) -> _Offered:
        model, body = modelled(entry, quantization, file.bytes if file else 0)
        return _Offered(entry, origin, file, quantization, model, body)

    def _judged(self, offer: _Offered) -> Choice:
        planned, rate = self._plan(offer.model, offer.body, offer.entry)
        choice = Choice(
            entry=offer.entry,
            quantization=offer.quantization,
            size=offer.model.size,
            plan=planned,
            tuned=is_tuned(offer.entry, self.wish.task),
            origin=offer.origin,
            file=offer.file,
            speed=rate,
        )
        return replace(choice, out=self._out(choice))

    def _plan(self, model: LocalModel, body: Anatomy | None, entry: Entry) -> tuple[Plan, Speed | None]:
        """Many models share a kind: it is planned once."""
        key = (entry.kind or entry.name, model.quantization, model.size, model.trained_context)
        if key not in self._planned:
            wanted = Wanted(context=self.wish.context, slots=1)
            planned = plan(model, self.ground.machine, wanted, self.ground.gpu, anatomy=body)
            rate = speed(body, load_of(planned), self.ground.host, self.ground.card) if body else None
            self._planned[key] = planned, rate
        planned, rate = self._planned[key]
        return replace(planned, model=model.name), rate

    def _unsuitable(self, entry: Entry) -> str:
        """What rules it out on any machine."""
        wish = self.wish
        checks = (
            ("obstacle", bool(entry.obstacle)),
            ("language", bool(wish.language) and wish.language not in entry.languages),
            ("task", wish.task not in ("", "story") and entry.stage == "base"),
            ("context", not _reaches(entry, wish.context)),
            ("nowhere", not entry.quantized and not wish.anywhere),
        )
        return next((reason for reason, holds in checks if holds), "")

    def _out(self, choice: Choice) -> str:
        checks = (
            ("bits", bool(LOW.match(choice.quantization)) and not self.wish.two_bits),
            ("memory", choice.plan.verdict == "no"),
            ("slow", choice.speed is not None and choice.rate < self.wish.slowest),
        )
        return next((reason for reason, holds in checks if holds), "")


def is_tuned(entry: Entry, task: str) -> bool:
    """Whether it was made for it: only tunes are made for prose; else the first of its tasks counts."""
    if not task or task not in entry.tasks or entry.stage == "base":
        return False
    if task in ASIDE:
        return entry.stage not in ("instruct", "ablated")  # to cut refusals out teaches nothing
    return entry.tasks[0] == task


def _reaches(entry: Entry, context: int) -> bool:
    """What nobody tells is not held against a model, and a recurrent memory has no length."""
    recurrent = bool(entry.kind) and skeletons.kind(entry.kind).recurrent
    return recurrent or not entry.context or context <= entry.context


def modelled(entry: Entry, quantization: str, size: int = 0) -> tuple[LocalModel, Anatomy | None]:
    """The entry as the planner sees it; of its kind's tensors where the kind is known, else a rough guess.

    `size` is the bytes of a file that was seen: files of older quantizers differ from today's.
    """
    body = None
    if entry.kind:
        body = skeletons.body(entry.kind, quantization)
        if body is None and size and quantization in _NEAR:
            body = skeletons.body(entry.kind, _NEAR[quantization])
    if body:
        model = skeletons.model(entry.kind, quantization, entry.name, entry.context)
        return replace(model, size=size or body.weights), scaled(body, size)
    rough = typical(entry.parameters, quantization if quantization in BITS else "Q4_K_M", entry.name)
    context = entry.context or rough.trained_context
    model = replace(rough, quantization=quantization, trained_context=context, size=size or rough.size)
    return model, None


_NEAR = {"Q5_1": "Q5_0", "Q4_1": "Q4_0", "IQ4_NL": "IQ4_XS", "IQ3_XS": "IQ3_M", "BF16": "F16"}
"""What stands for a type that skeletons do not have, made as large as the file."""
SAME = 0.02  # of a size: the hub's rounding, and what a vocabulary's words take


def scaled(body: Anatomy, size: int) -> Anatomy:
    """With every layer larger or smaller, so that the weights are as much as the file; 0 = as they are."""
    factor = size / body.weights if size else 1.0
    if abs(factor - 1) <= SAME:
        return body
    layers = tuple(
        replace(
            layer,
            weights=int(layer.weights * factor),
            on_device=int(layer.on_device * factor),
            experts=int(layer.experts * factor),
            largest=int(layer.largest * factor),
            reads=tuple(replace(read, size=read.size * factor) for read in layer.reads),
        )
        for layer in body.layers
    )
    return replace(
        body,
        layers=layers,
        inputs=int(body.inputs * factor),
        embeddings=int(body.embeddings * factor),
        output=int(body.output * factor),
    )


def load_of(planned: Plan) -> Load:
    """How the plan loads the model, as the formula sees it."""
    return Load(
        context=planned.context * planned.slots,
        sequences=planned.slots,
        keys=planned.kv_type,
        values=planned.options.kv_type_v or planned.kv_type,
        gpu_layers=planned.gpu_layers,
        experts_on_host=planned.options.moe_cpu or 0,
    )


# ── in words ────────────────────────────────────────────────────────────────────────────────────────


def why(choice: Choice, wish: Wish) -> list[Note]:
    """The terms of a choice, each as a sentence."""
    place = [_about_place(choice), *_about_type(choice), *_about_quicker(choice)]
    return [*_about_task(choice, wish), *place, *_about_context(choice)]


def _about_task(choice: Choice, wish: Wish) -> list[Note]:
    if not wish.task:
        return []
    able = wish.task in choice.entry.tasks
    key = "tuned" if choice.tuned else "able" if able else "other"
    return [Note(f"recommend.why.{key}_{wish.task}")]


def _about_place(choice: Choice) -> Note:
    planned = choice.plan
    if not planned.gpu_layers:
        return Note("recommend.why.memory", {"needed": planned.total})
    card = sum(device.total for device in planned.devices if device.name != HOST)
    if planned.verdict == "partial":
        host = next(device.total for device in planned.devices if device.name == HOST)
        return Note("recommend.why.partial", {"card": card, "host": host})
    return Note("recommend.why.card", {"needed": card})


def _about_type(choice: Choice) -> list[Note]:
    seen = "calculated" if choice.approximate else "seen"
    return [Note(f"recommend.why.{seen}", {"quantization": choice.quantization, "bits": choice.bits})]


def _about_quicker(choice: Choice) -> list[Note]:
    other = choice.quicker
    if other is None or other.speed is None:
        return []
    low, high = (max(1, round(rate)) for rate in other.speed.written)
    return [Note("recommend.why.quicker", {"quantization": other.quantization, "low": low, "high": high})]


def _about_context(choice: Choice) -> list[Note]:
    effective = choice.entry.effective_context
    short = effective and effective < choice.plan.context
    return [Note("recommend.why.effective", {"context": effective})] if short else []


def why_not(choice: Choice, wish: Wish) -> Note:
    """Why it was ruled out."""
    entry = choice.entry
    if choice.out == "obstacle":
        return Note(f"catalog.obstacle.{entry.obstacle}")
    fields = {
        "quantization": choice.quantization,
        "needed": choice.plan.total,
        "available": choice.plan.available,
        "context": entry.context,
        "wanted": wish.context,
        "rate": choice.rate,
        "slowest": wish.slowest,
    }
    return Note(f"recommend.out.{choice.out}", fields)
