"""The job kind `direction`: two sets of prompts and a model become a direction. Knows home and shelf, no
HTTP.

What is gathered lies in the home's `directions/.work` until the direction is there: a job that was cut off,
or a new one that wants the same of the same model, goes on there.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fabula import __version__
from fabula.core.errors import BadParameter, DirectUnavailable
from fabula.core.model import LocalModel
from fabula.core.texts import phrase
from fabula.engine.builds import builds
from fabula.engine.direct.loading import obstacle
from fabula.lab.directions import from_gguf, maths, offer, plots, saved
from fabula.lab.directions.activations import Activations
from fabula.lab.directions.contrasts import Contrast, contrast
from fabula.lab.directions.recipe import Recipe, dump
from fabula.lab.directions.saved import Direction, Shelf
from fabula.lab.directions.saying import texts
from fabula.lab.directions.shown import summary
from fabula.lab.quantize.exact import Engine
from fabula.models.catalog import Catalog
from fabula.models.formats.folders import FORMAT as FOLDER
from fabula.models.formats.folders import files_of
from fabula.models.formats.identify import parts_of
from fabula.store.home import Home
from fabula.store.job_child import Report

GGUF = "gguf"
WORK = ".work"
METHOD = 1  # raise it when the same recipe makes other numbers
DEPTH = (
    0.2,
    0.8,
)  # of the layers, where the best one is looked for (Arditi et al. 2024 leave out the last fifth)
REACH = (0.1, 0.9)  # of the layers that are put to use
AS_GOOD = 0.95  # accuracy; where the best layer has less, this share of it
HASHED_WHOLE = 2 << 30  # bytes; of larger models samples are hashed
SAMPLE, SAMPLES = 1 << 16, 256  # bytes, of each file
COMPUTING = "lab.directions.computing"


@dataclass(frozen=True, slots=True)
class Task:
    """One run: everything about it is known but the numbers."""

    recipe: Recipe
    model: LocalModel
    contrast: Contrast
    texts: tuple[str, ...]
    shape: tuple[int, int, int]  # layers, prompts, width


def task(home: Home, recipe: Recipe) -> Task:
    """All that can be refused is refused. Raises ModelNotFound, PromptsUnusable, TemplateRefused, TooCoarse,
    BadParameter, CannotQuantize, DirectUnavailable, DirectionExists."""
    model = Catalog(home.models).find(recipe.model)
    require_readable(model, force=recipe.force)
    found = contrast(recipe.positive, recipe.negative, recipe.column, recipe.limit)
    said = texts(model, found.prompts, template=recipe.template)
    shape = (model.layers, len(said), model.embedding)
    asked = Task(recipe, model, found, tuple(said), shape)
    _require_new(home, asked)
    return asked


def require_readable(model: LocalModel, *, force: bool = False) -> None:
    if model.format not in (GGUF, FOLDER):
        raise BadParameter("model", model.name, phrase("expected.model_here"))
    if model.problem:
        reason = phrase(model.problem, file=model.path.name, name=model.name, size=model.size)
        raise BadParameter("model", model.name, phrase("expected.readable_file", reason=reason))
    if model.format == GGUF:
        if why := obstacle(builds.ours()):
            raise DirectUnavailable(why)
        from_gguf.require_fine(model, force=force)


def _require_new(home: Home, asked: Task) -> None:
    """A direction of the same recipe may be there: a job that was cut off goes on with the rest."""
    shelf = Shelf(home.directions)
    place = shelf.place(asked.recipe.called, anew=False)
    if place.exists() and saved.read(place).told.get("recipe_hash") != asked.recipe.hash:
        shelf.place(asked.recipe.called)
    again = place.exists() or place.with_suffix(".yaml").exists()
    offer.require_free(home, asked.recipe.called, again=again)


# ── doing ───────────────────────────────────────────────────────────────────────────────────────────


def run(home: Home, arguments: dict[str, Any], report: Report) -> dict[str, Any]:
    """Raises as `task` does, and what reading the model raises; or the job's own Cancelled."""
    began = time.monotonic()
    asked = task(home, Recipe.of(arguments))
    work = home.directions / WORK / mark(asked)[:16]
    into = Activations.begin(work, asked.shape, mark(asked))
    gather(home, asked, into, report)
    report.progress(0, 0, "", COMPUTING)
    made, result = learned(home, asked, into)
    dump(home.directions / f"{made.name}.yaml", "direction", asked.recipe.decided)
    result |= offer.offered(home, made, asked.model, report)
    shutil.rmtree(work, ignore_errors=True)
    return result | {"seconds": round(time.monotonic() - began, 1)}


def gather(home: Home, asked: Task, into: Activations, report: Report) -> None:
    """By the way that the model's format has."""
    said, position, threads = asked.texts, asked.recipe.position, asked.recipe.threads
    if asked.model.format == GGUF:
        if into.done < len(said):
            from_gguf.gather(asked.model, said, position, into, Engine.of(home, threads), report)
    elif into.done < into.shape[0]:
        from fabula.lab.directions import streaming

        streaming.gather(asked.model, said, position, into, threads, report)


