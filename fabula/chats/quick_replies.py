"""SillyTavern's quick replies: sets of buttons, each with a text or a few commands. Knows no HTTP.

A set is kept as its file says (reference: QuickReplySet of SillyTavern 1.19, version 2), so that it goes out
as it came in, but for what was edited here. Of its scripts a small part is run here: texts, and the commands
of `COMMANDS` in a row, with macros. A reply with anything else is kept and told, and does nothing.
"""

from __future__ import annotations

import builtins  # in QuickReplies, `list` lists them
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any, Literal

from fabula.chats import items
from fabula.chats.items import Item, Links
from fabula.chats.reply_rows import EMPTY_SET, Row, with_rows
from fabula.core.errors import BadParameter, RepliesNotFound
from fabula.core.texts import phrase
from fabula.store.database import Database

Act = Literal["send", "insert", "continue", "swipe", "reply", "impersonate", "set_variable"]
COMMANDS: Mapping[str, Act] = {
    "send": "send",
    "setinput": "insert",
    "continue": "continue",
    "cont": "continue",
    "swipe": "swipe",
    "trigger": "reply",
    "impersonate": "impersonate",
    "imp": "impersonate",
    "setvar": "set_variable",
}
LIMIT = 8 << 20  # bytes of a file
MOST_STEPS = 32  # of one reply
_COMMAND = re.compile(r"/(?P<name>[a-zA-Z?-]+)(?P<rest>.*)", re.DOTALL)
_NAMED = re.compile(r'\s*(?P<name>[A-Za-z]+)=(?:"(?P<quoted>[^"]*)"|(?P<plain>[^\s"]+))')
_STRANGE = re.compile(r"\{:|:\}|\{\{(?:pipe|arg|var)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One thing that a reply does; `name` is that of a variable."""

    act: Act
    text: str = ""
    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class QuickReply:
    """`at` is its place in its set, from 0; `unknown` names what of its script is not run here: then it has
    no steps."""

    at: int
    label: str
    title: str
    message: str
    hidden: bool
    steps: tuple[Step, ...] = ()
    unknown: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplySet:
    """`sends`: its texts are sent; else they are put where the person writes."""

    id: str
    revision: int
    name: str
    everywhere: bool
    sends: bool
    replies: tuple[QuickReply, ...]


class QuickReplies:
    """What asks for an owner shows no set of anyone else."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list(self, owner: str) -> builtins.list[ReplySet]:
        found = await self._database.read(lambda c: items.listed(c, owner, "replies", whole=True))
        return [set_of(one) for one in found]

    async def get(self, owner: str, id: str) -> ReplySet:
        """Raises RepliesNotFound."""
        return set_of(await self._item(owner, id))

    async def file(self, owner: str, id: str) -> dict[str, Any]:
        """As SillyTavern reads it."""
        return dict((await self._item(owner, id)).document)

    async def take(self, owner: str, file: str, content: bytes, *, everywhere: bool = True) -> ReplySet:
        """From the bytes of a file; the same set is not taken twice. Raises BadParameter."""
        document = read(file, content)
        mark = _mark(document)
        for one in await self._database.read(lambda c: items.listed(c, owner, "replies", whole=True)):
            if _mark(one.document) == mark:
                return set_of(one)
        name = str(document.get("name") or PurePath(file).stem)
        links = Links(everywhere=everywhere)
        size = len(document["qrList"])
        made = await self._database.write(
            lambda c: items.add(c, owner, "replies", name, document, links, size=size)
        )
        return set_of(made)

    async def make(
        self, owner: str, name: str, rows: Sequence[Row], *, sends: bool = True, everywhere: bool = True
    ) -> ReplySet:
        """A new set of one's own. Raises BadParameter."""
        document = with_rows({**EMPTY_SET, "name": name, "disableSend": not sends}, rows)
        links = Links(everywhere=everywhere)
        made = await self._database.write(
            lambda c: items.add(c, owner, "replies", name, document, links, size=len(rows))
        )
        return set_of(made)

    async def change(
        self,
        owner: str,
        id: str,
        revision: int,
        *,
        name: str | None = None,
        rows: Sequence[Row] | None = None,
        sends: bool | None = None,
        everywhere: bool | None = None,
    ) -> ReplySet:
        """Other values; `rows` are all its replies in their order.

        Raises RepliesNotFound, ItemChanged, BadParameter.
        """
        before = await self._item(owner, id)
        document = dict(before.document)
        document |= {} if name is None else {"name": name}
        document |= {} if sends is None else {"disableSend": not sends}
        document = document if rows is None else with_rows(document, rows)
        fields: dict[str, Any] = {"document": document, "size": len(document.get("qrList") or ())}
        fields |= {} if name is None else {"name": name}
        fields |= {} if everywhere is None else {"links": Links(everywhere=everywhere)}
        after = await self._database.write(lambda c: items.change(c, owner, before, revision, **fields))
        return set_of(after)

    async def remove(self, owner: str, id: str) -> None:
        item = await self._item(owner, id)
        await self._database.write(lambda c: items.remove(c, owner, item.id))

    async def of_chat(self, owner: str, wanted: Sequence[str]) -> builtins.list[ReplySet]:
        """Those that hold in all chats, and those that a chat names."""
        return [one for one in await self.list(owner) if one.everywhere or one.id in wanted]

    async def _item(self, owner: str, id: str) -> Item:
        found = await self._database.read(lambda c: items.find(c, owner, "replies", id))
        if found is None:
            raise RepliesNotFound(id)
        return found


def read(file: str, content: bytes) -> dict[str, Any]:
    """A set as SillyTavern writes it. Raises BadParameter."""
    try:
        found = json.loads(content[:LIMIT].decode("utf-8-sig"))
    except (ValueError, RecursionError):
        found = None
    rows = found.get("qrList", found.get("quickReplySlots")) if isinstance(found, dict) else None
    if not isinstance(rows, builtins.list):
        raise BadParameter("file", file, phrase("expected.quick_replies"))
    assert isinstance(found, dict)
    return found | {"qrList": [_row(one) for one in rows if isinstance(one, dict)]}


def _row(row: Mapping[str, Any]) -> dict[str, Any]:
    """Version 1 called the text `mes`."""
    return {**row, "message": str(row.get("message", row.get("mes", "")))}


def _mark(document: Mapping[str, Any]) -> str:
    text = json.dumps(document, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def set_of(item: Item) -> ReplySet:
    sends = item.document.get("disableSend") is not True
    rows = item.document.get("qrList") or ()
    return ReplySet(
        id=item.id,
        revision=item.revision,
        name=item.name,
        everywhere=item.links.everywhere,
        sends=sends,
        replies=tuple(_reply(at, row, sends=sends) for at, row in enumerate(rows)),
    )


def _reply(at: int, row: Mapping[str, Any], *, sends: bool) -> QuickReply:
    message = str(row.get("message") or "")
    steps, unknown = steps_of(message, sends=sends)
    return QuickReply(
        at=at,
        label=str(row.get("label") or message[:40]),
        title=str(row.get("title") or ""),
        message=message,
        hidden=row.get("isHidden") is True,
        steps=tuple(steps),
        unknown=tuple(unknown),
    )


def steps_of(message: str, *, sends: bool) -> tuple[builtins.list[Step], builtins.list[str]]:
    """What a message does, in order; and what of it is not run here, in which case nothing is done.

    `sends`: a plain text is sent; else it is put where the person writes.
    """
    text = message.strip()
    if not text:
        return [], []
    if not text.startswith("/"):
        return [Step(act="send" if sends else "insert", text=message)], []
    if strange := _STRANGE.findall(text):
        return [], sorted(set(strange))
    found = [_command(part) for part in _parts(text)]
    unknown = [one for one in found if isinstance(one, str)]
    steps = [one for one in found if isinstance(one, Step)]
    return ([], unknown) if unknown or len(steps) > MOST_STEPS else (steps, [])


def _parts(text: str) -> builtins.list[str]:
    """Commands stand behind bars; a bar with a backslash before it is one of the text."""
    return [part.replace("\\|", "|").strip() for part in re.split(r"(?<!\\)\|", text) if part.strip()]


def _command(part: str) -> Step | str:
    """The step, or the name of what is not known."""
    match = _COMMAND.fullmatch(part)
    name = match["name"].lower() if match else part[:20]
    if match is None or name not in COMMANDS:
        return f"/{name}" if match else name
    act, rest = COMMANDS[name], match["rest"]
    named: dict[str, str] = {}
    while found := _NAMED.match(rest):
        named[found["name"]] = found["quoted"] if found["quoted"] is not None else found["plain"]
        rest = rest[found.end() :]
    known = {"set_variable": {"key"}, "reply": {"await"}, "continue": {"await"}, "impersonate": {"await"}}
    if strange := set(named) - known.get(act, set()):
        return f"/{name} {sorted(strange)[0]}="
    rest = rest.strip()
    if act == "set_variable" and not named.get("key"):
        return f"/{name}"
    if act in ("continue", "swipe", "reply", "impersonate") and rest:
        return f"/{name} {rest[:20]}"
    return Step(act=act, text=rest, name=named.get("key", ""))
