"""Plan any model for any machine: a file, a name, one that is not here yet, a number of parameters.

The Python function behind `fabula fit` and its route. Knows no screen and no running studio.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from fabula.core.errors import AdapterNotFound, BadParameter, ModelNotFound, NotAModel
from fabula.core.load import KV_TYPES, NOTHING, LoadOptions
from fabula.core.model import LocalModel
from fabula.core.plan import Plan
from fabula.core.texts import Phrase, phrase
from fabula.models.adapters.adapter import Adapter
from fabula.models.cards import find as find_card
from fabula.models.fit.anatomy import Anatomy, anatomy
from fabula.models.fit.constants import KNOWN_BUILD
from fabula.models.fit.neighbours import Neighbours, projector_of
from fabula.models.fit.oracle import Oracle
from fabula.models.fit.plan import plan
from fabula.models.fit.reading import anatomy_of
from fabula.models.fit.rough import counted
from fabula.models.fit.wanted import Beside, Wanted
from fabula.models.formats.gguf import Header
from fabula.models.formats.identify import identify
from fabula.models.formats.inspecting import contradictions
from fabula.models.gpus import Gpu
from fabula.models.hardware import Machine
from fabula.models.sources import places

_SIZE = re.compile(r"^(?P<number>\d+(?:\.\d+)?)\s*(?P<unit>[kmgt]?)(?P<binary>i?)b?$", re.IGNORECASE)
_POWER = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}
_TOKENS = re.compile(r"^(?P<number>\d+(?:\.\d+)?)(?P<unit>k?)$", re.IGNORECASE)
PLAIN_CARD = "GPU"


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked. "" and 0 are what is not said; `vram` −1 is this machine's own, 0 none at all."""

    target: str
    context: int = 0  # tokens per slot
    kv_type: str = ""  # "q8_0", or "q8_0/q4_0" of keys and of values
    slots: int = 0
    ram: int = 0  # bytes that may be taken
    vram: int = -1
    gpu: str = ""  # a card of the table
    adapters: tuple[str, ...] = ()  # names or files of what is loaded with it, and so the next two
    projector: str = ""
    draft: str = ""
    gpu_layers: int | None = None  # the output counted as one, −1 = as many as fit; None is not said
    quantization: str = ""  # as if its weights had this type

    @property
    def elsewhere(self) -> bool:
        """Whether it is asked for another machine."""
        return bool(self.gpu or self.ram) or self.vram >= 0

    def options(self, base: LoadOptions = NOTHING) -> LoadOptions:
        """Raises BadParameter."""
        keys, _, values = self.kv_type.partition("/")
        return LoadOptions(
            context=self.context or None,
            slots=self.slots or None,
            kv_type=keys or None,
            kv_type_v=values or None,
            adapters=tuple((name, 1.0) for name in self.adapters) or None,
            draft=self.draft or None,
            gpu_layers=self.gpu_layers,
        ).over(base)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    plan: Plan
    model: LocalModel
    machine: Machine
    gpu: bool
    options: LoadOptions
    elsewhere: bool = False  # it is about another machine
    body: Anatomy | None = None  # of a model whose file is elsewhere
    headers: tuple[Header, ...] = ()  # of that model
    requests: int = 0  # to read them

    @property
    def layers(self) -> int:
        """As the engine counts them, with the output; 0 where the tensors are not known."""
        body, is_read = (self.body, True) if self.body else anatomy_of(self.model)
        return len(body.layers) + body.unused_layers + 1 if is_read else 0

    @property
    def hints(self) -> list[Phrase]:
        """Where the name says something else than the header: the plan is made by the header."""
        return [] if self.plan.tier == "rough" else contradictions(self.model)

    async def asked(self, oracle: Oracle) -> Self:
        """With the engine's own figures. Raises what the oracle raises, and BadParameter for a mere size."""
        if self.plan.tier == "rough":
            raise BadParameter("exact", self.model.name, phrase("expected.model_with_header"))
        return replace(self, plan=await oracle.plan(self.model, self.plan, self.headers))


