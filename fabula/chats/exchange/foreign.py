"""Chats of other programs as trees: text-generation-webui, KoboldCpp, Agnai, Risu, character.ai. PURE.

Where each form was learned from is written in docs/chats.md. What a file says that has no place in a chat is
kept with the chat, as it came.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fabula.chats.exchange.said import Growth, Said, storable, when
from fabula.core.messages import Role

Document = Mapping[str, Any]
OPENING = "<|BEGIN-VISIBLE-CHAT|>"  # text-generation-webui's first question, which nobody asked


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One chat of a file. `kept` is what of it has no place here; `fields` are those of `shelf.FIELDS`."""

    program: str
    title: str
    growth: Growth
    end: str
    user: str = ""
    character: str = ""
    fields: dict[str, Any] = field(default_factory=dict)
    kept: dict[str, Any] = field(default_factory=dict)


def read(name: str, content: bytes) -> list[Found]:
    """The chats of a file; empty for a file of no program that is known. `name` without its ending."""
    try:
        document = json.loads(content.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        return []
    for is_one, take in FORMS:
        if is_one(document):
            return take(name, document)
    return []


def _text(value: Any) -> str:
    return storable(value) if isinstance(value, str) else ""


def _objects(value: Any) -> list[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


class _Teller:
    """Messages one below the other."""

    def __init__(self) -> None:
        self.growth = Growth()
        self.end = ""

    def say(
        self,
        role: Role,
        text: str,
        author: str = "",
        created: float = 0.0,
        others: Iterable[str] = (),
        at: int = 0,
    ) -> None:
        """`others` are its alternatives, between which it stands at place `at`."""
        rest = list(others)
        texts = [*rest[:at], text, *rest[at:]]
        group = [
            self.growth.add(self.end, Said(role=role, author=author, text=each, created=created))
            for each in texts
        ]
        for one in group:
            one.origin = {}
        self.end = group[min(at, len(rest))].id


def _found(
    program: str, title: str, teller: _Teller, document: Document, without: Sequence[str], **more: Any
) -> Found:
    kept = {name: value for name, value in document.items() if name not in without}
    teller.growth.show(teller.end) if teller.end else None
    return Found(program=program, title=title, growth=teller.growth, end=teller.end, kept=kept, **more)


# ── text-generation-webui ───────────────────────────────────────────────────────────────────────────


def _is_webui(document: Any) -> bool:
    if not isinstance(document, dict):
        return False
    pairs = document.get("internal", document.get("data"))
    return isinstance(pairs, list) and all(isinstance(pair, list) and len(pair) == 2 for pair in pairs)


def _webui(name: str, document: Document) -> list[Found]:
    """Pairs of question and answer; "visible" is what extensions made of them. Older files say "data".

    `metadata` has for `user_N` and `assistant_N` a timestamp, the versions, and which of them is shown.
    """
    teller, about = _Teller(), _object(document.get("metadata"))
    pairs = document.get("internal", document.get("data"))
    shown = document.get("visible", document.get("data_visible", pairs))
    if not isinstance(shown, list) or len(shown) != len(pairs or ()):
        shown = pairs
    for number, pair in enumerate(pairs or ()):
        for role, text, seen in zip(("user", "assistant"), pair, shown[number], strict=True):
            plain = _text(text) or _text(seen)
            if plain and plain != OPENING:
                _webui_message(
                    teller,
                    "user" if role == "user" else "assistant",
                    plain,
                    _object(about.get(f"{role}_{number}")),
                )
    character = _text(document.get("character")) or _text(document.get("name2"))
    user = _text(document.get("name1"))
    title = f"{character} {name}".strip()
    held = ("internal", "visible", "data", "data_visible")
    return [_found("text-generation-webui", title, teller, document, held, user=user, character=character)]


def _webui_message(teller: _Teller, role: Role, text: str, about: Document) -> None:
    versions = [_text(one.get("content")) for one in _objects(about.get("versions"))]
    at = about.get("current_version_index")
    if versions and isinstance(at, int) and 0 <= at < len(versions):
        teller.say(role, text, others=[*versions[:at], *versions[at + 1 :]], at=at)
    else:
        teller.say(role, text)


# ── KoboldCpp ───────────────────────────────────────────────────────────────────────────────────────

INPUT, OUTPUT = "{{[INPUT]}}", "{{[OUTPUT]}}"
_PLACES = re.compile(r"\{\{\[(INPUT|OUTPUT)(?:_END)?\]\}\}")
CHATTING = 3  # its mode "chat"; 1 story, 2 adventure, 4 instruct


def _is_kobold(document: Any) -> bool:
    return isinstance(document, dict) and isinstance(document.get("actions"), list) and "prompt" in document


def _kobold(name: str, document: Document) -> list[Found]:
    """A save is one text in pieces. Where it says who speaks it becomes messages, else each piece is one."""
    settings = _object(document.get("savedsettings"))
    user = _text(settings.get("chatname")) or "User"
    others = [one for one in _text(settings.get("chatopponent")).split("||$||") if one]
    pieces = [_text(document.get("prompt")), *(_text(one) for one in document.get("actions", ()))]
    whole = "".join(pieces)
    teller = _Teller()
    if _PLACES.search(whole):
        _by_places(teller, whole, user, others[0] if others else "")
    elif settings.get("opmode") == CHATTING and others:
        _by_names(teller, whole, user, others)
    else:
        for piece in filter(str.strip, pieces):
            teller.say("assistant", piece)
    note = _text(document.get("authorsnote"))
    fields: dict[str, Any] = {"system": memory} if (memory := _text(document.get("memory"))) else {}
    if note:
        fields["story"] = {"note": {"text": note}}
    held = ("actions", "prompt", "memory", "authorsnote")
    character = others[0] if others else ""
    return [_found("KoboldCpp", name, teller, document, held, user=user, character=character, fields=fields)]


def _by_places(teller: _Teller, whole: str, user: str, character: str) -> None:
    parts = _PLACES.split(whole)
    if parts[0].strip():
        teller.say("assistant", parts[0].strip(), character)
    for place, text in zip(parts[1::2], parts[2::2], strict=True):
        if text.strip():
            asks = place == "INPUT"
            teller.say("user" if asks else "assistant", text.strip(), user if asks else character)


def _by_names(teller: _Teller, whole: str, user: str, others: Sequence[str]) -> None:
    names = "|".join(re.escape(one) for one in sorted((user, *others), key=len, reverse=True))
    parts = re.split(rf"(?:^|\n)({names}):", whole)
    if parts[0].strip():
        teller.say("assistant", parts[0].strip(), others[0])
    for speaker, text in zip(parts[1::2], parts[2::2], strict=True):
        if text.strip():
            teller.say("user" if speaker == user else "assistant", text.strip(), speaker)


# ── Agnai ───────────────────────────────────────────────────────────────────────────────────────────


def _is_agnai(document: Any) -> bool:
    rows = document.get("messages") if isinstance(document, dict) else None
    return isinstance(rows, list) and any("msg" in row for row in _objects(rows))


def _agnai(name: str, document: Document) -> list[Found]:
    """`messages` with `msg`, `userId` of a person's, `characterId`, `createdAt`, `retries` (other replies),
    and `parent`, by which they form a tree; the last one ends the shown path."""
    rows = [row for row in _objects(document.get("messages")) if isinstance(row.get("msg"), str)]
    growth, ids = Growth(), dict[str, str]()
    end = ""
    is_tree = any(row.get("parent") in {one.get("_id") for one in rows} for row in rows)
    for row in rows:
        below = ids.get(str(row.get("parent")), "") if is_tree else end
        end = _agnai_message(growth, row, below)
        ids[str(row.get("_id"))] = end
    leaf = ids.get(str(document.get("treeLeafId")), end)
    if leaf:
        growth.show(leaf)
    title = _text(document.get("name")) or name
    kept = {key: value for key, value in document.items() if key != "messages"}
    character = next((_text(row.get("handle")) for row in rows if row.get("characterId")), "")
    user = next((_text(row.get("handle")) for row in rows if row.get("userId")), "")
    return [
        Found(
            program="Agnai", title=title, growth=growth, end=leaf, user=user, character=character, kept=kept
        )
    ]


def _agnai_message(growth: Growth, row: Document, parent: str) -> str:
    role: Role = "user" if row.get("userId") else "assistant"
    author = _text(row.get("handle"))
    rest = {key: value for key, value in row.items() if key not in ("msg", "retries", "handle")}
    said = Said(role=role, author=author, text=_text(row.get("msg")), created=when(row.get("createdAt")))
    said.origin = {"agnai": rest}
    growth.add(parent, said)
    for other in row.get("retries") or () if isinstance(row.get("retries"), list) else ():
        if _text(other):
            growth.add(
                parent, Said(role=role, author=author, text=_text(other), created=said.created, origin={})
            )
    return said.id


# ── Risu ────────────────────────────────────────────────────────────────────────────────────────────


def _is_risu(document: Any) -> bool:
    return isinstance(document, dict) and document.get("type") in ("risuChat", "risuAllChats")


def _risu(name: str, document: Document) -> list[Found]:
    """`data` is a chat, or of `risuAllChats` a list of them: `message` = [{role, data, time, name, saying}],
    `note`, `localLore`, `scriptstate` …"""
    data = document.get("data")
    return [
        _risu_chat(name, chat) for chat in (_objects(data) if isinstance(data, list) else [_object(data)])
    ]


def _risu_chat(name: str, chat: Document) -> Found:
    teller = _Teller()
    for row in _objects(chat.get("message")):
        role: Role = "user" if row.get("role") == "user" else "assistant"
        teller.say(role, _text(row.get("data")), _text(row.get("name")), when(row.get("time")))
        rest = {key: value for key, value in row.items() if key not in ("data", "role", "name")}
        teller.growth.all[teller.end].origin = {"risu": rest}
    note = _text(chat.get("note"))
    fields: dict[str, Any] = {"story": {"note": {"text": note}}} if note else {}
    title = _text(chat.get("name")) or name
    return _found("Risu", title, teller, chat, ("message", "note", "name"), fields=fields)


# ── character.ai ────────────────────────────────────────────────────────────────────────────────────


def _is_cai(document: Any) -> bool:
    if not isinstance(document, dict):
        return False
    histories = _object(document.get("histories")).get("histories", document.get("histories"))
    return isinstance(histories, list) or bool(_objects(document.get("turns")))


def _cai(name: str, document: Document) -> list[Found]:
    """Dumps of CAI Tools: `histories.histories` = [{msgs: [{src: {is_human, name}, text}]}]; and the
    service's own `turns` = [{author: {is_human, name}, candidates: [{raw_content}], …}]."""
    about = _object(document.get("info")) or _object(document.get("character"))
    character = _text(_object(about.get("character")).get("name")) or _text(about.get("name"))
    title = character or name
    if turns := _objects(document.get("turns")):
        return [_cai_turns(title, character, turns, document)]
    histories = _object(document.get("histories")).get("histories", document.get("histories"))
    rows = [_objects(one.get("msgs")) for one in _objects(histories)]
    return [_cai_history(title, character, msgs) for msgs in rows if msgs]


def _cai_history(title: str, character: str, msgs: Sequence[Document]) -> Found:
    teller, user = _Teller(), ""
    for msg in msgs:
        source = _object(msg.get("src"))
        human = bool(source.get("is_human"))
        user = _text(source.get("name")) if human else user
        author = _text(source.get("name")) or ("" if human else character)
        teller.say("user" if human else "assistant", _text(msg.get("text")), author, when(msg.get("created")))
    return _found("character.ai", title, teller, {}, (), user=user, character=character)


def _cai_turns(title: str, character: str, turns: Sequence[Document], document: Document) -> Found:
    """The service lists turns newest first; the shown candidate may be any of them."""
    teller, user = _Teller(), ""
    for turn in sorted(turns, key=lambda turn: str(turn.get("create_time", ""))):
        author = _object(turn.get("author"))
        human = bool(author.get("is_human"))
        user = _text(author.get("name")) if human else user
        candidates = _objects(turn.get("candidates"))
        texts = [_text(one.get("raw_content")) for one in candidates]
        ids = [one.get("candidate_id") for one in candidates]
        primary = turn.get("primary_candidate_id")
        at = ids.index(primary) if primary in ids else 0
        if texts:
            role: Role = "user" if human else "assistant"
            rest = [*texts[:at], *texts[at + 1 :]]
            teller.say(role, texts[at], _text(author.get("name")), when(turn.get("create_time")), rest, at)
    return _found("character.ai", title, teller, document, ("turns",), user=user, character=character)


Take = Callable[[str, Document], list[Found]]
FORMS: tuple[tuple[Callable[[Any], bool], Take], ...] = (
    (_is_risu, _risu),
    (_is_kobold, _kobold),
    (_is_cai, _cai),
    (_is_agnai, _agnai),
    (_is_webui, _webui),
)
