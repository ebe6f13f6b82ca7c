"""`fabula show MODEL`. Knows how a model and its memory plan are shown, not how they are found."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fabula.cli import screen
from fabula.cli.client import segment
from fabula.cli.list import count
from fabula.cli.options import HomeOption, JsonOption, ModelArgument
from fabula.cli.studio import connect
from fabula.cli.words import language, say
from fabula.core.texts import as_bytes

if TYPE_CHECKING:
    from fabula.models.formats.inspecting import Inspection


def show(model: ModelArgument, home: HomeOption = None, json: JsonOption = False) -> None:
    if Path(model).expanduser().exists() or re.match(r"^(hf|hub|ms|https?):", model):
        return describe(inspected(model, home), model, json=json)
    with connect(home) as studio:
        found = studio.get(f"/models/{segment(model)}")
    if json:
        return screen.json_lines([found])
    plan = found["plan"]
    screen.pairs([*about(found), ("", ""), *memory(plan)])
    for sentence in (*plan["reasons"], *plan["warnings"]):
        screen.note(sentence)
    return None


def inspected(target: str, home: Path | None) -> Inspection:
    """What a file or folder says of itself, or a model in a repository; it need not be on the shelf."""
    from fabula.models.formats import inspecting

    path = Path(target).expanduser()
    if path.exists():
        return inspecting.inspect(path)
    from fabula.models.sources.peek_folder import look
    from fabula.store.home import Home

    return look(target, Home.locate(home).headers)


def describe(found: Inspection, target: str, *, json: bool) -> None:
    from fabula.models.formats.identify import problem_sentence

    problem = problem_sentence(found.model, language())
    if json:
        notes = [note.say(language()) for note in found.notes]
        data = dataclasses.asdict(found) | {"notes": notes, "problem": problem}
        data["model"] |= {"path": target, "problem": problem}
        return screen.json_lines([data])
    screen.pairs([(say(f"cli.columns.{name}"), value) for name, value in told(found).items() if value])
    for sentence in (problem, *(note.say(language()) for note in found.notes)):
        if sentence:
            screen.note(sentence)
    return None


def told(found: Inspection) -> dict[str, str]:
    model, total = found.model, sum(row.size for row in found.types)
    active = found.active_parameters if found.active_parameters != model.parameters else 0
    types = (f"{row.name} {row.size / total:.0%}" for row in found.types if total)
    packed = f"{found.method} {found.bits:.3g} bpw" if found.method else model.quantization
    return {
        "name": model.title or model.name,
        "kind": say(f"cli.show.kinds.{found.kind.replace(' ', '_')}"),
        "architecture": model.architecture,
        "parameters": count(model.parameters) + (f" ({count(active)})" if active else ""),
        "quantization": f"{model.quantization} ({packed})" if model.quantization != packed else packed,
        "types": ", ".join(types),
        "size": as_bytes(model.size),
        "context": f"{model.trained_context:,}" if model.trained_context else "",
        "vocabulary": f"{model.vocabulary:,}" if model.vocabulary else "",
        "template": say("cli.show.yes" if model.chat_template else "cli.show.no"),
        "licence": model.licence,
        "base_models": ", ".join(found.base_models),
        "missing": ", ".join(found.missing),
    }


def about(model: dict[str, Any]) -> list[tuple[str, str]]:
    """What the file says of itself; what it does not say is left out."""
    rows = {
        "name": model["name"],
        "title": model["title"],
        "problem": model["problem"],
        "architecture": model["architecture"],
        "parameters": count(model["parameters"]),
        "quantization": model["quantization"],
        "size": as_bytes(model["size"]),
        "context": f"{model['trained_context']:,}" if model["trained_context"] else "",
        "template": say("cli.show.yes" if model["has_chat_template"] else "cli.show.no"),
        "languages": ", ".join(model["languages"]),
        "licence": model["licence"],
        "file": model["path"],
        "engine": model["engine"]["reason"],
        "options": ", ".join(f"{name} = {value}" for name, value in model["options"].items()),
    }
    return [(say(f"cli.columns.{name}"), value) for name, value in rows.items() if value]


def memory(plan: dict[str, Any], *, elsewhere: bool = False) -> list[tuple[str, str]]:
    """How it would be loaded here, or on another machine, device by device."""
    tier = say(f"cli.tier.{plan['tier'].replace(' ', '_')}")
    verdict = say(f"cli.verdict.{plan['verdict']}")
    rows = [
        (
            say(f"cli.columns.verdict{'_elsewhere' if elsewhere else ''}"),
            say("cli.show.verdict", verdict=verdict, tier=tier),
        ),
        (say("cli.columns.context"), context(plan)),
    ]
    for device in plan["devices"]:
        parts = {name: device[name] for name in ("weights", "kv", "compute", "output", "reserve", "beside")}
        split = ", ".join(say(f"cli.show.{name}", size=size) for name, size in parts.items() if size)
        total = say("cli.show.memory", total=device["total"], available=device["available"])
        name = say("cli.columns.memory") if device["name"] == "memory" else device["name"]
        rows.append((name, f"{total} ({split})"))
    return rows


def context(plan: dict[str, Any]) -> str:
    if plan["slots"] == 1:
        return say("cli.show.context_one", tokens=plan["context"])
    return say("cli.show.context", tokens=plan["context"], slots=plan["slots"])
