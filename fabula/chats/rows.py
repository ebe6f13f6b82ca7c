"""Reading and writing single rows of chats. Knows the tables, not what a change means."""

from __future__ import annotations

import sys
import time
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Row, Select, bindparam, func, insert, select, update

from fabula.chats.records import Reason
from fabula.chats.tree import Node, Pointer, Tree
from fabula.core.errors import ChatNotFound, MessageNotFound, StaleRevision
from fabula.core.messages import Role
from fabula.store import search
from fabula.store.ids import new_id
from fabula.store.schema.chats import chats, messages, versions

OF_CHATS = ("title", "model", "system", "sampling", "character_id", "persona", "story", "folder")
PLACES = ("parent_id", "position")
OF_MESSAGES = ("version_id", "hidden", "shown_id", "checkpoint", "left_out", *PLACES)
POINTERS = {"chats": (chats, {"head_id", *OF_CHATS}), "messages": (messages, set(OF_MESSAGES))}
KIND = "message"  # of what is searched
TITLE = "chat"  # the same, of titles
BATCH = 5000  # ids in one query; SQLite takes 32,766
CHUNK = 64  # messages that are climbed at first; the next climb goes on eight times as far

# Built once: making a statement takes several times as long as running it.
_CHAT = select(chats).where(chats.c.id == bindparam("id"), chats.c.owner_id == bindparam("owner"))
_MESSAGE = select(messages).where(
    messages.c.id == bindparam("id"),
    messages.c.chat_id == bindparam("chat"),
    messages.c.owner_id == bindparam("owner"),
)


def find_chat(connection: Connection, owner: str, id: str, trashed: bool = False) -> Row[Any]:
    """The chat's row, of one in the trash only when that is wanted. Raises ChatNotFound."""
    row = connection.execute(_CHAT, {"id": id, "owner": owner}).first()
    if row is None or (row.deleted_at is not None and not trashed):
        raise ChatNotFound(id)
    return row


def expect(connection: Connection, owner: str, id: str, revision: int) -> Row[Any]:
    """The chat's row, if its caller saw it as it is. Raises StaleRevision."""
    row = find_chat(connection, owner, id)
    if row.revision != revision:
        raise StaleRevision(id, revision, row.revision)
    return row


def find_message(connection: Connection, chat: Row[Any], message_id: str) -> Row[Any]:
    """The row of a message of this chat, hidden or not. Raises MessageNotFound."""
    names = {"id": message_id, "chat": chat.id, "owner": chat.owner_id}
    row = connection.execute(_MESSAGE, names).first()
    if row is None:
        raise MessageNotFound(message_id)
    return row


def read_tree(connection: Connection, chat: Row[Any], id: str, *more: str) -> Tree:
    """As much of the chat's tree as a change at a message needs: it, its alternatives, what follows it, and
    the way up from it to the shown path. `more` are other messages whose alternatives are needed."""
    way, shown = _meeting(connection, chat, id)
    return Tree(chat.id, chat.head_id, [*way, *_around(connection, chat, [id, *more])], shown)


def with_descent(connection: Connection, chat: Row[Any], tree: Tree, id: str) -> Tree:
    """With what is below a message, down to where it was left."""
    return tree.grow(*_descent(connection, chat, id))


def read_head(connection: Connection, chat: Row[Any], parent_id: str) -> Tree:
    """For growing at the head, which is most common, the head is enough of the tree."""
    if parent_id != chat.head_id:
        return read_tree(connection, chat, parent_id)
    query = _NODES.where(messages.c.id == chat.head_id, messages.c.chat_id == chat.id)
    return Tree(chat.id, chat.head_id, (Node(*row) for row in connection.execute(query)))


def _around(connection: Connection, chat: Row[Any], ids: Sequence[str]) -> list[Node]:
    named = _nodes(connection, chat, messages.c.id.in_(ids))
    parents = {ids[0], *(node.parent_id for node in named)}
    # two questions: for one with an "or" SQLite reads all messages of the chat
    below = _nodes(connection, chat, messages.c.parent_id.in_(parents))
    return [*below, *_nodes(connection, chat, messages.c.id.in_(parents))]


def _nodes(connection: Connection, chat: Row[Any], *conditions: Any) -> list[Node]:
    mine = messages.c.chat_id == chat.id, messages.c.owner_id == chat.owner_id
    return [Node(*row) for row in connection.execute(_NODES.where(*mine, *conditions)).all()]


def _descent(connection: Connection, chat: Row[Any], id: str) -> list[Node]:
    """Below a message: each child that was shown last, and all children where it is deleted or none was."""
    found: list[Node] = []
    while True:
        walked = [Node(*row) for row in connection.execute(_DOWN, {"chat": chat.id, "start": id}).all()]
        last = walked[-1].id if walked else id
        below = _nodes(connection, chat, messages.c.parent_id == last) if last else []
        found += walked + below
        visible = [node for node in below if not node.hidden]
        if not visible:
            return found
        id = max(visible, key=lambda node: node.position).id


