"""Core types as the objects of docs/api.md. Knows no route."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Mapping
from typing import Any

from fabula.app import Studio
from fabula.app.forms import FORMS
from fabula.chats.records import Change, Chat, Page
from fabula.core import texts
from fabula.core.errors import BadParameter
from fabula.core.model import LocalModel
from fabula.core.plan import Plan, off
from fabula.core.texts import Phrase
from fabula.core.worker import Running
from fabula.engine.builds.builds import Build, installed, ours
from fabula.engine.builds.builds import table as build_table
from fabula.engine.choice import ENGINES
from fabula.engine.parsing import families
from fabula.engine.remote.kinds import LABELS
from fabula.engine.remote.remotes import Remote
from fabula.models.formats.identify import problem_sentence
from fabula.models.starter import STARTER
from fabula.models.suggestions import Suggestion
from fabula.prompt.template import takes_tools
from fabula.server.native.errors import retold
from fabula.store.jobs import Job, as_data
from fabula.store.studio import announced
from fabula.turn import telling
from fabula.turn.looking import Looked

Json = dict[str, Any]


def plain(value: Any) -> Json:
    """A dataclass as it is: its field names are the API's."""
    return dataclasses.asdict(value)


def chat(studio: Studio, row: Chat) -> Json:
    return plain(row) | {"turn_id": studio.replies.turn_of(row.id)}


def change(studio: Studio, made: Change, language: str) -> Json:
    return told(plain(made), language) | {"chat": chat(studio, made.chat)}


def page(found: Page, language: str, shown: Mapping[str, str] | None = None) -> Json:
    """`shown` has other texts to show, by message, where regex scripts want that."""
    texts = shown or {}
    rows = [
        told(message | ({"shown": texts[message["id"]]} if message["id"] in texts else {}), language)
        for message in (plain(one) for one in found.messages)
    ]
    return plain(dataclasses.replace(found, messages=[])) | {"messages": rows}


def prompt(model: str, looked: Looked) -> Json:
    """A prompt that is only looked at. Of lore, every entry is named, and why it is told or not."""
    plan = looked.plan
    return {
        "model": model,
        "layout": looked.layout,
        "tokens": plan.tokens,
        "context": looked.context,
        "reply_room": looked.reply_room,
        "estimated": looked.estimated,
        "cut_messages": plan.cut_messages,
        "broke": telling.broke(plan.broke),
        "fixed": list(looked.fixed),
        "segments": [segment._asdict() for segment in plan.segments],
        "lore": [
            {
                "entry": one.entry.id,
                "label": one.entry.comment or ", ".join(one.entry.keys),
                "told": one.fired,
                "reason": one.reason,
                "key": one.key,
                "tokens": one.tokens,
            }
            for one in looked.verdicts
        ],
        "text": looked.text,
    }


def told(data: Json, language: str) -> Json:
    """A message, version, change or event of a turn, with sentences in the reader's language."""
    if facts := data.get("facts"):
        data = data | {"facts": _told_facts(facts, language)}
    inner = {
        name: told(data[name], language) for name in ("change", "message") if isinstance(data.get(name), dict)
    }
    return data | inner


def _told_facts(facts: Json, language: str) -> Json:
    if isinstance(problem := facts.get("form_problem"), dict):
        facts = facts | {"form_problem": Phrase.of(problem).say(language)}
    exact = facts.get("exact") or {}
    if isinstance(why := exact.get("why"), dict):
        facts = facts | {"exact": exact | {"why": Phrase.of(why).say(language)}}
    return facts


def model(studio: Studio, row: LocalModel, language: str) -> Json:
    loaded = {running.model: running for running in studio.supervisor.running()}
    runs = row.name if row.name in loaded else row.base  # a derived model runs in its base's engine
    shown = ("name", "title", "format", "architecture", "parameters", "quantization", "size")
    more = ("trained_context", "licence", "languages")
    return {name: getattr(row, name) for name in (*shown, *more)} | {
        "has_chat_template": bool(row.chat_template),
        "thinks": families.detect(row.chat_template) is not None,
        "takes_tools": bool(row.chat_template) and takes_tools(row.chat_template),
        "pooling": row.pooling,
        "fills_gaps": bool(row.infill),
        "sees_images": bool(row.projector) or "images" in (row.elsewhere.abilities if row.elsewhere else ()),
        "is_starter": row.name == STARTER.name,
        "loaded": runs in loaded,
        "busy": loaded[runs].busy if runs in loaded else 0,
        "problem": problem_sentence(row, language),
        "problem_kind": row.problem.removeprefix("models.problem."),
        "path": "" if row.elsewhere else str(row.path),
        "elsewhere": elsewhere(row, language),
        "place": row.place,
        "base": row.base,
    }


