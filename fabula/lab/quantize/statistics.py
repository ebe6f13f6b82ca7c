"""Compute an importance matrix: what each weight of a model is multiplied with while it reads a text.

Sums of squares over all tokens, for each matrix that a weight stacks (experts). Which weights take part, the
pieces in which the text is read, and the file are those of llama.cpp's tool. Knows no types of weights.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fabula.core.errors import BadParameter
from fabula.core.model import LocalModel
from fabula.core.scoring import Captured
from fabula.core.texts import phrase
from fabula.core.worker import Prompt
from fabula.engine.direct.worker import DirectWorker
from fabula.lab.quantize.exact import Engine, until_cancelled, windows
from fabula.lab.quantize.importance import COUNTS, F32, SUMS, read_raw
from fabula.lab.quantize.source import GGUF, require_possible
from fabula.lab.quantize.texts import FEWEST, read_text
from fabula.models.catalog import Catalog
from fabula.models.formats import gguf_writing
from fabula.models.formats.gguf_writing import Draft, Value
from fabula.models.sources.landing import file_name, land
from fabula.store.files import writing
from fabula.store.home import Home
from fabula.store.job_child import Report

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Rows = NDArray[np.float64]

INPUT = ":input"  # after a weight's name: what it is multiplied with (see `Captures.capture`)
CHUNK = 512  # tokens that are read at a time, each time from nothing
NOTE_S = 30.0  # between two savings of what was summed so far
WEIGHTS = f"blk.*{INPUT}"  # the output matrix and embeddings are left out, as by llama.cpp's tool
ABOUT = "fabula.imatrix.about"
FOLDER, ENDING = "imatrix", ".imatrix.gguf"
READING = "lab.quantize.reading"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """The arguments of the job. `text` and `out` are files of this machine; 0 = as Fabula chooses, "" too."""

    model: str
    text: str
    out: str = ""
    chunks: int = 0
    threads: int = 0

    def arguments(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Task:
    """One computation: everything about it is known but the numbers."""

    model: LocalModel
    text: str
    dataset: str
    chunks: int
    file: Path
    about: str


@dataclass(slots=True)
class Tally:
    """Sums of squares [matrices, width] and counts [matrices] by weight, of so many chunks and tokens."""

    sums: dict[str, tuple[Rows, Rows]] = field(default_factory=dict)
    chunks: int = 0

    def add(self, found: Mapping[str, Captured]) -> None:
        import numpy as np

        for name, captured in found.items():
            values = np.frombuffer(captured.data, "<f4").reshape(captured.rows, captured.width)
            counts = np.asarray(captured.counts, np.float64)
            weight = name.removesuffix(INPUT)
            before = self.sums.get(weight, (0.0, 0.0))
            self.sums[weight] = (before[0] + values.astype(np.float64), before[1] + counts)
        self.chunks += 1

    @property
    def unused(self) -> int:
        """Matrices (of experts) that no token went to."""
        return sum(int((counts == 0).sum()) for _, counts in self.sums.values())


# ── asking ──────────────────────────────────────────────────────────────────────────────────────────


def task(model: LocalModel, wishes: Wishes, home: Home) -> Task:
    """Raises BadParameter for a model that the engine does not read, a text that cannot be read or is too
    short, or a file that is there already."""
    require_possible(model)
    if model.format != GGUF:
        raise BadParameter("model", model.name, phrase("expected.gguf_model"))
    text = read_text(wishes.text, FEWEST)
    stamp = [model.path.stat().st_size, model.path.stat().st_mtime_ns]
    about = hashlib.sha256(f"{model.path} {stamp} {wishes.chunks} {text}".encode()).hexdigest()
    dataset = Path(wishes.text).name
    if wishes.out:
        file = _new_file(wishes.out, about)
    else:
        name = file_name(f"{model.name}.{Path(dataset).stem}.{about[:8]}{ENDING}")
        file = home.path / FOLDER / name
    return Task(model, text, dataset, wishes.chunks, file, about)


def _new_file(out: str, about: str) -> Path:
    """Or the one that this computation made: it was killed before it could tell. Raises BadParameter."""
    try:
        file = Path(out).expanduser().absolute()
        if "\0" not in out and (not file.exists() or read_tally(file, about)):
            return file
    except (OSError, RuntimeError):
        pass  # nothing can be called so
    raise BadParameter("out", out[:80], phrase("expected.new_file"))


# ── doing ───────────────────────────────────────────────────────────────────────────────────────────


def run(home: Home, arguments: dict[str, Any], report: Report) -> dict[str, Any]:
    """The job kind `imatrix`. Raises ModelNotFound, BadParameter, DoesNotFit, an EngineFailure."""
    wishes, began = Wishes(**arguments), time.monotonic()
    asked = task(Catalog(home.models).find(wishes.model), wishes, home)
    tally = compute(asked, Engine.of(home, wishes.threads), report)
    return described(asked, tally) | {"seconds": round(time.monotonic() - began, 1)}


def compute(asked: Task, engine: Engine, report: Report) -> Tally:
    """The file, which holds all of it or is not there; one that was made of the same is taken as it is."""
    if asked.file.exists() and (made := read_tally(asked.file, asked.about)):
        return made
    with writing(asked.file):
        asked.file.parent.mkdir(parents=True, exist_ok=True)
    part = asked.file.with_name(f".{asked.file.name}.part")
    report.progress(0, 0, "tokens", "lab.quantize.loading")
    tally = read_tally(part, asked.about) or Tally()
    asyncio.run(until_cancelled(_read(asked, engine, tally, part, report), report))
    write(part, tally, asked)
    with writing(asked.file):
        land(part, asked.file)
    return tally


async def _read(asked: Task, engine: Engine, tally: Tally, part: Path, report: Report) -> None:
    async with engine.load(asked.model, CHUNK) as worker:
        chunks = await _chunks(worker, asked)
        tokens, noted = sum(map(len, chunks)), time.monotonic()
        done = sum(map(len, chunks[: tally.chunks]))
        report.progress(done, tokens, "tokens", READING)
        for ids in chunks[tally.chunks :]:
            report.check()
            tally.add(await worker.capture(Prompt((ids,), add_special=False), [WEIGHTS], "squares"))
            done += len(ids)
            report.progress(done, tokens, "tokens", READING)
            if time.monotonic() - noted > NOTE_S:
                await asyncio.to_thread(write, part, tally, asked)
                noted = time.monotonic()


async def _chunks(worker: DirectWorker, asked: Task) -> list[tuple[int, ...]]:
    """Of the end of a text, what fills no chunk is left out, unless it is all there is."""
    chunks = await windows(worker, asked.text, CHUNK, FEWEST)
    if not chunks:
        raise BadParameter("text", asked.dataset, phrase("expected.longer_text", tokens=FEWEST))
    whole = [ids for ids in chunks if len(ids) == CHUNK] or chunks
    return whole[: asked.chunks] if asked.chunks else whole


# ── the file ────────────────────────────────────────────────────────────────────────────────────────


def write(file: Path, tally: Tally, asked: Task) -> None:
    """As llama.cpp's tools read it. Raises StoreUnwritable."""
    told: dict[str, Value] = {
        "general.type": "imatrix",
        "imatrix.datasets": [asked.dataset],
        "imatrix.chunk_count": tally.chunks,
        "imatrix.chunk_size": CHUNK,
        ABOUT: asked.about,
    }
    drafts = []
    for name, (sums, counts) in sorted(tally.sums.items()):
        drafts.append(_draft(f"{name}{SUMS}", sums))
        drafts.append(_draft(f"{name}{COUNTS}", counts[:, None]))
    draft = file.with_name(f"{file.name}.new")
    with writing(file):
        with draft.open("wb") as out:
            gguf_writing.write(out, told, drafts)
        draft.replace(file)


def _draft(name: str, rows: Rows) -> Draft:
    data = rows.astype("<f4").tobytes()
    return Draft(name, rows.shape[::-1], F32, len(data), lambda: data)


def read_tally(file: Path, about: str) -> Tally | None:
    """What a file of this computation holds; None for any other, and for none."""
    found = read_raw(file, ABOUT, about)
    if found is None:
        return None
    chunks, sums = found
    return Tally({name: (rows.astype("f8"), n.astype("f8")) for name, (rows, n) in sums.items()}, chunks)


def described(asked: Task, tally: Tally) -> dict[str, Any]:
    """The result of the job."""
    return {
        "model": asked.model.name,
        "file": str(asked.file),
        "text": asked.dataset,
        "chunks": tally.chunks,
        "tokens": tally.chunks * CHUNK if tally.chunks > 1 else _tokens(tally),
        "weights": len(tally.sums),
        "unused": tally.unused,
    }


def _tokens(tally: Tally) -> int:
    """Of a text that fills no chunk: the most rows that a matrix was multiplied with."""
    return max((int(counts.sum()) for _, counts in tally.sums.values() if len(counts) == 1), default=0)