def _meeting(connection: Connection, chat: Row[Any], id: str) -> tuple[list[Node], set[str]]:
    """The way up from a message to the shown path, and what of that path is beside the way."""
    ends = {node.id: node for node in _nodes(connection, chat, messages.c.id.in_([id, chat.head_id]))}
    if id not in ends or chat.head_id not in ends:
        return list(ends.values()) if id not in ends else climb(connection, chat, id, 0), {chat.head_id} & {
            *ends
        }
    low, step = min(node.depth for node in ends.values()), CHUNK
    while True:
        above = max(low - step, 0)
        way = climb(connection, chat, id, above)
        names = {"chat": chat.id, "start": chat.head_id, "above": above, "below": low}
        shown = set[str](connection.scalars(_UP_BETWEEN, names).all())
        if not above or any(node.id in shown for node in way):
            return [*way, ends[chat.head_id]], shown | {chat.head_id}
        step *= 8


def climb(connection: Connection, chat: Row[Any], id: str, above: int) -> list[Node]:
    """A message and those before it, down to a depth (exclusive)."""
    return climb_in(connection, chat.id, id, above)


def climb_in(connection: Connection, chat_id: str, id: str, above: int) -> list[Node]:
    names = {"chat": chat_id, "start": id, "above": above}
    return [Node(*row) for row in connection.execute(_UP, names).all()]  # one by one takes twice as long


def first(connection: Connection, chat: Row[Any], id: str) -> str:
    """The first message of the way up from a message, "" where there is none."""
    return connection.scalar(_FIRST, {"chat": chat.id, "start": id, "above": 0}) or ""


_COLUMNS = tuple(messages.c[name] for name in ("id", "parent_id", "position", "hidden", "shown_id", "depth"))
_NODES = select(*_COLUMNS)


def _up() -> tuple[Select[Any], Select[Any], Select[Any]]:
    """The whole nodes of a way up; only the ids of a stretch of it, however far down it begins; and only the
    id at its top."""
    mine = messages.c.chat_id == bindparam("chat"), messages.c.depth > bindparam("above")
    first = _NODES.where(messages.c.id == bindparam("start"), *mine).cte("up", recursive=True)
    walk = first.union_all(_NODES.join(first, messages.c.id == first.c.parent_id).where(*mine))
    stretch = select(walk.c.id).where(walk.c.depth <= bindparam("below"))
    return select(walk), stretch, select(walk.c.id).where(walk.c.parent_id == "")


def _down() -> Select[Any]:
    mine = messages.c.chat_id == bindparam("chat"), ~messages.c.hidden
    walk = _NODES.where(messages.c.id == bindparam("start"), *mine).cte("down", recursive=True)
    shown = (messages.c.id == walk.c.shown_id) & (messages.c.parent_id == walk.c.id)
    return select(walk.union_all(_NODES.join(walk, shown).where(*mine)))


(_UP, _UP_BETWEEN, _FIRST), _DOWN = _up(), _down()


def insert_message(
    connection: Connection,
    chat: Row[Any],
    parent_id: str,
    role: Role,
    author: str,
    version_id: str,
    id: str = "",
) -> Node:
    """A new message, out of sight until a change shows it."""
    columns = messages.c
    siblings = select(func.max(columns.position)).where(
        columns.chat_id == chat.id, columns.parent_id == parent_id
    )
    last = connection.scalar(siblings)
    depth = connection.scalar(select(columns.depth).where(columns.id == parent_id)) or 0
    node = Node(id or new_id(), parent_id, 0 if last is None else last + 1, hidden=True)
    connection.execute(
        insert(messages).values(
            id=node.id,
            owner_id=chat.owner_id,
            chat_id=chat.id,
            parent_id=parent_id,
            position=node.position,
            depth=depth + 1,
            role=role,
            author=author,
            created_at=time.time(),
            version_id=version_id,
            hidden=True,
            shown_id="",
        )
    )
    return node


