"""Work that a person begins with a form: what each kind asks, in which room it is offered, how it begins.

A form is made of the recipe's own type; whoever adds a kind adds a row here, and its form, its route and its
command are there. Knows no HTTP and no screen.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from fabula.app import directing
from fabula.app.shelf import require_here
from fabula.core.errors import BadParameter
from fabula.core.plots import Plot
from fabula.core.texts import phrase
from fabula.store.jobs import Job

if TYPE_CHECKING:
    from fabula.app.studio import Studio

Room = Literal["models", "lab", "evals"]
Begin = Callable[["Studio", Any], Awaitable[Job]]
Hints = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """`asks` reads the code of its room and gives the recipe: a dataclass or a pydantic model.

    Its words are the texts `jobs.kinds.KIND.title`, `.about`, `.fields.FIELD`, `.help.FIELD` and
    `.choices.VALUE`; for a field that many kinds have, `jobs.fields.FIELD` is enough. `hints` add to the JSON
    schema of a field what a type cannot say: `widget` (model, file, quantization, text), `more` (folded),
    `formats` (of models). What is `given` is not asked. `plots` draws a result that has no plots of its own.
    """

    kind: str
    room: Room
    asks: Callable[[], type]
    begin: Begin
    hints: Hints = field(default_factory=dict)
    given: Mapping[str, Any] = field(default_factory=dict)
    plots: Callable[[Mapping[str, Any]], Sequence[Plot]] | None = None


# ── recipes that have no room of their own ──────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True, kw_only=True)
class Get:
    """A model from a source: `hf:owner/repo:Q4_K_M`, an address, a file."""

    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GetAdapter:
    """An adapter, converted and checked for a model."""

    source: str
    model: str
    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verify:
    """ "" = all models."""

    model: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasureSpeed:
    """How fast this machine is with the types of a model's weights."""

    model: str


def _tuning() -> type:
    from fabula.engine.tune.job import Wishes

    return Wishes


def _quantizing() -> type:
    from fabula.lab.quantize.ordering import Wishes

    return Wishes


def _importance() -> type:
    from fabula.lab.quantize.statistics import Wishes

    return Wishes


def _learning() -> type:
    from fabula.lab.directions.recipe import Recipe

    return Recipe


def _exporting() -> type:
    from fabula.lab.directions.offer import Exporting

    return Exporting


def _writing() -> type:
    from fabula.lab.directions.write import Writing

    return Writing


def _probing() -> type:
    from fabula.evals.probes.job import Wishes

    return Wishes


def _searching() -> type:
    from fabula.lab.directions.search.recipe import Searching

    return Searching


# ── how each begins ─────────────────────────────────────────────────────────────────────────────────


async def _pull(studio: Studio, asked: Get) -> Job:
    return await studio.fetching.pull(asked.source)


async def _adapter(studio: Studio, asked: GetAdapter) -> Job:
    model = studio.shelf.weights(asked.model)
    arguments = dataclasses.asdict(asked) | {"model": model.name}
    return await studio.start_job("adapter", asked.source, arguments)


async def _verify(studio: Studio, asked: Verify) -> Job:
    name = studio.shelf.weights(asked.model).name if asked.model else ""
    return await studio.start_job("verify", name or "–", {"model": name})


async def _speed(studio: Studio, asked: MeasureSpeed) -> Job:
    model = studio.shelf.weights(asked.model)
    require_here(model)
    return await studio.start_job("speed", model.name, {"model": model.name})


async def _tune(studio: Studio, asked: Any) -> Job:
    wishes = _others(asked, "model", "options", "background")
    return await studio.measuring.begin(asked.model, **wishes)


async def _quantize(studio: Studio, asked: Any) -> Job:
    return await studio.making.quantize(asked.model, asked.type, **_others(asked, "model", "type"))


async def _imatrix(studio: Studio, asked: Any) -> Job:
    return await studio.making.imatrix(asked.model, **_others(asked, "model"))


async def _probe(studio: Studio, asked: Any) -> Job:
    from fabula.app import probing

    return await probing.begin(studio, asked)


def _others(asked: Any, *left_out: str) -> dict[str, Any]:
    return {name: value for name, value in dataclasses.asdict(asked).items() if name not in left_out}


def _tune_plots(result: Mapping[str, Any]) -> Sequence[Plot]:
    from fabula.app.pictures import of_tuning

    return of_tuning(result)


def _quantize_plots(result: Mapping[str, Any]) -> Sequence[Plot]:
    from fabula.app.pictures import of_quantizing

    return of_quantizing(result)


