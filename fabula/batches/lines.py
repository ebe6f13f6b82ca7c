"""The input of a program's batch: one request per line, checked before any is asked.

Knows no dialect's bodies.

Source: OpenAI's Batch API: `{custom_id, method, url, body}`, all to one endpoint, 50,000 at most.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fabula.core.errors import BadParameter
from fabula.core.texts import phrase

MOST = 50_000  # lines
MOST_TOLD = 50  # problems that are told
Problem = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Line:
    """One request: where its text stands in the file, and what is needed to give it its turn."""

    number: int  # from 1
    custom_id: str
    model: str
    start: int
    length: int


def read(path: Path, endpoint: str) -> tuple[list[Line], list[Problem]]:
    """The lines, or what is wrong with them: `{line, error}`, line 0 = the file. Blocks."""
    lines: list[Line] = []
    problems: list[Problem] = []
    seen: set[str] = set()
    for number, start, data in _numbered(path):
        try:
            lines.append(_line(number, start, data, endpoint, seen))
        except BadParameter as wrong:
            problems.append({"line": number, "error": wrong.kept()})
        if len(problems) >= MOST_TOLD or len(lines) > MOST:
            break
    if not problems and not 0 < len(lines) <= MOST:
        unfit = BadParameter("input_file_id", f"{len(lines)}", phrase("expected.batch_lines", most=MOST))
        problems.append({"line": 0, "error": unfit.kept()})
    return lines, problems


def body(path: Path, line: Line) -> dict[str, Any]:
    """What a line asks. Blocks."""
    with path.open("rb") as file:
        file.seek(line.start)
        return dict(json.loads(file.read(line.length))["body"])


def _numbered(path: Path) -> Iterator[tuple[int, int, bytes]]:
    """(number, place, bytes) of each line that is not blank."""
    at = number = 0
    with path.open("rb") as file:
        for raw in file:
            mark = 3 if not at and raw.startswith(b"\xef\xbb\xbf") else 0
            if raw[mark:].strip():
                number += 1
                yield number, at + mark, raw[mark:]
            at += len(raw)


def _line(number: int, start: int, data: bytes, endpoint: str, seen: set[str]) -> Line:
    try:
        row = json.loads(data)
    except (ValueError, RecursionError) as wrong:
        shown = data[:80].decode(errors="replace")
        raise BadParameter("line", shown, phrase("expected.json_object", reason=f"{wrong}")) from wrong
    asked = row.get("body") if isinstance(row, dict) else None
    if not isinstance(asked, dict):
        raise BadParameter("body", f"{asked!r}"[:80], phrase("expected.object"))
    id = row.get("custom_id")
    if not isinstance(id, str) or not id or id in seen:
        raise BadParameter("custom_id", f"{id!r}"[:80], phrase("expected.unique_id"))
    if row.get("method") != "POST":
        raise BadParameter("method", f"{row.get('method')!r}"[:80], phrase("expected.one_of", names="POST"))
    if row.get("url") != endpoint:
        raise BadParameter(
            "url", f"{row.get('url')!r}"[:80], phrase("expected.batch_endpoint", names=endpoint)
        )
    if asked.get("stream"):
        raise BadParameter("stream", f"{asked['stream']!r}"[:80], phrase("expected.no_stream"))
    seen.add(id)
    model = asked.get("model")
    return Line(number, id, model if isinstance(model, str) else "", start, len(data))