def copy_messages(connection: Connection, chat: Row[Any], ids: Sequence[str], parent_id: str) -> list[Node]:
    """The same messages once more, one below the other from a parent on, each with the version that is shown.
    The first of them is out of sight until a change shows it."""
    found = {row.id: row for row in _in_batches(connection, _COPIED, ids)}
    siblings = select(func.max(messages.c.position)).where(
        messages.c.chat_id == chat.id, messages.c.parent_id == parent_id
    )
    last = connection.scalar(siblings)
    depth = connection.scalar(select(messages.c.depth).where(messages.c.id == parent_id)) or 0
    new = [new_id() for _ in ids]
    rows_of: dict[str, list[dict[str, Any]]] = {"messages": [], "versions": []}
    for number, id in enumerate(ids):
        row, version_id = found[id], new_id()
        place = {"id": new[number], "owner_id": chat.owner_id, "chat_id": chat.id, "version_id": version_id}
        place |= {"parent_id": new[number - 1] if number else parent_id, "depth": depth + number + 1}
        place |= {
            "position": 0 if number or last is None else last + 1,
            "hidden": not number,
            "checkpoint": "",
        }
        place |= {"shown_id": new[number + 1] if number + 1 < len(ids) else "", "left_out": row.left_out}
        said = {name: row._mapping[name] for name in ("role", "author", "created_at", "origin")}
        rows_of["messages"].append(place | said)
        text = {name: row._mapping[name] for name in _TOLD} | {"turn_id": None, "created_at": time.time()}
        kept = {"id": version_id, "owner_id": chat.owner_id, "message_id": new[number]}
        rows_of["versions"].append(text | kept)
    insert_all(connection, chat, rows_of["messages"], rows_of["versions"])
    return [
        Node(row["id"], row["parent_id"], row["position"], row["hidden"], row["shown_id"], row["depth"])
        for row in rows_of["messages"]
    ]


def insert_all(
    connection: Connection,
    chat: Row[Any],
    new_messages: Sequence[dict[str, Any]],
    new_versions: Sequence[dict[str, Any]],
) -> None:
    """Many at once, with all of their columns; each message is found by the version that it shows."""
    if not new_messages:
        return
    connection.execute(insert(messages), new_messages)
    connection.execute(insert(versions), new_versions)
    shown = {row["version_id"] for row in new_messages}
    written = [(row["message_id"], row["text"], "") for row in new_versions if row["id"] in shown]
    search.put_new(connection, KIND, chat.owner_id, written)


_TOLD = ("text", "reason", "tokenizer", "facts", "token_ids", "reasoning", "reasoning_ids")
_COPIED = select(
    *(messages.c[name] for name in ("id", "role", "author", "created_at", "left_out", "origin")),
    *(versions.c[name] for name in _TOLD),
).join(versions, versions.c.id == messages.c.version_id)


def _in_batches(connection: Connection, query: Select[Any], ids: Sequence[str]) -> Iterator[Row[Any]]:
    for start in range(0, len(ids), BATCH):
        yield from connection.execute(query.where(messages.c.id.in_(ids[start : start + BATCH])))


def insert_version(
    connection: Connection,
    owner: str,
    message_id: str,
    id: str,
    text: str,
    reason: Reason,
    turn_id: str | None = None,
    token_ids: Sequence[int] = (),
    tokenizer: str = "",
    facts: dict[str, Any] | None = None,
    reasoning: str = "",
    reasoning_ids: Sequence[int] = (),
) -> None:
    connection.execute(
        insert(versions).values(
            id=id,
            owner_id=owner,
            message_id=message_id,
            turn_id=turn_id,
            text=text,
            reason=reason,
            tokenizer=tokenizer,
            facts=facts,
            created_at=time.time(),
            token_ids=pack(token_ids),
            reasoning=reasoning,
            reasoning_ids=pack(reasoning_ids),
        )
    )
    if connection.scalar(select(messages.c.version_id).where(messages.c.id == message_id)) == id:
        search.put(connection, KIND, message_id, owner, text)


def turn_message(connection: Connection, owner: str, turn_id: str) -> str | None:
    """The message that a turn has written, if it has been taken in."""
    query = select(versions.c.message_id).where(versions.c.turn_id == turn_id, versions.c.owner_id == owner)
    return connection.scalar(query)


def apply(connection: Connection, chat: Row[Any], pointers: Iterable[Pointer]) -> None:
    """Other values for fields, each row at once, in a transaction that also calls `touch`: messages keep the
    revision that comes of it. Those that change places are taken out of all places first: two of them may
    change with each other."""
    changed: dict[tuple[str, str], dict[str, Any]] = {}
    for pointer in pointers:
        changed.setdefault((pointer.table, pointer.id), {})[pointer.field] = pointer.after
    moved = {id: values for (_, id), values in changed.items() if not values.keys().isdisjoint(PLACES)}
    if moved:
        _place(connection, chat, moved)
    for (table, id), values in changed.items():
        if rest := {name: value for name, value in values.items() if name not in PLACES}:
            _set(connection, chat, table, id, rest)
        if "version_id" in values:
            _find_by(connection, chat, id, values["version_id"])
        if table == "chats" and "title" in values:
            search.put(connection, TITLE, chat.id, chat.owner_id, "", values["title"])
    if moved:
        _settle_depths(connection, chat, list(moved))