_CHOSEN: Hints = {
    "strength": {"minimum": -4, "maximum": 4},
    **{name: {"more": True} for name in ("scope", "keep_norms", "attention", "mlp", "embeddings")},
    **{name: {"more": True} for name in ("layer", "first", "last", "attention_ramp", "mlp_ramp")},
}
_MODEL_HERE = {"widget": "model", "formats": ["gguf", "safetensors"]}
_GGUF = {"widget": "model", "formats": ["gguf"]}
_FILE, _MORE = {"widget": "file"}, {"more": True}

_ALL = (
    Form(kind="pull", room="models", asks=lambda: Get, begin=_pull),
    Form(
        kind="adapter",
        room="models",
        asks=lambda: GetAdapter,
        begin=_adapter,
        hints={"model": _GGUF, "name": _MORE},
    ),
    Form(kind="verify", room="models", asks=lambda: Verify, begin=_verify, hints={"model": _MODEL_HERE}),
    Form(kind="speed", room="models", asks=lambda: MeasureSpeed, begin=_speed, hints={"model": _GGUF}),
    Form(
        kind="tune",
        room="models",
        asks=_tuning,
        begin=_tune,
        given={"options": {}, "background": False},
        hints={"model": _GGUF, "budget_s": {"minimum": 1, "unit": "seconds"}, "anyway": _MORE},
        plots=_tune_plots,
    ),
    Form(
        kind="quantize",
        room="lab",
        asks=_quantizing,
        begin=_quantize,
        hints={
            "model": _MODEL_HERE,
            "type": {"widget": "quantization"},
            "importance": _FILE,
            "importance_from": _FILE,
            "text": _FILE | _MORE,
            "threads": {"minimum": 0} | _MORE,
            "part_size": {"minimum": 0, "unit": "bytes"} | _MORE,
            "probes": _MORE,
        },
        plots=_quantize_plots,
    ),
    Form(
        kind="imatrix",
        room="lab",
        asks=_importance,
        begin=_imatrix,
        hints={
            "model": _GGUF,
            "text": _FILE,
            "out": _FILE | _MORE,
            "chunks": {"minimum": 0} | _MORE,
            "threads": {"minimum": 0} | _MORE,
        },
    ),
    Form(
        kind="direction",
        room="lab",
        asks=_learning,
        begin=directing.learn,
        hints={
            "model": _MODEL_HERE,
            "positive": {"widget": "contrast"},
            "negative": _FILE,
            "winsor": {"minimum": 0.5, "maximum": 1} | _MORE,
            "limit": {"minimum": 0} | _MORE,
            "threads": {"minimum": 0} | _MORE,
            **dict.fromkeys(("column", "position", "template", "project", "force"), _MORE),
        },
    ),
    Form(
        kind="direction_export",
        room="lab",
        asks=_exporting,
        begin=directing.export,
        hints={"model": _MODEL_HERE, "direction": {"widget": "direction"}, "out": _FILE | _MORE, **_CHOSEN},
    ),
    Form(
        kind="direction_write",
        room="lab",
        asks=_writing,
        begin=directing.write,
        hints={
            "model": _MODEL_HERE,
            "direction": {"widget": "direction"},
            **_CHOSEN,
            **dict.fromkeys(("after", "measure", "probes"), _MORE),
        },
        plots=_quantize_plots,
    ),
    Form(
        kind="direction_search",
        room="lab",
        asks=_searching,
        begin=directing.search,
        hints={
            "model": _GGUF,
            "direction": {"widget": "direction"},
            "trials": {"minimum": 1, "maximum": 2000},
            "prompts": {"minimum": 2, "maximum": 64} | _MORE,
            "tokens": {"minimum": 4, "maximum": 256} | _MORE,
            "seed": {"minimum": 0} | _MORE,
            "harmless": _FILE | _MORE,
            "threads": {"minimum": 0} | _MORE,
            **dict.fromkeys(("attention", "mlp"), _MORE),
        },
    ),
    Form(
        kind="probes",
        room="evals",
        asks=_probing,
        begin=_probe,
        hints={"model": _MODEL_HERE, "against": _MODEL_HERE | {"empty": "alone"}},
    ),
)
FORMS: Mapping[str, Form] = {form.kind: form for form in _ALL}


def form_of(kind: str) -> Form:
    """Raises BadParameter."""
    if kind not in FORMS:
        raise BadParameter("kind", kind, phrase("expected.one_of", names=", ".join(FORMS)))
    return FORMS[kind]


def plots_of(kind: str, result: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What a job's result shows, as `Plot.kept` gives it: its own plots, else those of its form."""
    if own := result.get("plots"):
        return list(own)
    form = FORMS.get(kind)
    return [plot.kept() for plot in form.plots(result)] if form and form.plots and result else []
