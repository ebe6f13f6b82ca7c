"""Two sets of prompts that differ in one thing: those that ship, and people's own. Knows no model.

A prompt is what a person would say, or a whole conversation; the model's template is put around it later.
The last third of each side is held out: nothing is learned from it.
"""

from __future__ import annotations

import csv
import functools
import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fabula.core.errors import PromptsUnusable
from fabula.core.texts import phrase

Messages = tuple[Mapping[str, Any], ...]
SHIPPED = Path(__file__).with_name("contrasts.json")
SHOWN = 300  # letters of a source
FEWEST = 8  # prompts of a side: below, nothing can be held out
MOST = 4096
SIZE_LIMIT = 256 << 20  # bytes of a file of prompts
MOST_FILES = 20_000  # of a folder
INFOS = "dataset_infos.json"
FIELDS = ("messages", "prompt", "text", "instruction", "question", "content", "goal", "input")
"""Where the prompt of a row is looked for when no column is named."""


@dataclass(frozen=True, slots=True)
class Side:
    """`learn` is learned from, `held` is held out."""

    learn: tuple[Messages, ...]
    held: tuple[Messages, ...]

    @property
    def all(self) -> tuple[Messages, ...]:
        return self.learn + self.held


@dataclass(frozen=True, slots=True)
class Contrast:
    """A direction leads from `negative` to `positive`. `name` is "" for people's own sets."""

    positive: Side
    negative: Side
    name: str = ""

    @property
    def prompts(self) -> tuple[Messages, ...]:
        return self.positive.all + self.negative.all

    def digest(self) -> str:
        """Of all prompts, in their order and on their sides."""
        told = [[self.positive.learn, self.positive.held], [self.negative.learn, self.negative.held]]
        return hashlib.sha256(json.dumps(told, ensure_ascii=False, sort_keys=True).encode()).hexdigest()


# ── those that ship ─────────────────────────────────────────────────────────────────────────────────


def names() -> list[str]:
    """As `positive-negative`."""
    told = _shipped()
    return [*told["styles"], *told["pairs"]]


def shipped(name: str) -> Contrast | None:
    """By its name, or by the two poles the other way round. Styles hold topics out, in every phrasing."""
    one, _, other = name.partition("-")
    told = _shipped()
    for known, swap in ((name, False), (f"{other}-{one}", True)):
        if known in told["styles"]:
            forms = told["styles"][known]
            sides = [_styled(forms[pole], told["topics"]) for pole in ("positive", "negative")]
        elif known in told["pairs"]:
            rows = told["pairs"][known]
            sides = [[_said(row[index]) for row in rows] for index in (0, 1)]
        else:
            continue
        parts = [_split(side, 0) for side in (reversed(sides) if swap else sides)]
        return Contrast(parts[0], parts[1], name)
    return None


@functools.cache
def _shipped() -> dict[str, Any]:
    told: dict[str, Any] = json.loads(SHIPPED.read_text(encoding="utf-8"))
    return told


def _styled(forms: Sequence[str], topics: Sequence[str]) -> list[Messages]:
    return [_said(forms[place % len(forms)].format(topic=topic)) for place, topic in enumerate(topics)]


def _said(text: str) -> Messages:
    return ({"role": "user", "content": text},)


def _split(prompts: Sequence[Messages], limit: int) -> Side:
    """The last third is held out; of more than `limit`, the first ones are taken."""
    kept = list(prompts)[: limit or MOST]
    cut = len(kept) - len(kept) // 3
    return Side(tuple(kept[:cut]), tuple(kept[cut:]))


# ── people's own ────────────────────────────────────────────────────────────────────────────────────


def contrast(positive: str, negative: str = "", column: str = "", limit: int = 0) -> Contrast:
    """Of a set that ships (`negative` is then ""), or of two files or folders. Raises PromptsUnusable.

    The order within people's own sets is by a hash, so that what is held out is no end of a list.
    """
    if not negative:
        found = shipped(positive)
        if found is None and is_there(positive):
            raise PromptsUnusable(positive, phrase("lab.directions.one_side"))
        if found is None:
            raise PromptsUnusable(positive, phrase("lab.directions.no_set", known=", ".join(names())))
        return _limited(found, limit)
    sides = [_split(_mixed(read(source, column)), limit) for source in (positive, negative)]
    if sides[0] == sides[1]:
        raise PromptsUnusable(positive, phrase("lab.directions.same_sides"))
    return Contrast(sides[0], sides[1])


def _limited(found: Contrast, limit: int) -> Contrast:
    if not limit:
        return found
    if limit < FEWEST:
        raise PromptsUnusable(found.name, phrase("lab.directions.too_few", found=limit, needed=FEWEST))
    held = limit // 3

    def less(side: Side) -> Side:
        return Side(side.learn[: limit - held], side.held[:held])

    return Contrast(less(found.positive), less(found.negative), found.name)


