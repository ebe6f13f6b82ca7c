"""Every control of the sampling as data: its family, what a slider covers, and where it does nothing.

What each one is called and does are the texts `sampling.NAME.title` and `sampling.NAME.about`; what may be
set at all are `core.sampling.RANGES`. Pure: knows no engine and no view, needs no numpy.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from fabula.core.sampling import NEUTRAL, RANGES, TYPES
from fabula.engine.sampling.needs import NEEDS
from fabula.engine.sampling.order import OFF

Family = Literal["cut", "heat", "repeat", "end", "words", "form", "guidance", "thinking", "order"]
Kind = Literal[
    "number", "whole", "switch", "either", "choice", "text", "long_text", "texts", "ids", "biases", "steps"
]


@dataclass(frozen=True, slots=True)
class Knob:
    """`low`, `high` and `step` are a slider's, which covers what people use; without one, `high` is None.

    With the value `neutral` it does nothing; None where there is no such value. It does nothing either until
    one of the knobs that it `needs` is set. `everyday` ones come first.
    """

    name: str
    family: Family
    low: float = 0.0
    high: float | None = None
    step: float = 1.0
    neutral: Any = None
    needs: tuple[str, ...] = ()
    everyday: bool = False
    kind: Kind = "number"

    @property
    def default(self) -> Any:
        return NEUTRAL[self.name]

    @property
    def limits(self) -> tuple[float, float] | None:
        """What is accepted."""
        return RANGES.get(self.name)


_NEUTRAL: dict[str, Any] = {name: value for values in OFF.values() for name, value in values.items()}
_KINDS: dict[str, Kind] = {
    "float": "number",
    "int": "whole",
    "int | None": "whole",
    "bool": "switch",
    "bool | None": "either",
    "str": "text",
    "tuple[str, ...]": "texts",
    "tuple[int, ...]": "ids",
    "tuple[tuple[int, float], ...]": "biases",
}


def _knob(name: str, family: Family, *slider: float, **more: Any) -> Knob:
    low, high, step = slider if slider else (0.0, None, 1.0)
    more = {"neutral": _NEUTRAL.get(name), "kind": _KINDS[TYPES[name]], "needs": NEEDS.get(name, ())} | more
    return Knob(name, family, low, high, step, **more)


KNOBS = (
    _knob("temperature", "heat", 0, 2, 0.05, everyday=True),
    _knob("min_p", "cut", 0, 0.5, 0.01, everyday=True),
    _knob("top_p", "cut", 0, 1, 0.01, everyday=True),
    _knob("repetition_penalty", "repeat", 1, 1.5, 0.01, everyday=True),
    _knob("dry_multiplier", "repeat", 0, 2, 0.05, everyday=True),
    _knob("max_tokens", "end", everyday=True),
    _knob("seed", "end", everyday=True),
    # which words are left out
    _knob("top_k", "cut", 0, 200, 1),
    _knob("typical_p", "cut", 0, 1, 0.01),
    _knob("top_n_sigma", "cut", 0, 5, 0.1),
    _knob("tfs", "cut", 0, 1, 0.01),
    _knob("top_a", "cut", 0, 1, 0.01),
    _knob("epsilon_cutoff", "cut", 0, 20, 0.5),
    _knob("eta_cutoff", "cut", 0, 40, 1),
    # how surprising
    _knob("xtc_probability", "heat", 0, 1, 0.05),
    _knob("xtc_threshold", "heat", 0, 0.5, 0.01),
    _knob("dynatemp_range", "heat", 0, 2, 0.05),
    _knob("dynatemp_exponent", "heat", 0, 4, 0.1, neutral=1.0),
    _knob("smoothing_factor", "heat", 0, 4, 0.05),
    _knob("smoothing_curve", "heat", 1, 4, 0.05, neutral=1.0),
    _knob("mirostat", "heat", kind="choice"),
    _knob("mirostat_tau", "heat", 0, 10, 0.1),
    _knob("mirostat_eta", "heat", 0, 1, 0.01),
    _knob("adaptive_target", "heat", 0, 1, 0.01),
    _knob("adaptive_decay", "heat", 0, 0.99, 0.01),
    # against repetition
    _knob("repetition_window", "repeat", 0, 4096, 64, neutral=0),
    _knob("repetition_slope", "repeat", 0, 2, 0.05, neutral=1.0),
    _knob("presence_penalty", "repeat", -2, 2, 0.05),
    _knob("frequency_penalty", "repeat", -2, 2, 0.05),
    _knob("encoder_repetition_penalty", "repeat", 0.8, 1.5, 0.01),
    _knob("no_repeat_ngram", "repeat", 0, 20, 1),
    _knob("dry_base", "repeat", 1, 4, 0.05),
    _knob("dry_allowed_length", "repeat", 0, 20, 1),
    _knob("dry_window", "repeat"),
    _knob("dry_sequence_breakers", "repeat"),
    _knob("loop_count", "repeat", 0, 50, 1, neutral=0),
    _knob("loop_length", "repeat", 1, 256, 1),
    # where a reply ends
    _knob("stop", "end", neutral=()),
    _knob("min_tokens", "end", 0, 1000, 10, neutral=0),
    _knob("ignore_eos", "end", neutral=False),
    # words
    _knob("banned_strings", "words", neutral=()),
    _knob("banned_regexes", "words", neutral=()),
    _knob("banned_tokens", "words", neutral=()),
    _knob("logit_bias", "words", neutral=()),
    # the form of the reply
    _knob("grammar", "form", kind="long_text", neutral=""),
    _knob("json_schema", "form", kind="long_text", neutral=""),
    _knob("regex", "form", neutral=""),
    # away from something
    _knob("guidance_scale", "guidance", 0, 4, 0.1, neutral=1.0),
    _knob("negative_prompt", "guidance", kind="long_text", neutral=""),
    # thinking
    _knob("think", "thinking"),
    _knob("think_effort", "thinking", neutral=""),
    _knob("think_budget", "thinking"),
    _knob("keep_reasoning", "thinking", neutral=False),
    # the order of the steps
    _knob("sampler_order", "order", kind="steps", neutral=()),
)

FAMILIES: tuple[Family, ...] = (
    *("cut", "heat", "repeat", "end", "words", "form", "guidance", "thinking", "order"),
)
"""What they are called are the texts `sampling.families.NAME`."""

APART = frozenset({"logprobs", "adapters", "control_vectors"})
"""Fields of `Sampling` that are no knobs: one changes no text, the others are traits of a model."""

BY_NAME = {knob.name: knob for knob in KNOBS}


def tried(name: str) -> dict[str, Any]:
    """Values with which the knob does something, to ask an engine whether it would heed it."""
    knob = BY_NAME[name]
    values = {name: _other(knob)}
    return tried(knob.needs[0]) | values if knob.needs else values


def _other(knob: Knob) -> Any:
    """A value that is neither the default nor neutral."""
    if knob.kind in ("number", "whole"):
        low, high = knob.limits or (0, 1)
        middle = [low, (low + (knob.high or high)) / 2, knob.high or high, low + knob.step]
        fitting = [int(value) if knob.kind == "whole" else value for value in middle]
        return next(value for value in fitting if value not in (knob.default, knob.neutral))
    examples = {"switch": True, "either": True, "choice": 1, "texts": ("text",), "ids": (1,)}
    more: dict[str, Any] = {"biases": ((1, 1.0),), "steps": ("min_p",), "text": "a", "long_text": "a"}
    return (examples | more)[knob.kind]