def _place(connection: Connection, chat: Row[Any], moved: Mapping[str, Mapping[str, Any]]) -> None:
    """New places; first all are taken out of the old ones. Where somebody stands meanwhile (a reply may come
    to a message that was moved) the place behind all others is taken."""
    columns = messages.c
    there = {row.id: row.position for row in _in_batches(connection, _POSITIONS, list(moved))}
    away = update(messages).where(columns.id == bindparam("one")).values(parent_id=bindparam("none"))
    connection.execute(away, [{"one": id, "none": f"moving {id}"} for id in moved])
    parents = {values["parent_id"] for values in moved.values()}
    query = select(columns.parent_id, columns.position).where(columns.chat_id == chat.id)
    taken = {tuple(row) for row in connection.execute(query.where(columns.parent_id.in_(parents)))}
    rows = []
    for id in sorted(moved, key=lambda id: moved[id].get("position", there[id])):
        parent, place = moved[id]["parent_id"], moved[id].get("position", there[id])
        if (parent, place) in taken:
            place = 1 + max(position for other, position in taken if other == parent)
        taken.add((parent, place))
        rows.append({"one": id, "parent": parent, "place": place})
    back = update(messages).where(columns.id == bindparam("one"))
    new = {"parent_id": bindparam("parent"), "position": bindparam("place"), "revision": chat.revision + 1}
    connection.execute(back.values(new), rows)


_POSITIONS = select(messages.c.id, messages.c.position)


def _set(connection: Connection, chat: Row[Any], table: str, id: str, values: Mapping[str, Any]) -> None:
    rows, fields = POINTERS[table]
    if unknown := values.keys() - fields:
        raise ValueError(unknown)
    change = update(rows).where(rows.c.id == id, rows.c.owner_id == chat.owner_id)
    seen = {"revision": chat.revision + 1} if rows is messages else {}
    connection.execute(change.values(**values, **seen))


def _find_by(connection: Connection, chat: Row[Any], message_id: str, version_id: str) -> None:
    """From now on the message is found by the words of this version."""
    written = connection.scalar(select(versions.c.text).where(versions.c.id == version_id))
    search.put(connection, KIND, message_id, chat.owner_id, written or "")


def _settle_depths(connection: Connection, chat: Row[Any], moved: Sequence[str]) -> None:
    """Of messages that stand elsewhere now, and of what is below each of them down to the next such one."""
    columns = messages.c
    known = select(columns.id, columns.parent_id, columns.depth)
    found = {row.id: row for row in connection.execute(known.where(columns.id.in_(moved)))}
    above = {row.parent_id for row in found.values()} - found.keys()
    depths = {row.id: row.depth for row in connection.execute(known.where(columns.id.in_(above)))} | {"": 0}
    waiting = list(moved)
    while waiting:
        ready = [id for id in waiting if found[id].parent_id in depths]
        depths |= {id: depths[found[id].parent_id] + 1 for id in ready}
        waiting = [id for id in waiting if id not in depths]
    deeper: dict[int, list[str]] = {}
    for id in moved:
        deeper.setdefault(depths[id] - found[id].depth, []).append(id)
    for by, ids in deeper.items():
        if by:
            _deepen(connection, chat, ids, by, moved)


def _deepen(
    connection: Connection, chat: Row[Any], ids: Sequence[str], by: int, without: Sequence[str]
) -> None:
    columns = messages.c
    below = select(columns.id).where(columns.id.in_(ids)).cte("below", recursive=True)
    mine = columns.chat_id == chat.id, columns.id.not_in(without)
    further = select(columns.id).join(below, columns.parent_id == below.c.id).where(*mine)
    change = update(messages).where(columns.id.in_(select(below.union_all(further).c.id)))
    connection.execute(change.values(depth=columns.depth + by))


def touch(connection: Connection, chat: Row[Any]) -> int:
    """The chat was changed: gives its new revision."""
    revision: int = chat.revision + 1
    change = update(chats).where(chats.c.id == chat.id, chats.c.owner_id == chat.owner_id)
    connection.execute(change.values(revision=revision, updated_at=time.time()))
    return revision


def pack(ids: Sequence[int]) -> bytes:
    """Token ids as int32, little-endian."""
    packed = array("i", ids)
    if sys.byteorder == "big":
        packed.byteswap()
    return packed.tobytes()


def unpack(data: bytes) -> tuple[int, ...]:
    """Equal ids are one object: of millions, a long chat has some thousands that differ."""
    if not data:
        return ()
    packed = array("i")
    packed.frombytes(data)
    if sys.byteorder == "big":
        packed.byteswap()
    return tuple(map(_SAME.__getitem__, packed))


class _Same(dict[int, int]):
    def __missing__(self, number: int) -> int:
        self[number] = number
        return number


_SAME = _Same()
