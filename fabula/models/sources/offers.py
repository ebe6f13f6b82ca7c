"""What a repository offers to this machine: each choice with its size and verdict, one of them recommended.

One header is read for all: that of the file which is likely to be recommended. The other files of the same
model differ in the types of their tensors, so that their plan is that header's with weights in proportion to
their sizes (caches are the same). What is recommended in the end is planned by its own header.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from fabula.core.errors import DownloadFailure
from fabula.core.model import LocalModel
from fabula.core.plan import Plan
from fabula.core.texts import Phrase, phrase
from fabula.models.fit import Beside, Wanted, plan
from fabula.models.fit.anatomy import Anatomy, anatomy
from fabula.models.fit.asking import Answers
from fabula.models.fit.rough import DEFAULT_TYPE, typical
from fabula.models.formats.folders import CONFIG, LOADABLE, REFUSED
from fabula.models.sources import api, hub
from fabula.models.sources.hubs import Found, HubFile, Query, hub_named, hub_of
from fabula.models.sources.peek import Peeked, peek_at
from fabula.models.sources.repository import (
    PREFERRED,
    HubModel,
    Unneeded,
    packed_branches,
    sort_out,
)
from fabula.models.sources.words import Source

Basis = Literal["header", "proportion", "size"]
"""Whose figures a plan has: the file's own header, another one's in proportion, or only its size."""
Out = Literal["", "bits", "full", "memory", "engine"]
"""Why it is not recommended: too few bits, more than anybody hears, too large, or nothing here loads it."""

_FEW_BITS = re.compile(r"^(UD-)?(IQ[12]|Q2|TQ)", re.IGNORECASE)
_FULL = ("F16", "BF16", "F32", "FP16", "FP32")
_ORDER = {"fits": 0, "tight": 1, "partial": 2, "no": 3}
BRANCHES = 24  # that are looked into
AT_ONCE = 4  # requests to one hub
TRIES = 3  # headers until the recommended one has been read itself


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """`source` is what `fabula pull` takes; `label` is the quantization as people know it, "" = not told."""

    source: str
    model: HubModel
    label: str
    plan: Plan
    basis: Basis
    out: Out = ""

    @property
    def terms(self) -> tuple[int, int]:
        """What the recommendation compares: the verdict, then the size."""
        return _ORDER[self.plan.verdict], -self.model.size


@dataclass(frozen=True, slots=True, kw_only=True)
class Offers:
    """Largest first. `best` is None where nothing can be recommended, and `why` says it either way."""

    source: str
    offers: tuple[Offer, ...]
    best: Offer | None
    why: Phrase
    projector: HubFile | None = None
    unneeded: tuple[Unneeded, ...] = ()
    header_requests: int = 0
    found: bool = False  # a search found the repository: nobody has said that it is the right one

    @property
    def needed(self) -> int:
        """Bytes that are fetched for the recommended one."""
        beside = self.projector.size if self.projector else 0
        return self.best.model.size + beside if self.best else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """A repository that was found, and what a file of four bits of it would take; None = not known."""

    found: Found
    plan: Plan | None


def find(query: Query, place: str, answers: Answers, *, fits: bool = False) -> list[Hit]:
    """In the order of the hub. With `fits`, only what is known to run here."""
    hits = [Hit(found=each, plan=_likely(each, answers)) for each in hub_named(place).search(query)]
    return [hit for hit in hits if not fits or (hit.plan and hit.plan.verdict != "no")]


def _likely(found: Found, answers: Answers) -> Plan | None:
    if not found.parameters:
        return None
    model = typical(found.parameters, DEFAULT_TYPE, found.name)
    return plan(model, answers.machine(), Wanted(slots=1), answers.uses_gpus)


def offers(source: Source, answers: Answers, context: int = 0) -> Offers:
    """What the repository of a source offers. Raises a DownloadFailure.

    A choice in the source (a quantization, a file) leaves only what it means.
    """
    return _Look(source, answers, context).result()


@dataclass
class _Look:
    source: Source
    answers: Answers
    context: int
    requests: int = 0
    bodies: dict[HubModel, Anatomy] = field(default_factory=dict)

    def result(self) -> Offers:
        place = hub_of(self.source)
        revision = self.source.version or place.revision
        here = sort_out(
            place.files(self.source.target, revision, self.source.text), self.source.target, revision
        )
        if self.source.choice:
            held, revision = hub.chosen(self.source)
            here = replace(here, models=(replace(held.model, revision=revision),))
        branches = [] if self.source.version or self.source.choice else self._branches()
        models = sorted((*here.models, *branches), key=lambda model: -model.size)
        self.projector = here.projector
        judged = self._judged(models)
        best, why = recommended(judged)
        return Offers(
            source=f"{place.prefix}:{self.source.target}",
            offers=tuple(judged),
            best=best,
            why=why,
            projector=here.projector if best and best.model.format == "gguf" else None,
            unneeded=here.unneeded,
            header_requests=self.requests,
        )

    def _branches(self) -> list[HubModel]:
        """Other quantizations of a folder that lie in branches of their own."""
        place, target = hub_of(self.source), self.source.target
        try:
            names = packed_branches(place.branches(target, self.source.text))[:BRANCHES]
        except DownloadFailure:
            return []  # a mirror may not know branches

        def held(name: str) -> tuple[HubModel, ...]:
            return sort_out(place.files(target, name, self.source.text), target, name).models

        with ThreadPoolExecutor(AT_ONCE) as pool:
            return [model for models in pool.map(held, names) for model in models]

    # ── plans ───────────────────────────────────────────────────────────────────────────────────────

    def _judged(self, models: Sequence[HubModel]) -> list[Offer]:
        """Headers are read until the recommended one has been."""
        ggufs = [model for model in models if model.format == "gguf"]
        with ThreadPoolExecutor(AT_ONCE) as pool:
            packings = dict(zip(models, pool.map(self._packing, models), strict=True))
        wanted = _likeliest(ggufs, self._room())
        found = self._offers(models, packings)
        for _ in range(TRIES):
            if wanted is None or wanted in self.bodies or not self._read(wanted):
                break
            found = self._offers(models, packings)
            best, _ = recommended(found)
            wanted = best.model if best and best.model.format == "gguf" else None
        return found

    def _offers(self, models: Sequence[HubModel], packings: Mapping[HubModel, dict[str, Any]]) -> list[Offer]:
        kinds = Counter(model.quantization for model in models)
        return [
            self._offer(model, packings[model], _out_by_name(model, models), kinds[model.quantization] == 1)
            for model in models
        ]

    def _offer(self, model: HubModel, packing: dict[str, Any], out: Out, only: bool) -> Offer:
        planned, basis = self._planned(model)
        if packing.get("quant_method") in REFUSED:
            out = "engine"
        if not out and planned.verdict == "no":
            out = "memory"
        return Offer(
            source=self._address(model, only),
            model=model,
            label=_label(packing) or model.quantization,
            plan=planned,
            basis=basis,
            out=out,
        )

    def _planned(self, model: HubModel) -> tuple[Plan, Basis]:
        body, basis = self.bodies.get(model), "header"
        if body is None and self.bodies and model.format == "gguf":
            body, basis = resized(next(iter(self.bodies.values())), model.size), "proportion"
        row = LocalModel(
            name=model.name, path=Path(model.name), size=model.size, quantization=model.quantization
        )
        row = row if body else replace(_guessed(model), size=model.size)
        beside = Beside(projector=self.projector.size if self.projector and model.format == "gguf" else 0)
        planned = plan(
            row,
            self.answers.machine(),
            Wanted(context=self.context, slots=1),
            self.answers.uses_gpus,
            beside,
            body,
            self.answers.engine,
        )
        return planned, basis if body else "size"  # type: ignore[return-value]

    def _read(self, model: HubModel) -> bool:
        """Its header, or False: a mirror without ranges, or no model after all."""
        revision = model.revision or self.source.version or hub_of(self.source).revision
        try:
            peeked: Peeked = peek_at(
                hub.remotes(model, self.source, revision), self.source, self.answers.cache
            )
        except DownloadFailure:
            return False
        self.requests += peeked.requests
        self.bodies[model] = anatomy(peeked.headers)
        return True

    def _room(self) -> int:
        """Bytes that could hold a model at all."""
        machine = self.answers.machine()
        cards = sum(card.memory_free for card in machine.gpus) if self.answers.uses_gpus else 0
        return cards or machine.memory_available

    def _packing(self, model: HubModel) -> dict[str, Any]:
        """How a folder says that its weights are packed: in its configuration, or in an old file."""
        if model.format != "safetensors":
            return {}
        files = {file.path.rpartition("/")[2]: file for file in model.files}
        told = self._json(model, files.get(CONFIG))
        packed = told.get("quantization_config")
        if isinstance(packed, dict):
            return packed
        old = self._json(model, files.get(hub.OLD_CONFIG))
        return {"quant_method": "gptq", **old} if old else {}

    def _json(self, model: HubModel, file: HubFile | None) -> dict[str, Any]:
        if file is None or file.size > 1 << 20:
            return {}
        place = hub_of(self.source)
        revision = model.revision or self.source.version or place.revision
        url = place.address(self.source.target, revision, file.path)
        try:
            told = json.loads(api.get(url, place.headers(), self.source.text).content)
        except (DownloadFailure, ValueError):
            return {}
        return told if isinstance(told, dict) else {}

    def _address(self, model: HubModel, only: bool) -> str:
        """What fetches it: by its quantization where only one has it, else by its file."""
        place = hub_of(self.source)
        revision = model.revision if model.revision != place.revision else ""
        base = f"{place.prefix}:{self.source.target}" + (f"@{revision}" if revision else "")
        if model.format == "gguf":
            return f"{base}:{model.quantization if only and model.quantization else model.files[0].path}"
        return base


def _guessed(model: HubModel) -> LocalModel:
    """By the bits that its name tells, a model of that size is likely to look like this."""
    from fabula.models.fit.rough import BITS

    kind = model.quantization.removeprefix("UD-")
    bits = BITS.get(kind, 16.0 if model.format == "safetensors" else BITS[DEFAULT_TYPE])
    return typical(max(int(model.size * 8 / bits), 1), DEFAULT_TYPE, model.name)


def resized(body: Anatomy, size: int) -> Anatomy:
    """The same model in a file of another size: every weight in proportion."""
    ratio = size / max(body.weights, 1)

    def scaled(count: int) -> int:
        return int(count * ratio)

    layers = tuple(
        replace(
            layer,
            weights=scaled(layer.weights),
            on_device=scaled(layer.on_device),
            experts=scaled(layer.experts),
            largest=scaled(layer.largest),
            repacked=scaled(layer.repacked),
        )
        for layer in body.layers
    )
    return replace(
        body,
        layers=layers,
        inputs=scaled(body.inputs),
        embeddings=scaled(body.embeddings),
        output=scaled(body.output),
        on_host=(-1, body.on_host[1]),
    )


# ── which of them ───────────────────────────────────────────────────────────────────────────────────


def recommended(found: Sequence[Offer]) -> tuple[Offer | None, Phrase]:
    """The largest that fits whole, else the largest that is tight, else the usual one, partly on the card."""
    able = sorted((offer for offer in found if not offer.out), key=lambda offer: offer.terms)
    if not able:
        return None, _why_none(found)
    best = able[0]
    if best.plan.verdict == "partial":
        best = min(able, key=lambda offer: (_usual(offer), offer.model.size))
    return best, phrase(f"models.offers.why.{best.plan.verdict}")


def _usual(offer: Offer) -> int:
    known = [n for n, name in enumerate(PREFERRED) if name == offer.model.quantization]
    return min(known, default=len(PREFERRED))


def _why_none(found: Sequence[Offer]) -> Phrase:
    if not found:
        return phrase("models.offers.why.nothing")
    least = min(found, key=lambda offer: offer.plan.total)
    if all(offer.out == "engine" for offer in found):
        return phrase("models.offers.why.engine")
    return phrase("models.offers.why.no", needed=least.plan.total, available=least.plan.available)


def _out_by_name(model: HubModel, models: Sequence[HubModel]) -> Out:
    """Too few bits or too many, where the repository has something between."""
    between = [m for m in models if not _FEW_BITS.match(m.quantization) and m.quantization not in _FULL]
    if not between or model in between:
        return ""
    return "full" if model.quantization in _FULL else "bits"


def _likeliest(models: Sequence[HubModel], room: int) -> HubModel | None:
    """Whose header is worth reading: the largest that the memory could hold."""
    able = [model for model in models if not _out_by_name(model, models)]
    inside = [model for model in able if model.size < room * 0.9]
    return max(inside, key=lambda m: m.size, default=min(able, key=lambda m: m.size, default=None))


def _label(packing: dict[str, Any]) -> str:
    """ "GPTQ 4-bit 128g"; "" for what is not packed."""
    method = str(packing.get("quant_method") or "").lower()
    if not method:
        return ""
    bits = packing.get("bits") or packing.get("w_bit") or ""
    group = packing.get("group_size") or packing.get("q_group_size") or 0
    parts = [LOADABLE.get(method, method.upper())]
    parts += [f"{bits}-bit"] if bits else []
    parts += [f"{group}g"] if isinstance(group, int) and group > 0 else []
    return " ".join(parts + (["act-order"] if packing.get("desc_act") is True else []))
