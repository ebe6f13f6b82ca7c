"""SillyTavern's chat files as one tree, and back. PURE: knows no database.

SillyTavern has no tree: a branch or a checkpoint is a second file, with the same messages down to where it
leaves the first, whose name it gives as `chat_metadata.main_chat`. Here they become one chat. What each file
says of its own, and each line that would come out otherwise than it went in, is kept beside the tree.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from fabula.chats.exchange import lines
from fabula.chats.exchange.lines import Line
from fabula.chats.exchange.said import Growth, Said


@dataclass(frozen=True, slots=True)
class TavernFile:
    """`name` without its ending. `bad` are lines that no JSON object could be read from."""

    name: str
    header: Line | None
    lines: list[Line]
    bad: tuple[str, ...] = ()

    @property
    def metadata(self) -> dict[str, Any]:
        found = (self.header or {}).get("chat_metadata")
        return found if isinstance(found, dict) else {}

    @property
    def main(self) -> str:
        """The file that this one has branched off, "" = none."""
        main = self.metadata.get("main_chat")
        return main if isinstance(main, str) and main != self.name else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Own:
    """A line that the tree alone would write otherwise, and how its message was when it was read."""

    line: Line
    alternatives: int
    left_out: bool
    checkpoint: str

    def holds(self, said: Said, group: Sequence[Said]) -> bool:
        """Whether nothing was changed since."""
        was = self.alternatives, self.left_out, self.checkpoint
        return not said.fresh and was == (len(group), said.left_out, said.checkpoint)


@dataclass(slots=True)
class Kept:
    """What one file says besides its messages. `own` is by the id of a message."""

    name: str
    header: Line | None
    end: str  # the last message, "" = none
    own: dict[str, Own] = field(default_factory=dict)

    def document(self) -> dict[str, Any]:
        return asdict(self)

    @staticmethod
    def of(row: Mapping[str, Any]) -> Kept:
        own = {id: Own(**one) for id, one in row["own"].items()}
        return Kept(row["name"], row["header"], row["end"], own)


@dataclass(frozen=True, slots=True)
class Whole:
    """A chat as a tree, with what its files said besides."""

    growth: Growth
    files: list[Kept]


def read(name: str, content: bytes) -> TavernFile:
    """A file's lines; what is no JSON object is set aside."""
    found: list[Line] = []
    bad: list[str] = []
    for row in content.decode("utf-8-sig", "surrogatepass" if b"\xed" in content else "replace").split("\n"):
        if not row.strip():
            continue
        try:
            value = json.loads(row)
        except (ValueError, RecursionError):
            value = None
        if isinstance(value, dict):
            found.append(value)
        else:
            bad.append(row)
    header = found[0] if found and _is_header(found[0]) else None
    return TavernFile(name, header, found[1:] if header is not None else found, tuple(bad))


def _is_header(line: Line) -> bool:
    return "mes" not in line and any(
        name in line for name in ("chat_metadata", "user_name", "character_name")
    )


def looks_like(content: bytes) -> bool:
    """Whether the first line is a header or a message of a chat file."""
    first = content.lstrip(b"\xef\xbb\xbf \r\n\t").split(b"\n", 1)[0]
    try:
        line = json.loads(first)
    except (ValueError, RecursionError):
        return False
    return isinstance(line, dict) and (
        _is_header(line) or ("mes" in line and ("is_user" in line or "name" in line))
    )


# ── in ──────────────────────────────────────────────────────────────────────────────────────────────


def families(files: Sequence[TavernFile]) -> list[list[TavernFile]]:
    """Files that belong to one chat, the main one first."""
    known = {file.name: file for file in files}

    def root(file: TavernFile) -> str:
        seen = {file.name}
        while file.main in known and file.main not in seen:
            seen.add(file.main)
            file = known[file.main]
        return file.name if file.main not in seen else min(seen)

    found: dict[str, list[TavernFile]] = {}
    for file in files:
        found.setdefault(root(file), []).append(file)
    return [sorted(group, key=lambda one: one.name != name) for name, group in found.items()]


def grown(files: Sequence[TavernFile]) -> Whole:
    """One tree of all files; what they have in common is in it once. The first file's end is shown."""
    growth = Growth()
    kept = [Kept(file.name, file.header, _plant(growth, file)) for file in files]
    for one in reversed(kept):
        if one.end:
            growth.show(one.end)
    for file, one in zip(files, kept, strict=True):
        for said, line in zip(growth.path(one.end), file.lines, strict=True):
            group = growth.group(said)
            if not same(lines.written(said, group), line):
                marks = {"left_out": said.left_out, "checkpoint": said.checkpoint}
                one.own[said.id] = Own(line=line, alternatives=len(group), **marks)  # type: ignore[arg-type]
    return Whole(growth, kept)


