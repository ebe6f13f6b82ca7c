"""

orks off the batches of programs beside everything else, and goes on with them after any end of the studio.

Each line is asked in the way that the dialect gives, as if it had come by itself; what came back is in a
journal before anything else happens. Knows no dialect and no HTTP.
"""

from __future__ import annotations

import asyncio
import builtins  # in Desk, `list` lists batches
import contextlib
import json
import logging
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from fabula.batches import lines as wanted
from fabula.batches.book import NONE, Batch, Book, State
from fabula.batches.gate import Gate
from fabula.batches.journal import Journal, digest
from fabula.batches.lines import Line
from fabula.batches.pages import Page
from fabula.batches.uploads import OUTPUT, Upload, Uploads
from fabula.core.errors import FabulaError, UploadNotFound
from fabula.core.request import Caller
from fabula.core.texts import say

PARALLEL = 16  # lines of one batch that wait for their turn; how many are written at a time is the gate's
TRIES = 3  # of a line that failed for reasons that pass
PASSING = (429, 502, 503, 504)  # statuses of such reasons
PAUSE_S = 1.0  # before the second try; doubles with each further one
AGAIN_S = 30.0  # before a batch is taken up again that the disk or the database stopped
DAY_S = 86400.0

Told = dict[str, Any]
Way = Callable[[Batch, dict[str, Any]], Awaitable[tuple[int, Any]]]
"""Asks one body at the batch's endpoint: the status and what came back."""
log = logging.getLogger(__name__)


@dataclass(eq=False)
class _Work:
    """A batch that is being worked off."""

    task: asyncio.Task[None]
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    counts: dict[str, int] = field(default_factory=lambda: dict(NONE))