def mark(asked: Task) -> str:
    """Of everything that the numbers depend on."""
    files = files_of(asked.model.path) if asked.model.path.is_dir() else parts_of(asked.model.path)
    stamps = [(file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in files]
    told = [f"{asked.model.path}", stamps, asked.recipe.position, asked.texts, METHOD]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()


def learned(home: Home, asked: Task, into: Activations) -> tuple[Direction, dict[str, Any]]:
    """The file, and the result of the job."""
    rows = into.rows()
    found = [one_layer(np.asarray(rows[layer]), asked) for layer in range(into.shape[0])]
    directions = np.stack([one.direction for one in found])
    best = best_layer(found)
    sides = _sides(np.asarray(rows[best]), asked)
    shown = plots.of(found, directions, best, *sides)
    told = _told(asked, found, directions, best) | {"plots": shown}
    arrays = {
        "direction": directions,
        "positive": np.stack([one.positive_mean for one in found]),
        "negative": np.stack([one.negative_mean for one in found]),
    }
    place = Shelf(home.directions).place(asked.recipe.called, anew=False)
    saved.write(place, arrays, told)
    return saved.read(place), summary(place.stem, told)


def one_layer(rows: NDArray[np.float32], asked: Task) -> maths.Found:
    """`rows` are [prompts, width]."""
    sides, start = [], 0
    for side in (asked.contrast.positive, asked.contrast.negative):
        middle, end = start + len(side.learn), start + len(side.all)
        sides.append(maths.Cloud(rows[start:middle], rows[middle:end]))
        start = end
    recipe = asked.recipe
    return maths.find(sides[0], sides[1], project=recipe.project != "no", winsor=recipe.winsor)


def _sides(rows: NDArray[np.float32], asked: Task) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    count = len(asked.contrast.positive.all)
    return rows[:count], rows[count:]


def best_layer(found: Sequence[maths.Found]) -> int:
    """The furthest apart among the most accurate ones, neither early nor late."""
    low, high = (round(share * (len(found) - 1)) for share in DEPTH)
    inside = range(low, high + 1)
    return max(inside, key=lambda layer: (round(found[layer].accuracy, 2), found[layer].separation))


def band(found: Sequence[maths.Found], best: int) -> tuple[int, int]:
    """The run of layers around the best one that are about as accurate, or accurate enough."""
    low, high = (round(share * (len(found) - 1)) for share in REACH)
    enough = AS_GOOD if found[best].accuracy >= AS_GOOD else AS_GOOD * found[best].accuracy
    first = last = best
    while first - 1 >= low and found[first - 1].accuracy >= enough:
        first -= 1
    while last + 1 <= high and found[last + 1].accuracy >= enough:
        last += 1
    return first, last


def _told(
    asked: Task, found: Sequence[maths.Found], directions: NDArray[np.float64], best: int
) -> dict[str, Any]:
    """The metadata: what makes the same bytes again, and what was found."""
    beside = [*maths.between(directions), None]
    names = ("accuracy", "separation", "component", "distance", "size", "massive")
    layers: list[dict[str, float | None]] = [
        {
            **{name: round(float(getattr(one, name)), 6) for name in names},
            "next": None if cosine is None else round(float(cosine), 6),
        }
        for one, cosine in zip(found, beside, strict=True)
    ]
    sides = (asked.contrast.positive, asked.contrast.negative)
    return {
        "recipe": asked.recipe.decided,
        "recipe_hash": asked.recipe.hash,
        "model": {
            "name": asked.model.name,
            "architecture": asked.model.architecture,
            "quantization": asked.model.quantization,
            "fingerprint": fingerprint(asked.model),
        },
        "prompts": {
            "hash": asked.contrast.digest(),
            "learned": [len(side.learn) for side in sides],
            "held_out": [len(side.held) for side in sides],
        },
        "versions": {"fabula": __version__, "method": METHOD, "engine": builds.ours().version},
        "best": best,
        "band": list(band(found, best)),
        "layers": layers,
    }


def fingerprint(model: LocalModel) -> str:
    """SHA-256 of the weights; of large ones, of samples of every file, which says so."""
    files = (
        [one for one in files_of(model.path) if one.suffix == ".safetensors"] if model.path.is_dir() else []
    )
    files = files or parts_of(model.path)
    whole = sum(file.stat().st_size for file in files) <= HASHED_WHOLE
    digest = hashlib.sha256()
    for file in files:
        size = file.stat().st_size
        digest.update(f"{size} ".encode())
        with file.open("rb") as opened:
            if whole:
                while block := opened.read(1 << 22):
                    digest.update(block)
            else:
                for number in range(SAMPLES):
                    opened.seek(number * (size // SAMPLES))
                    digest.update(opened.read(SAMPLE))
    return f"{'sha256' if whole else 'sampled-sha256'}:{digest.hexdigest()}"