def _mixed(prompts: Sequence[Messages]) -> list[Messages]:
    """Each prompt once."""
    keys = {hashlib.sha256(json.dumps(one, sort_keys=True).encode()).digest(): one for one in prompts}
    return [keys[key] for key in sorted(keys)]


def read(source: str, column: str = "") -> list[Messages]:
    """Prompts of a text (a line each), of JSONL, JSON, CSV or Parquet, or of a folder of such files as
    Hugging Face's datasets come. Raises PromptsUnusable."""
    if not is_there(source):
        raise PromptsUnusable(source[:SHOWN], phrase("lab.directions.no_file", known=", ".join(names())))
    files = _files(Path(source).expanduser())
    prompts = [prompt for file in files for prompt in _of_file(file, column, source)]
    if len(prompts) < FEWEST:
        raise PromptsUnusable(source, phrase("lab.directions.too_few", found=len(prompts), needed=FEWEST))
    return prompts


def is_there(source: str) -> bool:
    """Whether a file or a folder is named; what no file can be called is none."""
    try:
        return Path(source).expanduser().exists()
    except (OSError, RuntimeError, ValueError):
        return False


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    found = sorted(file for file in _within(path) if file.suffix.lower() in READERS)
    tables = [file for file in found if file.suffix.lower() not in (".txt", ".md")]
    training = [file for file in tables if "train" in file.name.lower()]
    if not (training or tables or found):
        raise PromptsUnusable(str(path), phrase("lab.directions.no_rows"))
    return training or tables or found


def _within(folder: Path) -> Iterator[Path]:
    """All files that are not hidden. Raises PromptsUnusable where there are more than a dataset has."""
    seen = 0
    for here, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        seen += len(files)
        if seen > MOST_FILES:
            raise PromptsUnusable(str(folder), phrase("lab.directions.too_many_files", most=MOST_FILES))
        yield from (Path(here, name) for name in files if not name.startswith(".") and name != INFOS)


def _of_file(file: Path, column: str, source: str) -> Iterator[Messages]:
    reader = READERS.get(file.suffix.lower(), _lines)
    try:
        if file.stat().st_size > SIZE_LIMIT:
            raise PromptsUnusable(source, phrase("lab.directions.too_large", limit=SIZE_LIMIT))
        for number, row in enumerate(reader(file)):
            if number >= MOST:
                return
            yield _prompt(row, column, source)
    except (OSError, ValueError, UnicodeDecodeError, RecursionError, csv.Error) as broken:
        raise PromptsUnusable(
            source, phrase("lab.directions.unreadable", file=file.name, detail=f"{broken}"[:200])
        ) from broken


def _prompt(row: Any, column: str, source: str) -> Messages:
    if isinstance(row, str):
        return _said(row)
    if isinstance(row, dict):
        wanted = (column,) if column else FIELDS
        value = next((row[name] for name in wanted if row.get(name)), None)
        if isinstance(value, str):
            return _said(value)
        if isinstance(value, list) and value and all(_is_message(one) for one in value):
            return tuple({"role": one["role"], "content": one["content"]} for one in value)
    found = ", ".join(map(str, row)) if isinstance(row, dict) else type(row).__name__
    raise PromptsUnusable(source, phrase("lab.directions.no_column", column=column or "–", found=found[:200]))


def _is_message(one: Any) -> bool:
    return isinstance(one, dict) and all(isinstance(one.get(key), str) for key in ("role", "content"))


# ── files ───────────────────────────────────────────────────────────────────────────────────────────


def _lines(file: Path) -> Iterator[Any]:
    with file.open(encoding="utf-8") as lines:
        yield from (line.strip() for line in lines if line.strip())


def _json_lines(file: Path) -> Iterator[Any]:
    yield from (json.loads(line) for line in _lines(file))


def _json(file: Path) -> Iterator[Any]:
    told = json.loads(file.read_text(encoding="utf-8"))
    rows = told if isinstance(told, list) else next((v for v in told.values() if isinstance(v, list)), [told])
    yield from rows


def _csv(file: Path) -> Iterator[Any]:
    with file.open(encoding="utf-8", newline="") as lines:
        yield from csv.DictReader(lines, delimiter="\t" if file.suffix.lower() == ".tsv" else ",")


def _parquet(file: Path) -> Iterator[Any]:
    """Needs pyarrow, which comes with the extra `lab`."""
    try:
        from pyarrow import parquet
    except ImportError as missing:
        raise PromptsUnusable(file.name, phrase("lab.directions.parquet")) from missing
    with parquet.ParquetFile(file) as opened:
        for batch in opened.iter_batches(256):
            yield from batch.to_pylist()


READERS = {
    ".txt": _lines,
    ".md": _lines,
    ".jsonl": _json_lines,
    ".json": _json,
    ".csv": _csv,
    ".tsv": _csv,
    ".parquet": _parquet,
}