@dataclass(frozen=True)
class Answers:
    """Answers questions for one machine and one shelf.

    `shelf` finds models by name, `settings` says what is set for one, `neighbours` what is loaded with it. In
    `cache` headers from elsewhere are kept. `retyped` tells a model's headers in another type.
    """

    machine: Callable[[], Machine]
    cache: Path
    shelf: Callable[[str], LocalModel]
    uses_gpus: bool = False
    engine: str = KNOWN_BUILD
    settings: Callable[[LocalModel], LoadOptions] = lambda model: NOTHING
    neighbours: Neighbours | None = None
    retyped: Callable[[LocalModel, str], tuple[LocalModel, tuple[Header, ...]]] | None = None

    def answer(self, question: Question) -> Answer:
        """Raises ModelNotFound, BadParameter, what reading a header from elsewhere raises, or for adapters
        AdapterNotFound and AdapterUnusable."""
        model, headers, requests = self._target(question.target)
        if question.quantization:
            model, headers = self._retyped(model, headers, question.quantization)
        body = anatomy(headers) if headers else None
        machine = machine_for(question, self.machine())
        gpu = bool(machine.gpus) if question.elsewhere else self.uses_gpus
        options = question.options(NOTHING if question.elsewhere else self.settings(model))
        if question.projector:
            model = replace(model, projector=projector_of(question.projector))
        beside = self._beside(question, model, options)
        planned = plan(model, machine, Wanted.of(options), gpu, beside, body, self.engine)
        return Answer(
            plan=planned,
            model=model,
            elsewhere=question.elsewhere,
            body=body,
            headers=headers,
            machine=machine,
            gpu=gpu,
            options=options,
            requests=requests,
        )

    def _retyped(
        self, model: LocalModel, headers: tuple[Header, ...], type: str
    ) -> tuple[LocalModel, tuple[Header, ...]]:
        if headers or self.retyped is None:
            raise BadParameter("quantization", type, phrase("expected.model_here"))
        return self.retyped(model, type)

    def _beside(self, question: Question, model: LocalModel, options: LoadOptions) -> Beside:
        neighbours = self.neighbours or Neighbours(
            self.shelf, _no_adapter, self.machine, lambda: self.uses_gpus
        )
        neighbours.check(question.options())
        return neighbours.of(model, options)

    def _target(self, text: str) -> tuple[LocalModel, tuple[Header, ...], int]:
        """What is planned: its headers come with it where its file is elsewhere."""
        file = Path(text).expanduser()
        if text and "\0" not in text and file.is_file():
            return _of_file(file), (), 0
        if text.startswith("ollama:"):
            return _of_file(places.find_one(text)), (), 0
        if re.match(r"^(hf|hub|ms|https?):", text):
            return self._elsewhere(text)
        try:
            return self.shelf(text), (), 0
        except ModelNotFound:
            if (rough := counted(text)) is None:
                raise
            return rough, (), 0

    def _elsewhere(self, text: str) -> tuple[LocalModel, tuple[Header, ...], int]:
        from fabula.models.sources.peek import peek  # an HTTP client takes long to import

        found = peek(text, self.cache)
        return found.model, found.headers, found.requests


def fit(target: str, cache: Path, machine: Machine, **wishes: int | str) -> Plan:
    """One model on one machine, for programs: `fit("model.gguf", cache, machine(), context=8192)`.

    `wishes` are the fields of `Question`. Raises what `Answers.answer` raises.
    """

    def nowhere(name: str) -> LocalModel:
        raise ModelNotFound(name, "")

    answers = Answers(lambda: machine, cache, nowhere, uses_gpus=bool(machine.gpus))
    return answers.answer(Question(target=target, **wishes)).plan  # type: ignore[arg-type]


def _no_adapter(name: str) -> Adapter:
    raise AdapterNotFound(name, "–")


def _of_file(file: Path) -> LocalModel:
    model = identify(file)
    if model.problem in ("models.problem.not_gguf", "models.problem.empty", "models.problem.unreadable"):
        raise NotAModel(str(file), model.problem)
    return model


def machine_for(question: Question, here: Machine) -> Machine:
    """This machine, or the one that the question describes. Raises BadParameter for an unknown card."""
    if not question.elsewhere:
        return here
    cards = _cards(question, here)
    shared = sum(find_card(question.gpu).memory for card in cards if card.unified) if question.gpu else 0
    memory = question.ram or shared or here.memory
    available = question.ram or shared or here.memory_available
    return replace(here, memory=memory, memory_available=available, gpus=cards)


def _cards(question: Question, here: Machine) -> tuple[Gpu, ...]:
    if question.gpu:
        return (find_card(question.gpu).gpu,)
    if question.vram < 0:
        return here.gpus
    return (Gpu(PLAIN_CARD, question.vram, question.vram, "cuda"),) if question.vram else ()


# ── what people write ───────────────────────────────────────────────────────────────────────────────


def bytes_of(name: str, text: str) -> int:
    """Sizes of memory, in binary units whatever they are called: 24GiB, 24G, 24000 MB, 0.

    Raises BadParameter.
    """
    match = _SIZE.match(text.strip())
    if match is None:
        raise BadParameter(name, text[:40], phrase("expected.size"))
    return int(float(match["number"]) * 1024 ** _POWER[match["unit"].lower()])


def tokens_of(name: str, text: str) -> int:
    """8192 or 16k. Raises BadParameter."""
    match = _TOKENS.match(text.strip())
    if match is None or not (count := int(float(match["number"]) * (1024 if match["unit"] else 1))):
        raise BadParameter(name, text[:40], phrase("expected.tokens"))
    return count


def kv_of(text: str) -> str:
    """One of the types of caches, or two: q8_0/q4_0. Raises BadParameter."""
    parts = text.lower().split("/")
    if len(parts) > 2 or any(part not in KV_TYPES for part in parts):
        raise BadParameter("kv", text[:40], phrase("expected.one_of", names=", ".join(KV_TYPES)))
    return "/".join(parts)