def elsewhere(row: LocalModel, language: str) -> Json | None:
    """Which server runs it, and how far a text goes."""
    if row.elsewhere is None:
        return None
    shown = {name: getattr(row.elsewhere, name) for name in ("server", "kind", "host", "reach")}
    return shown | {
        "note": texts.say(f"models.elsewhere.{row.elsewhere.reach}", language, host=row.elsewhere.host)
    }


def remote(studio: Studio, row: Remote) -> Json:
    """A server; never its key."""
    answer, shown = studio.shelf.remotes.answer(row.name), ("name", "url", "kind", "at_a_time")
    return {name: getattr(row, name) for name in shown} | {
        "label": LABELS[row.kind],
        "host": row.place.host,
        "reach": answer.reach,
        "has_key": studio.shelf.remotes.has_key(row.name),
        "is_encrypted": row.place.is_encrypted,
        "patterns": list(row.models),
        "models": [
            model.name
            for model in studio.shelf.remotes.models()
            if model.elsewhere and model.elsewhere.server == row.name
        ],
        "asked_at": answer.at,
    }


def plan(row: Plan, language: str) -> Json:
    devices = [plain(device) | {"total": device.total} for device in row.devices]
    return plain(row) | {
        "devices": devices,
        "total": row.total,
        "available": row.available,
        "reasons": [note.say(language) for note in row.reasons],
        "warnings": [note.say(language) for note in row.warnings],
    }


def running(row: Running, language: str) -> Json:
    shown = ("model", "pid", "busy", "waiting", "loaded_at", "expires_at", "memory", "engine")
    return {name: getattr(row, name) for name in shown} | {
        "plan": plan(row.plan, language),
        "measured": dict(row.measured),
        "reported": {name: dict(parts) for name, parts in row.reported.items()},
        "off": off(row.plan, row.reported),
        "why": row.why.say(language) if row.why else "",
    }


def engine(studio: Studio, row: LocalModel, language: str) -> Json:
    """Which engine would run a model, and why; or why none can."""
    names = [each.name for each in ENGINES]
    try:
        choice = studio.shelf.engine_of(row)
    except BadParameter as impossible:
        return {"name": "", "reason": impossible.sentence(language), "choices": names}
    return {"name": choice.engine, "reason": choice.reason.say(language), "choices": names}


def engines(studio: Studio) -> Json:
    """Fabula's own build first, then those that are installed, then those that can be."""
    used = studio.settings.engine_build
    here = [ours(), *installed(studio.home.engines)]
    names = {build.name for build in here}
    table = build_table(studio.home.engines)
    absent = [kind.name for kind in table.kinds.values() if sys.platform in kind.systems]
    rows = [plain(build) | {"installed": True, "in_use": build.name == used} for build in here]
    more = [plain(Build(name=name, version=table.version)) for name in absent if name not in names]
    return {"builds": rows + [row | {"installed": False, "in_use": False} for row in more], "in_use": used}


def job(row: Job, language: str) -> Json:
    return job_data(as_data(row), language)


def job_data(data: Json, language: str) -> Json:
    """A job as events carry it, its error told in the reader's language."""
    return data | {"error": retold(data["error"], language)} if data["error"] else data


def suggestion(row: Suggestion, language: str) -> Json:
    return plain(row) | {"why": row.why.say(language)}


def _addresses(studio: Studio) -> Json:
    """Where the studio is reached from this machine, and at which well-known ports of other programs too."""
    info = announced(studio.home)
    return {"studio": info.address, "also": dict(info.also)} if info else {"studio": "", "also": {}}


def system(studio: Studio, language: str) -> Json:
    names = {model.name: model for model in studio.shelf.catalog.list()}
    starter = names.get(STARTER.name)
    return {
        "version": studio.version,
        "began": studio.opened_at,
        "home": str(studio.home.path),
        "languages": list(texts.LANGUAGES),
        "starter": {"present": starter is not None, "name": STARTER.name, "size": STARTER.size},
        "machine": plain(studio.planning.machine()),
        "running": [running(row, language) for row in studio.supervisor.running()],
        "addresses": _addresses(studio),
        "rooms": sorted({form.room for form in FORMS.values()}),
        "appearance": {"shared": studio.look.shared(), "style": studio.look.stamp()},
        "reach": plain(studio.reach()),
        "suggestions": [suggestion(row, language) for row in studio.suggestions(language)],
    }
