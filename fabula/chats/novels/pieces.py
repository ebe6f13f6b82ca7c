"""Text as runs: pieces that know who wrote them, and with which tokens. PURE: knows no table.

A run is `{text}`, with `ids` and `tokenizer` where a model wrote it, and with `tokens` where the
probabilities were kept: `[id, text, logprob, [[id, text, logprob], …]]` for each, likeliest first. What a
model wrote whose ids are not known, or no longer since a part of it was edited, says so with `by`: "model".
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from fabula.prompt.novel.model import Run

Row = dict[str, Any]
_HAN = r"\u2e80-\u2fdf\u3005-\u3007\u3021-\u3029\u3041-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff"
_WORD = re.compile(rf"[{_HAN}]|[^\W{_HAN}]+(?:['’-][^\W{_HAN}]+)*")


def written(text: str) -> list[Row]:
    """What a person wrote."""
    return [{"text": text}] if text else []


def rewritten(text: str) -> list[Row]:
    """What a model wrote, with ids that nobody knows."""
    return [{"text": text, "by": "model"}] if text else []


def by_model(run: Row) -> bool:
    return bool(run.get("ids") or run.get("tokens") or run.get("by") == "model")


def text_of(runs: Sequence[Row]) -> str:
    return "".join(run["text"] for run in runs)


def words(text: str) -> int:
    """Words; a Chinese, Japanese or Korean character counts as one."""
    return sum(1 for _ in _WORD.finditer(text))


def cut(runs: Sequence[Row], start: int, end: int | None = None) -> list[Row]:
    """The runs between two places."""
    found: list[Row] = []
    at = 0
    for run in runs:
        size = len(run["text"])
        first, last = max(start - at, 0), size if end is None else min(end - at, size)
        if first < last:
            found.append(run if last - first == size else _part(run, first, last))
        at += size
    return found


def splice(runs: Sequence[Row], start: int, removed: int, inserted: Sequence[Row]) -> list[Row]:
    """Other runs in the place of `removed` characters. Runs of one writer without ids become one."""
    joined: list[Row] = []
    for run in (*cut(runs, 0, start), *inserted, *cut(runs, start + removed)):
        if joined and _meets(joined[-1], run):
            joined[-1] = joined[-1] | {"text": joined[-1]["text"] + run["text"]}
        elif run["text"]:
            joined.append(run)
    return joined


def _meets(one: Row, other: Row) -> bool:
    known = any(run.get("ids") or run.get("tokens") for run in (one, other))
    return not known and by_model(one) == by_model(other)


def _part(run: Row, first: int, last: int) -> Row:
    """A part of a run; its ids are known where its edges are those of tokens whose texts were kept."""
    text = run["text"][first:last]
    tokens, at, kept = run.get("tokens") or (), 0, []
    edges = {0}
    for token in tokens:
        if first <= at and at + len(token[1]) <= last:
            kept.append(token)
        at += len(token[1])
        edges.add(at)
    if tokens and at == len(run["text"]) and {first, last} <= edges:
        return {
            "text": text,
            "ids": [token[0] for token in kept],
            "tokenizer": run["tokenizer"],
            "tokens": kept,
        }
    return rewritten(text)[0] if by_model(run) else {"text": text}


def difference(before: str, after: str) -> tuple[int, int, str]:
    """(start, removed, inserted): the middle in which two texts differ."""
    limit = min(len(before), len(after))
    start = next((place for place in range(limit) if before[place] != after[place]), limit)
    room = limit - start
    same = next((n for n in range(room) if before[len(before) - 1 - n] != after[len(after) - 1 - n]), room)
    return start, len(before) - start - same, after[start : len(after) - same]


def for_prompt(runs: Sequence[Row], end: int | None = None) -> tuple[Run, ...]:
    """As prompts take them, up to a place. Who wrote what has no ids is nothing to a prompt."""
    found: list[Run] = []
    for run in cut(runs, 0, end):
        ids = tuple(run.get("ids") or ())
        if found and not ids and not found[-1].token_ids:
            found[-1] = Run(found[-1].text + run["text"])
        else:
            found.append(Run(run["text"], ids, run.get("tokenizer", "")))
    return tuple(found)