def _plant(growth: Growth, file: TavernFile) -> str:
    """The messages of a file, below those that are there already. Answers the id of the last one."""
    parent = ""
    for line in file.lines:
        alternatives, shown = lines.read(line)
        there = {_key(one): one for one in reversed(growth.children(parent))}
        if wanted := there.get(_key(alternatives[shown])):
            parent = wanted.id
            if file.name and not wanted.checkpoint:
                wanted.checkpoint = alternatives[shown].checkpoint
            continue
        for number, one in enumerate(alternatives):
            if number == shown or _key(one) not in there:
                growth.add(parent, one)
        parent = alternatives[shown].id
    return parent


def _key(one: Said) -> tuple[str, str, str]:
    return one.role, one.author, one.text


def same(left: Any, right: Any) -> bool:
    """Whether both are the same JSON: 1 is not true, and NaN is itself."""
    return json.dumps(left, sort_keys=True) == json.dumps(right, sort_keys=True)


# ── out ─────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Facing:
    """What the header of a chat that was begun here says."""

    title: str
    user: str
    character: str
    metadata: dict[str, Any]


def files(whole: Whole, head: str, facing: Facing) -> list[tuple[str, str]]:
    """(name, content) of each file: those that were read, lengthened by what came to them, and one for each
    further branch and checkpoint."""
    growth, taken = whole.growth, {one.name for one in whole.files}
    known = [one for one in whole.files if not one.end or one.end in growth.all]
    if not known:
        known = [Kept(_free(facing.title, taken), _header(facing, ""), head)]
    main = known[0].name
    paths = [(one, growth.path(_lengthened(growth, one.end))) for one in known]
    covered: set[str] = set()
    for _, path in paths:
        _cover(growth, path, covered)
    for end in sorted(growth.ends(), key=lambda one: -len(growth.path(one.id))):
        if end.id not in covered:
            name = _free(f"{main} - Branch #{len(taken) + 1}", taken)
            path = growth.path(end.id)
            paths.append((Kept(name, _header(facing, main), end.id), path))
            _cover(growth, path, covered)
    paths += _checkpoints(growth, main, taken | _linked(whole), facing)
    return [
        (one.name, _content(growth, one, path, facing.metadata if one is known[0] else {}))
        for one, path in paths
    ]


def _lengthened(growth: Growth, end: str) -> str:
    """Down through what was written here since, to its newest end."""
    while fresh := [one for one in growth.children(end) if one.fresh and one.origin is None] if end else []:
        shown = growth.all[end].shown_id
        end = next((one.id for one in fresh if one.id == shown), fresh[-1].id)
    return end


def _cover(growth: Growth, path: Sequence[Said], covered: set[str]) -> None:
    """A path holds its messages, and their alternatives where nothing follows these."""
    for one in path:
        covered |= {one.id, *(other.id for other in growth.group(one) if not growth.children(other.id))}


def _checkpoints(growth: Growth, main: str, taken: set[str], facing: Facing) -> list[tuple[Kept, list[Said]]]:
    made = []
    for one in growth.all.values():
        if one.checkpoint and one.checkpoint not in taken:
            taken.add(one.checkpoint)
            made.append((Kept(one.checkpoint, _header(facing, main), one.id), growth.path(one.id)))
    return made


def _linked(whole: Whole) -> set[str]:
    """Checkpoints of which the files that were read spoke: their files are there, or were missing before."""
    read = [one.origin["line"] for one in whole.growth.all.values() if "line" in (one.origin or {})]  # type: ignore[index]
    read += [own.line for file in whole.files for own in file.own.values()]
    return {lines.checkpoint_of(line) for line in read}


def _free(wanted: str, taken: set[str]) -> str:
    """A name that no other file has; what no file system takes in it becomes "_"."""
    plain = "".join("_" if letter in '\\/:*?"<>|' or ord(letter) < 32 else letter for letter in wanted)
    plain = plain.strip(". ")[:120] or "chat"
    name, number = plain, 1
    while name in taken:
        number += 1
        name = f"{plain} ({number})"
    taken.add(name)
    return name


def _header(facing: Facing, main: str) -> Line:
    metadata = facing.metadata | ({"main_chat": main} if main else {})
    return {"chat_metadata": metadata, "user_name": facing.user, "character_name": facing.character}


def _content(growth: Growth, one: Kept, path: Sequence[Said], changed: dict[str, Any]) -> str:
    header = one.header
    if header is not None and changed and not (changed.items() <= _metadata(header).items()):
        header = header | {"chat_metadata": _metadata(header) | changed}
    rows = [] if header is None else [header]
    rows += [_line(growth, one, said) for said in path]
    return "\n".join(json.dumps(row, ensure_ascii=False, separators=(",", ":")) for row in rows)


def _metadata(header: Line) -> dict[str, Any]:
    found = header.get("chat_metadata")
    return found if isinstance(found, dict) else {}


def _line(growth: Growth, file: Kept, said: Said) -> Line:
    group = growth.group(said)
    own = file.own.get(said.id)
    return own.line if own and own.holds(said, group) else lines.written(said, group)
