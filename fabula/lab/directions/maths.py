"""From two clouds of activations to a direction, and how well it tells them apart. Knows no model and no
file.

The difference of the means is the direction. The main component is only a check on it: taken of differences
that were centred, as is common, it loses the very shift that is looked for, so pairs are mirrored instead
(measured: accuracy 0.38 to 1.00 by layer against 1.00; reference in docs/directions.md).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.float32]
Vector = NDArray[np.float64]

TINY = 1e-12
MASSIVE = 100.0  # largest part of a mean by the mean of all: above, a few parts drown the others


@dataclass(frozen=True, slots=True)
class Cloud:
    """Activations of one side at one layer: [prompts, width]."""

    learn: Rows
    held: Rows


@dataclass(frozen=True, slots=True)
class Found:
    """What one layer gave. `direction` has length 1 and leads to the positive side.

    `accuracy` and `separation` (distance of the means by the common spread, d') are of held-out prompts along
    the direction; `threshold` lies in the middle of what was learned from. `component` is the cosine with the
    main component. `distance` is the length of the difference, `size` that of an average activation.
    """

    direction: Vector
    positive_mean: Vector
    negative_mean: Vector
    threshold: float
    accuracy: float
    separation: float
    component: float
    distance: float
    size: float
    massive: float
    projections: tuple[tuple[float, ...], tuple[float, ...]]  # of held-out prompts, either side


def find(positive: Cloud, negative: Cloud, *, project: bool = False, winsor: float = 1.0) -> Found:
    """`project` takes out of the direction what lies along the negative mean; `winsor` is the quantile of
    each prompt's absolute values at which they are cut (1 = nothing is cut)."""
    clouds = [clipped(rows, winsor) for side in (positive, negative) for rows in (side.learn, side.held)]
    learn, held, other, other_held = clouds
    means = learn.mean(axis=0, dtype=np.float64), other.mean(axis=0, dtype=np.float64)
    difference = means[0] - means[1]
    direction = unit(without(difference, means[1]) if project else difference)
    ours, theirs = held @ direction, other_held @ direction
    threshold = float((learn @ direction).mean() + (other @ direction).mean()) / 2
    sizes = np.linalg.norm(np.concatenate([learn, other]), axis=1)
    return Found(
        direction=direction,
        positive_mean=means[0],
        negative_mean=means[1],
        threshold=threshold,
        accuracy=accuracy(ours, theirs, threshold),
        separation=separation(ours, theirs),
        component=float(abs(main_component(learn, other) @ direction)),
        distance=float(np.linalg.norm(difference)),
        size=float(sizes.mean()),
        massive=max(massive(mean) for mean in means),
        projections=(tuple(map(float, ours - threshold)), tuple(map(float, theirs - threshold))),
    )


def clipped(rows: Rows, quantile: float) -> Vector:
    """Each row cut at ± the quantile of its own absolute values (Winsor's rule)."""
    wide = rows.astype(np.float64)
    if quantile >= 1:
        return wide
    limits = np.quantile(np.abs(wide), quantile, axis=1, keepdims=True)
    return np.clip(wide, -limits, limits)


def unit(vector: Vector) -> Vector:
    """Of length 1; nothing stays nothing."""
    length = float(np.linalg.norm(vector))
    return vector / length if length > TINY else np.zeros_like(vector)


def without(vector: Vector, other: Vector) -> Vector:
    """What is left when the part along `other` is taken out; twice, as rounding leaves some of it."""
    along = unit(other)
    for _ in range(2):
        vector = vector - (vector @ along) * along
    return vector


def accuracy(positive: Vector, negative: Vector, threshold: float) -> float:
    """Mean of both sides' shares that lie on their side."""
    return float(((positive > threshold).mean() + (negative < threshold).mean()) / 2)


def separation(positive: Vector, negative: Vector) -> float:
    """d': distance of the means by the root of the mean variance."""
    spread = float(np.sqrt((positive.var() + negative.var()) / 2))
    return float((positive.mean() - negative.mean()) / max(spread, TINY))


def main_component(positive: Vector, negative: Vector) -> Vector:
    """Of both sides around their common middle."""
    middle = (positive.mean(axis=0) + negative.mean(axis=0)) / 2
    return np.asarray(components(np.concatenate([positive, negative]) - middle, 1)[0])


def components(rows: Vector, count: int) -> Vector:
    """The first main components [count, width], by the small side of the matrix."""
    values, vectors = np.linalg.eigh(rows @ rows.T)
    order = np.argsort(values)[::-1][:count]
    made = (vectors[:, order].T @ rows) / np.sqrt(np.maximum(values[order], TINY))[:, None]
    return np.stack([unit(row) for row in made])


def scatter(positive: Rows, negative: Rows) -> tuple[Vector, Vector]:
    """Both sides on their first two main components: [prompts, 2] each."""
    rows = np.concatenate([positive, negative]).astype(np.float64)
    flat = (rows - rows.mean(axis=0)) @ components(rows - rows.mean(axis=0), 2).T
    return flat[: len(positive)], flat[len(positive) :]


def massive(mean: Vector) -> float:
    """The largest part by the mean of all parts, without their signs."""
    parts = np.abs(mean)
    return float(parts.max() / max(float(parts.mean()), TINY))


def between(directions: Vector) -> Vector:
    """Cosine of each layer's direction with the next one's: [layers - 1]."""
    return np.asarray(np.einsum("ld,ld->l", directions[:-1], directions[1:]))


def at(directions: Vector, place: float) -> Vector:
    """The direction at a layer, or between two: their mean by distance, of length 1."""
    low = min(max(int(place), 0), len(directions) - 1)
    high, share = min(low + 1, len(directions) - 1), place - int(place)
    return unit((1 - share) * directions[low] + share * directions[high])
