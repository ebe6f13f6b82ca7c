"""The loop of `fabula batch`: rows go out, answers come in and are kept at once. Knows no option.

Threads ask, each over a connection of its own, and write down what came before they take another row: what an
end at any moment costs is the rows that are being written. The main one shows how far it is.
"""

from __future__ import annotations

import json
import queue
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fabula.batches import output, table, template
from fabula.batches.journal import Journal, digest
from fabula.batches.table import JSON_SUFFIXES, UTF_8, Table
from fabula.batches.template import RowTemplate
from fabula.cli import screen
from fabula.cli.client import Client
from fabula.cli.mistakes import WrongUsage
from fabula.cli.words import say
from fabula.core.errors import FabulaError, OutputExists, RowsInARow
from fabula.core.sampling import NEUTRAL

if TYPE_CHECKING:
    from rich.status import Status

WAITING = 32  # rows that wait for their turn where nobody said how many; the studio lets in what has room
GIVE_UP = 5  # failures of the engine in a row
SHOWN = ("temperature", "top_k", "top_p", "min_p")
FORMS = ("grammar", "json_schema", "regex")
STATUSES = ("ok", "refused", "schema_failed", "cut", "error")
Told = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Work:
    """What is to be asked, and where the answers go."""

    table: Table
    template: RowTemplate
    system: RowTemplate
    out: Path
    rows_digest: str

    @property
    def journal(self) -> Path:
        return self.out.with_name(f"{self.out.name}.journal")

    def parts(self, asking: Asking) -> dict[str, str]:
        """What must be the same for a batch to go on, each as a hash."""
        return {
            "template": digest(self.template.source, self.system.source),
            "rows": self.rows_digest,
            "model": digest(asking.model),
            "sampling": digest(json.dumps(asking.sampling, sort_keys=True, ensure_ascii=False)),
        }

    def question(self, row: int) -> Told:
        """Of a row, from 1."""
        columns = self.table.rows[row - 1]
        return {"text": self.template.fill(columns), "system": self.system.fill(columns)}


@dataclass(frozen=True, slots=True)
class Asking:
    """How it is asked. `sampling` is whole, with its preset and form."""

    model: str
    sampling: Told
    retries: int
    parallel: int  # 0 = as many as the model has room for


def prepared(template_: str, system: str, rows: Path, out: Path, encoding: str) -> Work:
    """Read and checked whole, before anything is asked. Raises RowsUnreadable, ColumnMissing,
    RowTemplateUnusable or WrongUsage."""
    if out.suffix.lower() not in output.SUFFIXES:
        raise WrongUsage(say("cli.batch.out_suffix", path=out))
    read = table.read(rows, encoding)
    texts = template.parse(template_), template.parse(system)
    template.check(texts, read)
    if read.encoding not in UTF_8 and not encoding:
        screen.note(say("cli.batch.encoding_found", name=rows.name, encoding=read.encoding))
    names = output.names(read.columns)
    if others := [called for name, called in names.items() if called != name]:
        screen.note(say("cli.batch.renamed", names=", ".join(others)))
    return Work(read, *texts, out, digest(rows.read_bytes(), encoding))


def ask(studio: Client, work: Work, asking: Asking, *, again: bool) -> Told:
    """All rows that have no answer yet, then the output file. Gives {path, model, rows, counts, seconds}.

    Raises OutputExists, BatchChanged, RowsInARow, or what ends the batch; what is answered by then is kept.
    """
    started = time.monotonic()
    if again:
        work.journal.unlink(missing_ok=True)
    elif work.out.exists() and not work.journal.exists():
        raise OutputExists(str(work.out))
    journal = Journal.open(work.journal, work.parts(asking))
    try:
        _Loop(studio, work, asking, journal).run()
        answers = (journal.told(row) for row in range(1, len(work.table.rows) + 1))
        parses = bool(asking.sampling.get("json_schema")) and work.out.suffix.lower() in JSON_SUFFIXES
        counts: Counter[str] = Counter()
        output.write(work.out, work.table, _counted(answers, counts, parses=parses))
    finally:
        journal.close()
    work.journal.unlink()
    return {
        "path": str(work.out),
        "model": asking.model,
        "rows": len(work.table.rows),
        "counts": dict(counts),
        "seconds": round(time.monotonic() - started, 1),
    }


def _counted(answers: Iterator[Told], counts: Counter[str], *, parses: bool) -> Iterator[Told]:
    for told in answers:
        counts[told["status"]] += 1
        counts["looks_refused"] += bool(told["looks_refused"])
        if parses and told["status"] == "ok":
            told = told | {"answer": json.loads(told["answer"])}
        yield told


