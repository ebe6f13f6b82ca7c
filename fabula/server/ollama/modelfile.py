"""Read and write Modelfiles. Knows no model and no route.

Source: Ollama's docs/modelfile.md: one instruction a line, upper or lower case; texts in three quotation
marks may have several lines, in one of them one; `#` begins a comment.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fabula.core.errors import ModelfileUnreadable
from fabula.server.ollama import options

LARGEST = 1 << 20  # characters
FENCE = '"""'
WORDS = ("from", "parameter", "template", "system", "adapter", "license", "message", "requires")
ROLES = ("system", "user", "assistant")
_LINE = re.compile(r"^\s*(?P<word>[A-Za-z]+)(?:[ \t]+(?P<rest>.*))?$", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Modelfile:
    """What each instruction says; several of one kind in their order. "" = not said."""

    base: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    template: str = ""
    system: str = ""
    adapters: tuple[str, ...] = ()
    licences: tuple[str, ...] = ()
    messages: tuple[tuple[str, str], ...] = ()  # role and text
    requires: str = ""


def read(text: str) -> Modelfile:
    """Raises ModelfileUnreadable with the line, or BadParameter."""
    if len(text) > LARGEST:
        raise ModelfileUnreadable(1, f"{text[:40]}…")
    rows: dict[str, list[str]] = {word: [] for word in WORDS}
    for number, word, value in _instructions(text):
        if word not in rows or not value:
            raise ModelfileUnreadable(number, f"{word.upper()} {value}"[:80])
        if word in ("parameter", "message"):
            _require_two(number, word, value)
        rows[word].append(value)
    pairs = [_two(value) for value in rows["parameter"]]
    return Modelfile(
        base=_last(rows["from"]),
        parameters=options.typed((name.lower(), _unquoted(value)) for name, value in pairs),
        template=_last(rows["template"]),
        system=_last(rows["system"]),
        adapters=tuple(rows["adapter"]),
        licences=tuple(rows["license"]),
        messages=tuple((role.lower(), _unquoted(said)) for role, said in map(_two, rows["message"])),
        requires=_last(rows["requires"]),
    )


def _last(values: Sequence[str]) -> str:
    return values[-1] if values else ""


def _two(value: str) -> tuple[str, str]:
    name, _, rest = value.partition(" ")
    return name, rest.strip()


def _require_two(number: int, word: str, value: str) -> None:
    name, rest = _two(value)
    if not rest or (word == "message" and name.lower() not in ROLES):
        raise ModelfileUnreadable(number, f"{word.upper()} {value}"[:80])


def _instructions(text: str) -> Iterator[tuple[int, str, str]]:
    """(line, word in lower case, value) of each."""
    lines = text.replace("\r\n", "\n").split("\n")
    at = 0
    while at < len(lines):
        first, line = at + 1, lines[at]
        at += 1
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        found = _LINE.match(line)
        if not found:
            raise ModelfileUnreadable(first, line.strip()[:80])
        value = (found["rest"] or "").lstrip()  # the end of a line may be in the middle of a text
        while _is_open(value) and at < len(lines):
            value += f"\n{lines[at]}"
            at += 1
        if _is_open(value):
            raise ModelfileUnreadable(first, line.strip()[:80])
        word = found["word"].lower()
        yield first, word, value.rstrip() if word in ("parameter", "message") else _unquoted(value.rstrip())


def _is_open(value: str) -> bool:
    """Whether a text of several lines waits for its end."""
    return value.count(FENCE) % 2 == 1


def _unquoted(value: str) -> str:
    for mark in (FENCE, '"'):
        if len(value) >= 2 * len(mark) and value.startswith(mark) and value.endswith(mark):
            return value[len(mark) : -len(mark)]
    return value


# ── writing ─────────────────────────────────────────────────────────────────────────────────────────


def written(
    *,
    base: str,
    parameters: Mapping[str, Any],
    template: str = "",
    system: str = "",
    adapters: Iterable[str] = (),
    messages: Iterable[tuple[str, str]] = (),
    licence: str = "",
) -> str:
    """What `read` reads the same from."""
    rows = ["# Modelfile", f"FROM {base}"]
    rows += [f"ADAPTER {name}" for name in adapters]
    rows += [f"TEMPLATE {_quoted(template)}"] if template else []
    rows += [f"SYSTEM {_quoted(system)}"] if system else []
    rows += [f"PARAMETER {name} {value}" for name, value in options.lines(parameters)]
    rows += [f"MESSAGE {role} {_quoted(said)}" for role, said in messages]
    rows += [f"LICENSE {_quoted(licence)}"] if licence else []
    return "\n".join(rows) + "\n"


def _quoted(text: str) -> str:
    return f"{FENCE}{text}{FENCE}"
