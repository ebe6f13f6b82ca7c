"""A plan as the data that programs read: bytes, tokens, names. Knows no screen."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from fabula.core.plan import Plan
from fabula.models.fit.asking import Answer
from fabula.models.fit.speed import Speed


def plan_data(plan: Plan, language: str = "en") -> dict[str, Any]:
    """Every field of the plan, its sums, and its notes as sentences."""
    data: dict[str, Any] = dataclasses.asdict(plan)
    return data | {
        "devices": [dataclasses.asdict(device) | {"total": device.total} for device in plan.devices],
        "total": plan.total,
        "available": plan.available,
        "reasons": [note.say(language) for note in plan.reasons],
        "warnings": [note.say(language) for note in plan.warnings],
    }


def answer_data(
    answer: Answer, arguments: Sequence[str] = (), language: str = "en", speed: Speed | None = None
) -> dict[str, Any]:
    """A plan with what was planned: the model as its header describes it, and how the engine is told."""
    model = answer.model
    shown = ("name", "title", "architecture", "parameters", "quantization", "size", "trained_context")
    return {
        "model": {name: getattr(model, name) for name in shown},
        "layers": answer.layers,
        "plan": plan_data(answer.plan, language),
        "arguments": list(arguments),
        "requests": answer.requests,
        "hints": [hint.say(language) for hint in answer.hints],
        "speed": dataclasses.asdict(speed) if speed else None,
    }
