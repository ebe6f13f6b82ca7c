"""What a learned direction becomes at once: an adapter and a control vector on their shelves.

Also the job kind `direction_export`, which makes one of them anew, or a folder for PEFT. Knows no HTTP.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from fabula.core.errors import BadParameter
from fabula.core.model import LocalModel
from fabula.core.texts import phrase
from fabula.engine.vectors import Vectors
from fabula.lab.directions import lora, outputs
from fabula.lab.directions.saved import Direction, Shelf, require_name
from fabula.lab.directions.use import Chosen, Use, added, steering
from fabula.models.catalog import Catalog
from fabula.models.formats.gguf import BadHeader, read_header
from fabula.store.home import Home
from fabula.store.job_child import Report

GGUF = "gguf"
As = Literal["adapter", "vector", "peft"]
_PARTS: dict[str, Any] = {"attention": True, "mlp": True, "embeddings": False}
_RAMPS: dict[str, Any] = {"attention_ramp": None, "mlp_ramp": None}
UNHEARD: dict[str, dict[str, Any]] = {
    "adapter": {"keep_norms": False, "out": ""},
    "vector": {"keep_norms": False, "out": "", **_PARTS, **_RAMPS},
    "peft": {"keep_norms": False},
}
"""What says nothing to a form, and what it is where nobody says anything: adapters are of rank 1, vectors lie
at the ends of layers, as strong at each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exporting(Chosen):
    """`form` is what is made; `out` a folder of this machine for PEFT ("" = beside the direction)."""

    form: As = "adapter"
    out: str = ""

    def __post_init__(self) -> None:
        if self.form not in get_args(As):
            names = ", ".join(get_args(As))
            raise BadParameter("form", f"{self.form}"[:80], phrase("expected.one_of", names=names))
        for name, usual in UNHEARD[self.form].items():
            if getattr(self, name) != usual:
                reason = phrase("expected.unheard", beside=self.form)
                raise BadParameter(name, f"{getattr(self, name)}"[:80], reason)


def ready(home: Home, asked: Exporting) -> tuple[Direction, LocalModel]:
    """All that can be refused is refused. Raises ModelNotFound, DirectionNotFound, DirectionUnfit,
    BadParameter."""
    if asked.name:
        require_name(asked.name)
    if asked.out:
        lora.require_free(asked.out)
    model = Catalog(home.models).find(asked.model)
    direction = Shelf(home.directions).find(asked.direction)
    direction.require_fit(model)
    asked.use.span(direction)
    if asked.form == "vector":
        added(direction, asked.use)
    return direction, model


def run(home: Home, arguments: dict[str, Any], report: Report) -> dict[str, Any]:
    """Raises as `ready` does, UnknownWriter, WeightsUnusable."""
    asked, began = Exporting.of(arguments), time.monotonic()
    direction, model = ready(home, asked)
    told: dict[str, Any] = {"direction": direction.name, "model": model.name, "form": asked.form}
    if asked.form == "adapter":
        told |= adapter(home, direction, model, asked.use, report, asked.name)
    elif asked.form == "vector":
        told["name"] = vector(home, direction, model, asked.use, asked.name)
    else:
        name = asked.name or f"{direction.name}-peft"
        folder = Path(asked.out).expanduser() if asked.out else home.directions / name
        told |= lora.peft(model, direction, asked.use, folder, report) | {"name": name}
    return told | {"seconds": round(time.monotonic() - began, 1)}


def offered(home: Home, direction: Direction, model: LocalModel, report: Report) -> dict[str, Any]:
    """Names of what was made."""
    made = vector(home, direction, model, Use())
    return {"vector": made, "adapter": adapter(home, direction, model, Use(), report)["name"]}


def require_free(home: Home, name: str, *, again: bool) -> None:
    """Raises BadParameter where an adapter or a control vector has the name; `again` (there is a direction of
    it, or there was): where a person made or took in what has it."""
    file = home.adapters / f"{name}.gguf"
    _require_ours(file)
    _require_our_vector(home, name)
    if not again and (file.exists() or (home.vectors / f"{name}.gguf").exists()):
        raise BadParameter("name", name, phrase("expected.new_name"))


def adapter(
    home: Home, direction: Direction, model: LocalModel, use: Use, report: Report, name: str = ""
) -> dict[str, Any]:
    """On the shelf of adapters, under the direction's name or another: a LoRA for a GGUF, of outputs for a
    folder. One that was made of a direction is replaced. Raises BadParameter for another's name."""
    direction.require_fit(model)
    file = home.adapters / f"{name or direction.name}.gguf"
    _require_ours(file)
    make = lora.gguf if model.format == GGUF else outputs.adapter
    made = make(model, direction, use, file, report)
    return made | {"name": file.stem}


def _require_ours(file: Path) -> None:
    if not file.exists():
        return
    try:
        ours = lora.MADE_BY in read_header(file).metadata
    except BadHeader:
        ours = False
    if not ours:
        raise BadParameter("name", file.stem, phrase("expected.new_name"))


def vector(home: Home, direction: Direction, model: LocalModel, use: Use, name: str = "") -> str:
    """A control vector of that name, in place of one that was made of a direction; "" where no layer can be
    steered. Raises BadParameter for another's name."""
    rows = {layer: [float(value) for value in row] for layer, row in steering(direction, use).items()}
    if not rows:
        return ""
    vectors = Vectors(home.vectors)
    called = name or direction.name
    if _require_our_vector(home, called):
        vectors.remove(called)
    return vectors.make(called, rows, model.architecture, direction.recipe_hash).name


def _require_our_vector(home: Home, name: str) -> bool:
    """Whether there is one of that name. Raises BadParameter where no direction made it."""
    found = next((one for one in Vectors(home.vectors).list() if one.name == name), None)
    if found and not found.is_learned:
        raise BadParameter("name", name, phrase("expected.new_name"))
    return found is not None
