"""Rows out of CSV and JSONL files, whatever their encoding. Knows nothing of what is asked about them.

A file without a mark is UTF-8 where it can be read as that. Else it is GB18030 or Big5, whichever makes
more of its characters common ones: both can read nearly any bytes, but only the right one gives a text that
people write. The common ones are the first levels of the two standards (GB 2312: rows 16 to 55; Big5: A4 to
C6).
"""

from __future__ import annotations

import codecs
import csv
import io
import itertools
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from fabula.core.errors import RowsUnreadable
from fabula.core.texts import Phrase, phrase

Row = dict[str, Any]

JSON_SUFFIXES = (".jsonl", ".ndjson")
CSV_SUFFIXES = (".csv", ".tsv")
MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # begins as UTF-16's mark does
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
UTF_8 = ("utf-8", "utf-8-sig")
DELIMITERS = ",;\t|"
LONGEST_FIELD = 2**31 - 1  # characters; the csv module's own limit is 128 KiB
SAMPLE = 200_000  # bytes that are looked at to tell one Chinese encoding from the other


@dataclass(frozen=True, slots=True)
class Table:
    """`columns` in the order in which they first appear. A row of JSONL may lack some of them."""

    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    encoding: str
    delimiter: str = ","


def read(path: Path, encoding: str = "") -> Table:
    """Raises RowsUnreadable, with the row where it is one that is wrong."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise RowsUnreadable(path.name, 0, error.strerror or str(error)) from error
    return parse(path.name, data, encoding)


def parse(name: str, data: bytes, encoding: str = "") -> Table:
    suffix = Path(name).suffix.lower()
    if suffix not in (*JSON_SUFFIXES, *CSV_SUFFIXES):
        raise RowsUnreadable(name, 0, phrase("batch.rows.suffix"))
    text, used = _decoded(name, data, encoding)
    if suffix in JSON_SUFFIXES:
        return _lines(name, text, used)
    return _sheet(name, text, used, "\t" if suffix == ".tsv" else "")


# ── encodings ───────────────────────────────────────────────────────────────────────────────────────


def _decoded(name: str, data: bytes, wanted: str) -> tuple[str, str]:
    if wanted:
        return _as_wanted(name, data, wanted), wanted
    marked = next((found for mark, found in MARKS if data.startswith(mark)), "")
    tried = [marked] if marked else ["utf-8", *_chinese(data)]
    for encoding in tried:
        try:
            return data.decode(encoding), encoding
        except UnicodeDecodeError:
            continue
    raise RowsUnreadable(name, 0, phrase("batch.rows.no_text"))


def _as_wanted(name: str, data: bytes, wanted: str) -> str:
    try:
        return data.decode(wanted)
    except LookupError as error:
        raise RowsUnreadable(name, 0, phrase("batch.rows.unknown_encoding", encoding=wanted)) from error
    except UnicodeDecodeError as error:
        raise RowsUnreadable(name, 0, phrase("batch.rows.no_encoding", encoding=wanted)) from error


def _chinese(data: bytes) -> list[str]:
    """GB18030 and Big5 (with Hong Kong's characters), the likelier one first."""
    sample = data[:SAMPLE]
    shares = {
        "gb18030": _share(sample, "gb18030", "gb2312", (0xB0, 0xD7)),
        "big5hkscs": _share(sample, "big5hkscs", "big5", (0xA4, 0xC6)),
    }
    return sorted(shares, key=lambda encoding: -shares[encoding])


def _share(sample: bytes, encoding: str, core: str, common: tuple[int, int]) -> float:
    """How many of the Chinese characters are common ones, when the bytes are read as `encoding`."""
    text = sample.decode(encoding, errors="replace")
    letters = [letter for letter in text if letter > "\u2e7f"]  # from the first radicals on, and U+FFFD
    firsts = [letter.encode(core, errors="ignore")[:1] for letter in letters]
    hits = sum(bool(first) and common[0] <= first[0] <= common[1] for first in firsts)
    return hits / max(len(letters), 1)


# ── JSONL ───────────────────────────────────────────────────────────────────────────────────────────


def _lines(name: str, text: str, encoding: str) -> Table:
    rows = [_object(name, number, line) for number, line in enumerate(_filled(text), 1)]
    columns = tuple(dict.fromkeys(itertools.chain.from_iterable(rows)))
    return _whole(name, Table(columns, tuple(rows), encoding))


def _filled(text: str) -> Iterator[str]:
    """Not `splitlines`: a text may hold U+2028 and its like, which are no ends of lines in JSON."""
    return (line for line in text.split("\n") if line.strip())


def _object(name: str, number: int, line: str) -> Row:
    try:
        value = json.loads(line, parse_constant=_refused)
        if "\\ud" in line.lower():  # half a character can neither be asked nor written
            json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise RowsUnreadable(name, number, phrase("batch.rows.json", reason=f"{error}")) from error
    if not isinstance(value, dict):
        raise RowsUnreadable(name, number, phrase("batch.rows.json", reason=type(value).__name__))
    return value


def _refused(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")


# ── CSV ─────────────────────────────────────────────────────────────────────────────────────────────


def _sheet(name: str, text: str, encoding: str, delimiter: str) -> Table:
    delimiter = delimiter or _delimiter(text)
    records = _records(name, text, delimiter)
    columns = tuple(column.strip() for column in next(records, []))
    if not columns or "" in columns or len(set(columns)) < len(columns):
        raise RowsUnreadable(name, 0, phrase("batch.rows.columns", names=_doubtful(columns)))
    rows = tuple(_fitted(name, number, columns, record) for number, record in enumerate(records, 1))
    return _whole(name, Table(columns, rows, encoding, delimiter))


def _delimiter(text: str) -> str:
    """The one of `DELIMITERS` that the header has most of, outside quotes."""
    header = text.lstrip("\n\r").split("\n", 1)[0]
    bare = "".join(header.split('"')[::2])
    return max(DELIMITERS, key=bare.count)  # the first of them where there is none


def _records(name: str, text: str, delimiter: str) -> Iterator[list[str]]:
    """Those that are not blank lines. Raises RowsUnreadable where quotes do not close."""
    csv.field_size_limit(LONGEST_FIELD)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    number = 0
    try:
        for record in reader:
            if record:
                number += 1
                yield record
    except csv.Error as error:
        raise RowsUnreadable(name, number, phrase("batch.rows.csv", reason=f"{error}")) from error


def _fitted(name: str, number: int, columns: tuple[str, ...], record: Sequence[str]) -> Row:
    if len(record) != len(columns):
        reason: Phrase = phrase("batch.rows.fields", found=len(record), columns=len(columns))
        raise RowsUnreadable(name, number, reason)
    return dict(zip(columns, record, strict=True))


def _doubtful(columns: Sequence[str]) -> str:
    """The names that are there twice, or all of them."""
    twice = [column for column, count in Counter(columns).items() if count > 1]
    return ", ".join(twice or columns)[:200] or "–"


def _whole(name: str, table: Table) -> Table:
    if not table.rows:
        raise RowsUnreadable(name, 0, phrase("batch.rows.none"))
    return table
