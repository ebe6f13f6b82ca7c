"""What a search may choose, and what it tries next. Knows no model but its number of layers, and no engine.

Optuna's tree of Parzen estimators proposes (Bergstra et al. 2011; for several aims Ozaki et al. 2022). What
comes next follows from the trials before and one seed alone, so a search that was cut off goes on as if it
had not been.
"""

from __future__ import annotations

import hashlib
import importlib.util
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fabula.core.errors import ExtraMissing
from fabula.lab.directions.search.recipe import Goal
from fabula.lab.directions.use import Scope
from fabula.lab.directions.writers import Component

if TYPE_CHECKING:
    from fabula.lab.directions.search.trials import Trial

SCOPES: tuple[Scope, ...] = ("global", "layers")
RANDOM = 16  # trials that are drawn before anything is learned from them
DEPTH = (
    0.2,
    0.8,
)  # of the layers from which a global direction may come, as where the best one is looked for
MIDDLE = (0.1, 1.0)  # of the layers where a ramp may have its peak
LEAST_REACH, REACH = 0.5, 0.6  # layers, and share of the layers: a ramp always covers at least one
STRONGEST = 1.5
DIGITS = 3
OPTUNA = "optuna"
SMALLEST = 1e-6  # nats: below, a cost is nothing

Parameters = dict[str, Any]
Range = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Space:
    layers: int
    goal: Goal
    parts: tuple[Component, ...]

    @property
    def ranges(self) -> dict[str, Range]:
        """By name. A ramp's floor is a share of its peak."""
        last = max(self.layers - 1, 1)
        found: dict[str, Range] = {"layer": (DEPTH[0] * last, DEPTH[1] * last)}
        for part in self.parts:
            found[f"{part}_peak"] = (0.0, STRONGEST) if self.goal == "remove" else (-STRONGEST, 0.0)
            found[f"{part}_floor"] = (0.0, 1.0)
            found[f"{part}_middle"] = (MIDDLE[0] * last, MIDDLE[1] * last)
            found[f"{part}_reach"] = (LEAST_REACH, max(REACH * last, 1.0))
        return {name: (round(low, DIGITS), round(high, DIGITS)) for name, (low, high) in found.items()}

    def usual(self, best: int, band: tuple[int, int], scope: Scope) -> Parameters:
        """What would be done without a search: the same strength at all layers that were found good."""
        peak = 1.0 if self.goal == "remove" else -1.0
        wanted: Parameters = {"layer": best}
        for part in self.parts:
            middle, reach = (band[0] + band[1]) / 2, (band[1] - band[0]) / 2
            values = {"peak": peak, "floor": 1.0, "middle": middle, "reach": reach}
            wanted |= {f"{part}_{name}": value for name, value in values.items()}
        inside = {name: min(max(float(wanted[name]), low), high) for name, (low, high) in self.ranges.items()}
        return {"scope": scope} | inside

    def chosen(self, parameters: Parameters) -> dict[str, Any]:
        """As the fields of `use.Chosen` that say how a direction is put to use."""
        told: dict[str, Any] = {"scope": parameters["scope"], "strength": 1.0}
        if parameters["scope"] == "global":
            told["layer"] = parameters["layer"]
        for part in ("attention", "mlp"):
            told[part] = part in self.parts
            if part in self.parts:
                told[f"{part}_ramp"] = _ramp({key: parameters[f"{part}_{key}"] for key in _RAMP})
        return told


_RAMP = ("peak", "floor", "middle", "reach")


def _ramp(values: Mapping[str, float]) -> dict[str, float]:
    return {**values, "floor": round(values["peak"] * values["floor"], 2 * DIGITS)}


def seed_of(seed: int, number: int) -> int:
    """Of one trial."""
    return int.from_bytes(hashlib.sha256(f"{seed}:{number}".encode()).digest()[:4], "big")


def proposed(space: Space, before: Sequence[Trial], seed: int) -> Parameters:
    """What to try after these trials; silent ones teach nothing."""
    optuna = library()
    distributions = {
        "scope": optuna.distributions.CategoricalDistribution(SCOPES),
        **{name: optuna.distributions.FloatDistribution(*ends) for name, ends in space.ranges.items()},
    }
    sampler = optuna.samplers.TPESampler(
        seed=seed, multivariate=True, n_startup_trials=RANDOM, constant_liar=False
    )
    study = optuna.create_study(sampler=sampler, directions=["minimize", "minimize"])
    study.add_trials(
        [
            optuna.trial.create_trial(
                params=trial.parameters, distributions=distributions, values=aims(space.goal, trial)
            )
            for trial in before
            if not trial.is_silent
        ]
    )
    found = study.ask(distributions).params
    return {name: value if isinstance(value, str) else round(value, DIGITS) for name, value in found.items()}


def aims(goal: Goal, trial: Trial) -> tuple[float, float]:
    """Both to be small. Costs lie orders of magnitude apart, so it is their logarithm."""
    trait = trial.trait if goal == "remove" else -trial.trait
    return trait, math.log10(max(trial.kl, SMALLEST))


def require_library(name: str) -> None:
    """Without reading its code, which the studio has no need of. `name` is the model's. Raises
    ExtraMissing."""
    if importlib.util.find_spec(OPTUNA) is None:
        raise ExtraMissing(name, "lab", OPTUNA)


def library() -> Any:
    """Optuna, quiet."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna
