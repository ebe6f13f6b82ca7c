"""What can be told before a job begins: own prompts, counted; which models can; what an edit would touch.

Knows no HTTP and begins nothing.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fabula.core.errors import BadParameter, CannotAdd, FabulaError, ModelExists, PromptsUnusable
from fabula.core.model import LocalModel
from fabula.core.texts import phrase
from fabula.lab.directions import adding, bias_files
from fabula.lab.directions.contrasts import READERS, read
from fabula.lab.directions.learn import require_readable
from fabula.lab.directions.saved import Direction, Shelf
from fabula.lab.directions.search.job import require_searchable
from fabula.lab.directions.use import Use
from fabula.lab.directions.weights import GgufWeights, open_weights
from fabula.lab.directions.write import Order, Writing, order, require_fine, work
from fabula.models.catalog import Catalog
from fabula.models.formats.folders import files_of
from fabula.models.formats.identify import parts_of
from fabula.store.files import write_atomic, writing
from fabula.store.home import Home

PROMPTS = "prompts"  # of the home's directions
LONGEST = 16 << 20  # characters of a text that is pasted
SHOWN, SHORT = 3, 300  # prompts that are shown; characters of each

Json = dict[str, Any]


def place_of(home: Home, text: str, ending: str, title: str) -> Path:
    """Where a pasted text lies once it is kept; the same text at the same place. Raises BadParameter,
    PromptsUnusable."""
    endings = [name.lstrip(".") for name in READERS if name != ".parquet"]
    if ending not in endings:
        raise BadParameter("ending", ending[:40], phrase("expected.one_of", names=", ".join(endings)))
    if len(text) > LONGEST:
        raise PromptsUnusable(title, phrase("lab.directions.too_large", limit=LONGEST))
    return home.directions / PROMPTS / f"{hashlib.sha256(text.encode()).hexdigest()[:16]}.{ending}"


def counted(source: str, column: str = "", title: str = "") -> Json:
    """`prompts` are all, `different` those that count, of which a third is held out.
    Raises PromptsUnusable."""
    try:
        found = read(source, column)
    except PromptsUnusable as wrong:
        raise PromptsUnusable(title or source, wrong.reason) from wrong
    different = {f"{prompt}" for prompt in found}
    held = len(different) // 3
    examples = [f"{prompt[-1]['content']}"[:SHORT] for prompt in found[:SHOWN]]
    sizes = {"prompts": len(found), "different": len(different), "held_out": held}
    return {**sizes, "learned": len(different) - held, "examples": examples}


def pasted(home: Home, text: str, ending: str = "txt", column: str = "", title: str = "") -> Json:
    """Counted as it is. Raises as `place_of` and `counted` do."""
    place = place_of(home, text, ending, title)
    with tempfile.TemporaryDirectory(prefix="fabula-") as folder:
        file = Path(folder, place.name)
        file.write_text(text, encoding="utf-8")
        return counted(str(file), column, title) | {"path": ""}


def kept(home: Home, text: str, ending: str = "txt", column: str = "", title: str = "") -> Json:
    """Counted, and kept as a file that recipes can name. Raises as `pasted` does, StoreUnwritable."""
    told, place = pasted(home, text, ending, column, title), place_of(home, text, ending, title)
    with writing(place):
        place.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(place, text.encode(), 0o600)
    return told | {"path": str(place)}


# ── models ──────────────────────────────────────────────────────────────────────────────────────────


def choices(home: Home, name: str = "") -> list[tuple[LocalModel, dict[str, FabulaError | None]]]:
    """Each model with why it cannot be learned from (`learn`); of a direction also why it cannot be heard
    (`try`), taken out of the weights (`write`) or added in them (`add`) there. Raises DirectionNotFound."""
    direction = Shelf(home.directions).find(name) if name else None
    return [(model, _asked(model, direction)) for model in Catalog(home.models).list() if not model.pooling]


def _asked(model: LocalModel, direction: Direction | None) -> dict[str, FabulaError | None]:
    if direction is None:
        return {"learn": _refusal(lambda: require_readable(model))}
    wanted = direction
    unfit = _refusal(lambda: wanted.require_fit(model))
    return {
        "try": unfit,
        "search": unfit or _refusal(lambda: require_searchable(model)),
        "write": unfit or _refusal(lambda: _writable(model)),
        "add": unfit or _refusal(lambda: _addable(model, wanted)),
    }


def _refusal(check: Callable[[], object]) -> FabulaError | None:
    try:
        check()
    except FabulaError as wrong:
        return wrong
    return None


def _writable(model: LocalModel) -> None:
    require_readable(model, force=True)
    with open_weights(model) as weights:
        layers = [writer for writer in weights.writers if writer.layer is not None]
        if isinstance(weights, GgufWeights) and layers:
            require_fine(model.name, weights, layers)


def _addable(model: LocalModel, direction: Direction) -> None:
    """Raises CannotAdd only where no place of a layer would do."""
    with bias_files.opened(model) as numbers:
        try:
            adding.planned(numbers, direction, Use(), "layer")
        except CannotAdd as wrong:
            if _refusal(lambda: adding.planned(numbers, direction, Use(), "attention")):
                raise wrong from None


# ── an edit ─────────────────────────────────────────────────────────────────────────────────────────


def foreseen(home: Home, wishes: Writing) -> Json:
    """What would be touched, and how much is written. Raises as `write.order` does, and ModelExists also
    where the same order made it."""
    asked = order(home, wishes)
    if asked.product.result:
        raise ModelExists(asked.name)
    if wishes.adds:
        return _foreseen_addition(asked)
    with open_weights(asked.model) as weights:
        touched = wishes.use.touched(weights.writers, asked.direction)
    layers = [writer.layer for writer in touched if writer.layer is not None]
    parts = Counter(writer.component for writer in touched)
    return {
        "name": asked.name,
        "tensors": len(touched),
        "parts": dict(sorted(parts.items())),
        "layers": [min(layers), max(layers)] if layers else [],
        "numbers": sum(_size(writer.shape) for writer in touched),
        "size": _size_of(asked.model),
    }


def _foreseen_addition(asked: Order) -> Json:
    wishes = asked.wishes
    with bias_files.opened(asked.model) as numbers:
        steered = adding.planned(numbers, asked.direction, wishes.use, wishes.after).steered
    parts = Counter("attention" if "attn" in place.name else "mlp" for place in steered)
    with work(asked) as made:
        grown = sum(file.size - file.source.stat().st_size for file in made.edit.files)
    return {
        "name": asked.name,
        "tensors": len(steered),
        "parts": dict(sorted(parts.items())),
        "layers": [steered[0].layer, steered[-1].layer],
        "numbers": sum(_size(place.shape) for place in steered),
        "size": _size_of(asked.model) + grown,
    }


def _size_of(model: LocalModel) -> int:
    """Bytes of all its files."""
    files = files_of(model.path) if model.path.is_dir() else parts_of(model.path)
    return sum(file.stat().st_size for file in files)


def _size(shape: tuple[int, ...]) -> int:
    count = 1
    for length in shape:
        count *= length
    return count
