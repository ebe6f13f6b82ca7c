"""Well-known models and recommendations as the data that programs read. Knows no screen."""

from __future__ import annotations

import dataclasses
from typing import Any

from fabula.core import texts
from fabula.models.fit.telling import plan_data
from fabula.models.known.entries import FABULA, YOU, Entry
from fabula.models.recommend import Advice, Choice, Wish, why, why_not


def entry_data(entry: Entry, language: str = "en") -> dict[str, Any]:
    """Every field, its words as sentences beside their keys, and who says so."""
    return dataclasses.asdict(entry) | {
        "claims": dict(entry.claims),
        "character_told": [texts.say(f"catalog.character.{word}", language) for word in entry.character],
        "weaknesses_told": [texts.say(f"catalog.weakness.{word}", language) for word in entry.weaknesses],
        "obstacle_told": texts.say(f"catalog.obstacle.{entry.obstacle}", language) if entry.obstacle else "",
    }


def row_data(entry: Entry) -> dict[str, Any]:
    """What a list shows of it."""
    names = ("name", "family", "parameters", "context", "stage", "alignment", "licence", "tasks", "languages")
    return {name: getattr(entry, name) for name in names} | {
        "loadable": not entry.obstacle,
        "fetchable": bool(entry.quantized),
        "own": entry.own,
    }


def who(page: str, language: str) -> str:
    """Who makes a statement, as people read it."""
    return texts.say(f"catalog.says.{page}", language) if page in (FABULA, YOU) else page


def choice_data(choice: Choice, wish: Wish, language: str = "en") -> dict[str, Any]:
    entry = choice.entry
    told: dict[str, Any] = {
        "name": entry.name,
        "source": choice.source,
        "quantization": choice.quantization,
        "size": choice.size,
        "approximate": choice.approximate,
        "parameters": entry.parameters,
        "licence": entry.licence,
        "context": choice.plan.context,
        "largest_context": choice.plan.largest_context,
        "verdict": choice.plan.verdict,
        "tuned": choice.tuned,
        "bits": round(choice.bits, 3),
        "speed": dataclasses.asdict(choice.speed) if choice.speed else None,
        "quicker": _quicker_data(choice),
    }
    if choice.out:
        return told | {"out": choice.out, "why": [why_not(choice, wish).say(language)]}
    return told | {"out": "", "why": [note.say(language) for note in why(choice, wish)]}


def _quicker_data(choice: Choice) -> dict[str, Any] | None:
    other = choice.quicker
    if other is None or other.speed is None:
        return None
    speed = dataclasses.asdict(other.speed)
    return {"source": other.source, "quantization": other.quantization, "size": other.size, "speed": speed}


def advice_data(advice: Advice, wish: Wish, language: str = "en", *, plans: bool = False) -> dict[str, Any]:
    """The rule, the best first, and what was ruled out. With `plans` each comes with its memory plan."""

    def told(choice: Choice) -> dict[str, Any]:
        more = {"plan": plan_data(choice.plan, language)} if plans else {}
        return choice_data(choice, wish, language) | more

    return {
        "rule": texts.say("recommend.rule", language, slowest=wish.slowest),
        "terms": ["tuned", "parameters", "bits"],
        "best": [told(choice) for choice in advice.best],
        "out": [told(choice) for choice in advice.out],
    }
