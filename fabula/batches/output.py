"""The rows of a table with their answers, as CSV or JSONL, in the order of the rows. Knows no model.

The file appears whole or not at all.
"""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from fabula.batches.table import CSV_SUFFIXES, JSON_SUFFIXES, Table
from fabula.batches.template import as_text
from fabula.store.files import sync_folder, writing

ANSWER = (
    *("answer", "status", "reason", "looks_refused", "attempts", "model", "seed"),
    *("prompt_tokens", "completion_tokens", "milliseconds", "sampling", "ignored"),
)
"""The columns that are put behind the row's own."""
PREFIX = "fabula_"
SUFFIXES = (*CSV_SUFFIXES, *JSON_SUFFIXES)

Row = Mapping[str, Any]


def names(columns: Sequence[str]) -> dict[str, str]:
    """What each column of the answer is called: its name, with a prefix where a row has one of that name."""
    taken, found = set(columns), {}
    for name in ANSWER:
        free = name
        while free in taken:
            free = PREFIX + free
        taken.add(free)
        found[name] = free
    return found


def write(path: Path, table: Table, answers: Iterable[Row]) -> None:
    """`answers` in the order of the rows, with the keys of `ANSWER`. Raises StoreUnwritable."""
    called = names(table.columns)
    rows = (_joined(row, answer, called) for row, answer in zip(table.rows, answers, strict=True))
    if path.suffix.lower() in JSON_SUFFIXES:
        _atomic(path, "utf-8", lambda file: _write_lines(file, rows))
        return
    columns = [*table.columns, *called.values()]
    delimiter = "\t" if path.suffix.lower() == ".tsv" else table.delimiter
    encoding = "utf-8-sig" if table.encoding == "utf-8-sig" else "utf-8"
    _atomic(path, encoding, lambda file: _write_sheet(file, columns, rows, delimiter))


def _joined(row: Row, answer: Row, called: Mapping[str, str]) -> dict[str, Any]:
    return {**row, **{called[name]: answer[name] for name in ANSWER}}


def _write_lines(file: IO[str], rows: Iterator[dict[str, Any]]) -> None:
    for row in rows:
        file.write(json.dumps(row, ensure_ascii=False) + "\n")


def _write_sheet(
    file: IO[str], columns: Sequence[str], rows: Iterator[dict[str, Any]], delimiter: str
) -> None:
    sheet = csv.writer(file, delimiter=delimiter)
    sheet.writerow(columns)
    for row in rows:
        sheet.writerow([_cell(row.get(column)) for column in columns])


def _cell(value: Any) -> str:
    """Nothing is an empty cell; lists and objects are JSON."""
    return "" if value is None else as_text(value)


def _atomic(path: Path, encoding: str, write: Callable[[IO[str]], None]) -> None:
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    with writing(path):
        try:
            with part.open("w", encoding=encoding, errors="surrogatepass", newline="") as file:
                write(file)
                file.flush()
                os.fsync(file.fileno())
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
        sync_folder(path.parent)