class Desk:
    """`model_of` gives the whole name of a model, by which its line is known. Raises ModelNotFound."""

    def __init__(
        self, book: Book, uploads: Uploads, gate: Gate, model_of: Callable[[str], str], folder: Path
    ) -> None:
        self._book, self._uploads, self._gate = book, uploads, gate
        self._model_of, self._folder = model_of, folder
        self._works: dict[str, _Work] = {}
        self._way: Way | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ready = asyncio.Event()

    def answer_by(self, way: Way) -> None:
        """From now on lines can be asked. May be called from any thread."""
        self._way = way
        if self._loop:
            self._loop.call_soon_threadsafe(self._ready.set)

    async def open(self) -> None:
        """Takes up what an earlier studio left."""
        self._loop = asyncio.get_running_loop()
        if self._way:
            self._ready.set()
        unfinished = await self._book.unfinished()
        await self._uploads.tidy({_journal_name(batch.id) for batch in unfinished})
        for batch in unfinished:
            self._begin(batch)

    async def close(self) -> None:
        """What is being written is given up; its lines are asked again by the next studio."""
        tasks = [work.task for work in self._works.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # ── what a program asks ─────────────────────────────────────────────────────────────────────────

    async def create(self, caller: Caller, endpoint: str, input_id: str, notes: dict[str, str]) -> Batch:
        """Raises UploadNotFound."""
        await self._uploads.get(caller.owner_id, input_id)
        batch = await self._book.create(caller, endpoint, input_id, notes, DAY_S)
        self._begin(batch)
        return batch

    async def get(self, owner: str, id: str) -> Batch:
        """As it stands now. Raises BatchNotFound."""
        return self._now(await self._book.get(owner, id))

    async def list(self, owner: str, page: Page) -> tuple[builtins.list[Batch], bool]:
        batches, more = await self._book.list(owner, page)
        return [self._now(batch) for batch in batches], more

    async def cancel(self, owner: str, id: str) -> Batch:
        """What is done is kept. Raises BatchNotFound."""
        batch = await self._book.cancel(owner, id)
        if work := self._works.get(id):
            work.stop.set()
        return self._now(batch)

    def _now(self, batch: Batch) -> Batch:
        work = self._works.get(batch.id)
        return batch if batch.is_over or not work else replace(batch, counts=dict(work.counts))

    # ── the work ────────────────────────────────────────────────────────────────────────────────────

    def _begin(self, batch: Batch) -> None:
        task = asyncio.create_task(self._kept_up(batch.id, batch.owner_id))
        self._works[batch.id] = _Work(task)
        task.add_done_callback(lambda _: self._works.pop(batch.id, None))

    async def _kept_up(self, id: str, owner: str) -> None:
        """A full disk or a fault of ours stops no batch for good: it is taken up again."""
        await self._ready.wait()
        while True:
            try:
                return await self._work_off(await self._book.get(owner, id), self._works[id])
            except Exception:
                log.exception("batch %s stopped, and is taken up again in %s s", id, AGAIN_S)
                await asyncio.sleep(AGAIN_S)

    async def _work_off(self, batch: Batch, work: _Work) -> None:
        path = self._uploads.path(batch.input_id)
        lines, problems = await asyncio.to_thread(_read, path, batch)
        if problems:
            await self._book.change(batch.id, "failed", problems=problems)
            return
        work.counts["total"] = len(lines)
        journal = await asyncio.to_thread(self._journal, batch)
        try:
            await asyncio.to_thread(_count, journal, work.counts)
            if batch.state == "validating":
                batch = await self._book.change(batch.id, "in_progress", counts=work.counts)
            if batch.state == "in_progress":
                await self._until_over(
                    batch, work, [line for line in lines if line.number not in journal.rows], journal
                )
            await self._finish(batch, work, lines, journal)
        finally:
            journal.close()
        with contextlib.suppress(FileNotFoundError):
            journal.path.unlink()

    def _journal(self, batch: Batch) -> Journal:
        return Journal.open(self._folder / _journal_name(batch.id), {"batch": digest(batch.id)})

    async def _until_over(self, batch: Batch, work: _Work, lines: Sequence[Line], journal: Journal) -> None:
        """Until all lines are answered, someone cancels, or the batch's time is over."""
        asking = asyncio.create_task(self._ask_all(batch, work, lines, journal))
        stopping = asyncio.create_task(work.stop.wait())
        left = max(batch.expires_at - time.time(), 0.0)
        try:
            done, _ = await asyncio.wait(
                {asking, stopping}, timeout=left, return_when=asyncio.FIRST_COMPLETED
            )
            if asking in done:
                asking.result()
        finally:
            asking.cancel()
            stopping.cancel()
            await asyncio.gather(asking, stopping, return_exceptions=True)

    async def _ask_all(self, batch: Batch, work: _Work, lines: Sequence[Line], journal: Journal) -> None:
        todo = iter(lines)
        async with asyncio.TaskGroup() as group:
            for _ in range(min(PARALLEL, len(lines))):
                group.create_task(self._ask_some(batch, work, todo, journal))

    async def _ask_some(self, batch: Batch, work: _Work, todo: Iterator[Line], journal: Journal) -> None:
        for line in todo:
            told = await self._answer(batch, line)
            await asyncio.to_thread(journal.add, line.number, told)
            work.counts[_outcome(told)] += 1

    async def _answer(self, batch: Batch, line: Line) -> Told:
        assert self._way
        body = await asyncio.to_thread(wanted.body, self._uploads.path(batch.input_id), line)
        model = self._line_of(line.model)
        for attempt in range(TRIES):
            if attempt:
                await asyncio.sleep(PAUSE_S * 2 ** (attempt - 1))
            async with self._gate.place(model):
                status, answer = await self._way(batch, body)
            if status not in PASSING:
                break
        return {"status": status, "answer": answer}

    def _line_of(self, model: str) -> str:
        """An unknown model is told by the answer."""
        try:
            return self._model_of(model)
        except FabulaError:
            return model

    # ── the end ─────────────────────────────────────────────────────────────────────────────────────

    async def _finish(self, batch: Batch, work: _Work, lines: Sequence[Line], journal: Journal) -> None:
        """Both files and the last state in one step; a studio that is killed before does it all again."""
        await asyncio.to_thread(_settle, journal, work.counts)
        state: State = "completed" if len(journal.rows) == len(lines) else "expired"
        state = "cancelled" if work.stop.is_set() or batch.state == "cancelling" else state
        if state == "completed" and batch.state != "finalizing":
            await self._book.change(batch.id, "finalizing")
        files = await asyncio.to_thread(self._files, batch, lines, journal, state)
        counts = work.counts
        if state == "expired":
            counts = counts | {"failed": counts["total"] - counts["completed"]}
        await self._book.finish(batch.id, state, counts, files)

    def _files(
        self, batch: Batch, lines: Sequence[Line], journal: Journal, state: State
    ) -> dict[str, Upload]:
        """The file of answers and the one of failures; only those that hold something."""
        found = {}
        for kind in ("completed", "failed"):
            rows = _rows(batch, lines, journal, kind, expired=state == "expired")
            id = f"{_name(batch.id)}-{'output' if kind == 'completed' else 'errors'}"
            _, size = self._uploads.keep(rows, journal.path.stat().st_size, id)
            name = f"{batch.id}_{'output' if kind == 'completed' else 'error'}.jsonl"
            if size:
                found[kind] = Upload(id=id, name=name, purpose=OUTPUT, size=size, created_at=time.time())
            else:
                self._uploads.path(id).unlink()
        return found


def _read(path: Path, batch: Batch) -> tuple[list[Line], list[wanted.Problem]]:
    if not path.exists():  # a backup that was restored has no contents
        return [], [{"line": 0, "error": UploadNotFound(batch.input_id).kept()}]
    return wanted.read(path, batch.endpoint)


def _rows(
    batch: Batch, lines: Sequence[Line], journal: Journal, kind: str, *, expired: bool
) -> Iterator[bytes]:
    """The lines of one output file, in the order of the input."""
    for line in lines:
        told = journal.told(line.number) if line.number in journal.rows else None
        if told is not None and _outcome(told) == kind:
            yield _row(batch, line, told["status"], told["answer"], None)
        elif told is None and expired and kind == "failed":
            error = {"code": "batch_expired", "message": say("batch.expired", batch.language)}
            yield _row(batch, line, 0, None, error)


def _row(batch: Batch, line: Line, status: int, answer: Any, error: Told | None) -> bytes:
    request = f"{batch.id}-{line.number}"
    response = {"status_code": status, "request_id": request, "body": answer} if status else None
    row = {"id": f"batch_req_{request}", "custom_id": line.custom_id, "response": response, "error": error}
    return json.dumps(row, ensure_ascii=False).encode("utf-8", "surrogatepass") + b"\n"


def _settle(journal: Journal, counts: dict[str, int]) -> None:
    """A line that was being noted when its batch was stopped may be noted later than the asking has ended."""
    journal.close()
    _count(journal, counts)


def _count(journal: Journal, counts: dict[str, int]) -> None:
    counts |= {"completed": 0, "failed": 0}
    for row in journal.rows:
        counts[_outcome(journal.told(row))] += 1


def _outcome(told: Told) -> str:
    return "completed" if told["status"] < 400 else "failed"


def _name(id: str) -> str:
    return f"file-{id.removeprefix('batch_')}"


def _journal_name(id: str) -> str:
    return f"{id}.journal"
