"""Changing single values of a TOML file, line by line, so that comments stay. Knows no settings.

Understands flat tables of strings, numbers and booleans, each on a line of its own; whoever calls it checks
the result by reading it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence

Value = str | int | float | bool

_TABLE = re.compile(r"""\s*\[((?:[\w.-]|"(?:[^"\\]|\\.)*")+)\]\s*(#.*)?$""")
_LINE = re.compile(
    r"""(?P<key>\s*[\w.-]+)\s*=\s*(?:"(?:[^"\\]|\\.)*"|'[^']*'|[^#"']*?)(?P<rest>\s*(?:\#.*)?)$"""
)


def literal(value: Value | Sequence[Value]) -> str:
    """A value as TOML writes it. JSON's strings are valid TOML strings, once DEL is escaped."""
    if isinstance(value, list | tuple):
        return f"[{', '.join(literal(item) for item in value)}]"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007F")
    return repr(value)


def render(values: Mapping[str, Value]) -> str:
    """A whole file: plain names first, then one table for each first part of a dotted name."""
    return replace("", dict(values))


def replace(text: str, changes: Mapping[str, Value | None]) -> str:
    """`text` with the values of dotted names changed, added or (None) taken out."""
    lines, missing = _rewrite(text.splitlines(), dict(changes))
    for name, value in missing.items():
        if value is not None:
            _add(lines, name, value)
    return "\n".join(lines).strip("\n") + "\n" if lines else ""


def with_table(text: str, header: str, values: Mapping[str, Value | Sequence[Value]]) -> str:
    """`text` with the whole table of that header written anew, at the end; gone when it has no values."""
    kept, inside = [], False
    for line in text.splitlines():
        if found := _TABLE.match(line):
            inside = found[1] == header
        if not inside:
            kept.append(line)
    while kept and not kept[-1].strip():
        kept.pop()
    if values:
        kept += ["", f"[{header}]", *(f"{name} = {literal(value)}" for name, value in values.items())]
    return "\n".join(kept).strip("\n") + "\n" if kept else ""


def _rewrite(lines: list[str], changes: dict[str, Value | None]) -> tuple[list[str], dict[str, Value | None]]:
    """The lines with what they hold changed, and the changes that no line was there for."""
    table, kept = "", []
    missing = dict(changes)
    for line in lines:
        if header := _TABLE.match(line):
            table = f"{header[1]}."
        found = _LINE.match(line)
        name = f"{table}{found['key'].strip()}" if found else ""
        if not found or name not in changes:
            kept.append(line)
            continue
        missing.pop(name, None)
        value = changes[name]
        if value is not None:
            kept.append(f"{found['key']} = {literal(value)}{found['rest']}")
    return kept, missing


def _add(lines: list[str], name: str, value: Value) -> None:
    """A new line at the end of the part of the file where it belongs."""
    table, _, key = name.rpartition(".")
    headers = {match[1]: index for index, line in enumerate(lines) if (match := _TABLE.match(line))}
    first = min(headers.values(), default=len(lines))
    if table and any(line.lstrip().startswith(f"{table}.") for line in lines[:first]):
        table, key = "", name  # the file writes this table as dotted names
    if table and table not in headers:
        lines += ["", f"[{table}]", f"{key} = {literal(value)}"]
        return
    begin = headers[table] if table else -1
    end = min((index for index in headers.values() if index > begin), default=len(lines))
    while end > begin + 1 and not lines[end - 1].strip():
        end -= 1
    lines.insert(end, f"{key} = {literal(value)}")