class _Loop:
    def __init__(self, studio: Client, work: Work, asking: Asking, journal: Journal) -> None:
        self._studio, self._work, self._asking, self._journal = studio, work, asking, journal
        over = journal.rows
        self._total = len(work.table.rows)
        self._todo = iter([row for row in range(1, self._total + 1) if row not in over])
        self._done = self._before = len(over)
        self._counts: Counter[str] = Counter(journal.told(row)["status"] for row in over)
        self._one, self._stop = threading.Lock(), threading.Event()
        self._came: queue.SimpleQueue[Told | BaseException] = queue.SimpleQueue()
        self._failed = 0  # in a row

    def run(self) -> None:
        if self._before:
            screen.note(say("cli.batch.resumed", done=self._before, total=self._total))
        else:
            screen.note(say("cli.batch.asking", total=self._total, model=self._asking.model))
        try:
            with _shown() as show:
                self._take_all(show)
        except (KeyboardInterrupt, FabulaError):
            self._stop.set()
            told = {"done": len(self._journal.rows), "total": self._total}
            screen.note(say("cli.batch.stopped", journal=self._work.journal, **told))
            raise

    def _take_all(self, show: Show) -> None:
        left = self._total - self._before
        for _ in range(min(self._asking.parallel or WAITING, left)):
            threading.Thread(target=self._ask_some, daemon=True).start()
        started = time.monotonic()
        for _ in range(left):
            came = self._came.get()
            if isinstance(came, BaseException):
                raise came
            self._count(came)
            show(self._figures(time.monotonic() - started))

    def _count(self, told: Told) -> None:
        self._done += 1
        self._counts[told["status"]] += 1
        self._failed = self._failed + 1 if told.get("again") else 0
        if self._failed >= GIVE_UP:
            raise RowsInARow(self._failed, told["reason"])

    # ── in threads ──────────────────────────────────────────────────────────────────────────────────

    def _ask_some(self) -> None:
        while (row := self._next()) is not None:
            try:
                told = kept(self._answer(row))
                self._journal.add(row, told)
                self._came.put(told)
            except BaseException as failure:  # noqa: BLE001  # raised again in the main thread
                self._came.put(failure)
                return

    def _next(self) -> int | None:
        with self._one:
            return None if self._stop.is_set() else next(self._todo, None)

    def _answer(self, row: int) -> Told:
        asking = {name: getattr(self._asking, name) for name in ("model", "sampling", "retries")}
        return self._studio.post("/batches/answer", self._work.question(row) | asking)

    # ── what is shown ───────────────────────────────────────────────────────────────────────────────

    def _figures(self, seconds: float) -> str:
        rate = (self._done - self._before) / max(seconds, 1e-6)
        left = (self._total - self._done) / rate
        parts = [
            screen.figures("rows", self._done, self._total, 0, left if self._done < self._total else None)
        ]
        parts.insert(1, say("cli.batch.rate", rate=rate))
        return " · ".join([*parts, *counted(self._counts)])


def kept(answer: Told) -> Told:
    """What is written down of an answer. A row at which the engine failed is asked again by the next run."""
    told = {name: answer[name] for name in output.ANSWER if name in answer}
    told["sampling"] = shortened(answer["effective"])
    return told | ({"again": True} if answer["engine_failed"] else {})


def shortened(effective: Told) -> Told:
    """What differs from the defaults, and the four that people look for. The form, which can be long and is
    the same in every row, is left out."""
    return {
        name: value
        for name, value in effective.items()
        if name in SHOWN or (name not in FORMS and value != _usual(name))
    }


def _usual(name: str) -> Any:
    """A default as JSON has it."""
    value = NEUTRAL.get(name)
    return list(value) if isinstance(value, tuple) else value


def counted(counts: Counter[str] | Told) -> list[str]:
    """ "ok 12", "cut 1": those that there are."""
    return [f"{say(f'cli.batch.status.{name}')} {counts[name]}" for name in STATUSES if counts.get(name)]


class Show:
    """A line that says how far it is; on terminals only."""

    def __init__(self, status: Status | None) -> None:
        self._status = status

    def __call__(self, sentence: str) -> None:
        if self._status:
            self._status.update(sentence)


@contextmanager
def _shown() -> Iterator[Show]:
    import sys

    if not sys.stderr.isatty():
        yield Show(None)
        return
    with screen.err().status("", spinner="dots", spinner_style="cyan") as status:
        yield Show(status)
