"""What a learned direction becomes at once: an adapter and a control vector on their shelves. Knows no
HTTP."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fabula.core.errors import BadParameter
from fabula.core.model import LocalModel
from fabula.engine.vectors import Vectors
from fabula.lab.directions import lora
from fabula.lab.directions.saved import Direction
from fabula.lab.directions.use import Use, steering
from fabula.store.home import Home
from fabula.store.job_child import Report

GGUF = "gguf"


def offered(home: Home, direction: Direction, model: LocalModel, report: Report) -> dict[str, Any]:
    """Names of what was made; of a folder's direction only what needs no engine."""
    told: dict[str, Any] = {"vector": vector(home, direction, model, Use()), "adapter": ""}
    if model.format == GGUF:
        told["adapter"] = adapter(home, direction, model, Use(), report)["name"]
    return told


def adapter(
    home: Home, direction: Direction, model: LocalModel, use: Use, report: Report, name: str = ""
) -> dict[str, Any]:
    """A LoRA on the shelf of adapters, under the direction's name or another; one of that name that was made
    of a direction is replaced. Raises BadParameter for another's name."""
    direction.require_fit(model)
    file = home.adapters / f"{name or direction.name}.gguf"
    _require_ours(file)
    made = lora.gguf(model, direction, use, file, report)
    return made | {"name": file.stem}


def _require_ours(file: Path) -> None:
    from fabula.core.texts import phrase
    from fabula.models.formats.gguf import BadHeader, read_header

    if not file.exists():
        return
    try:
        ours = lora.MADE_BY in read_header(file).metadata
    except BadHeader:
        ours = False
    if not ours:
        raise BadParameter("name", file.stem, phrase("expected.new_name"))


def vector(home: Home, direction: Direction, model: LocalModel, use: Use, name: str = "") -> str:
    """A control vector of that name; "" where the model has no layer that can be steered."""
    rows = {layer: [float(value) for value in row] for layer, row in steering(direction, use).items()}
    if not rows:
        return ""
    vectors = Vectors(home.vectors)
    called = name or direction.name
    if any(one.name == called for one in vectors.list()):
        vectors.remove(called)
    return vectors.make(called, rows, model.architecture).name
