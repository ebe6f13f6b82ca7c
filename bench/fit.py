"""The memory plan against the engine's own, its times, and 100,000 damaged headers. python -m bench fit

Knows no server. FABULA_FIXTURES names another folder of ground truth; `--headers 1000` damages fewer.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gzip
import io
import json
import os
import random
import struct
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from bench.paired import Interval, median
from bench.report import Report, at_most, exactly, reported
from fabula.engine.oracle import EngineOracle
from fabula.models import fit
from fabula.models.fit.anatomy import anatomy
from fabula.models.fit.breakdown import breakdown
from fabula.models.fit.rows import Headers, load_of, read_rows
from fabula.models.formats.gguf import BadHeader, read_header_from
from fabula.models.formats.identify import describe, identify
from fabula.models.formats.inspecting import inspect
from fabula.models.formats.safetensors import BadTensors, read_tensors
from fabula.models.gpus import Gpu
from fabula.models.hardware import Machine

FIXTURES = Path(__file__).parent.parent / "tests" / "fixtures"
MIB, GIB = 1 << 20, 1 << 30
DAMAGED = 100_000
ROOM = 64 * MIB
LONGEST_S = 5.0  # for one damaged header: more would be a hang
BIG = "llama-3.1-70b.Q4_K_M"
PC = Machine(
    system="Linux",
    processor="",
    cores=8,
    physical_cores=8,
    memory=64 * GIB,
    memory_available=56 * GIB,
    gpus=(Gpu("card", 24 * GIB, 24 * GIB, "cuda"),),
)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m bench fit", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few rounds and headers: to see that it works")
    parser.add_argument("--headers", type=int, default=0, help=f"damaged headers; {DAMAGED:,} otherwise")
    given = parser.parse_args(arguments)
    with reported("fit", "memory plans, and what reads headers") as report:
        for folder in _folders():
            against_the_engine(report, folder)
        times(report, 3 if given.quick else 30)
        asyncio.run(asked(report, 2 if given.quick else 9))
        damaged(report, given.headers or (2000 if given.quick else DAMAGED))


def _folders() -> list[Path]:
    given = os.environ.get("FABULA_FIXTURES", "")
    return [Path(given)] if given else [FIXTURES / "fit", FIXTURES / "fit_more"]


# ── the formula ─────────────────────────────────────────────────────────────────────────────────────


def against_the_engine(report: Report, folder: Path) -> None:
    """Errors of totals, in percent of what the engine planned."""
    report.heading(f"{folder.name}: the closed form against the engine's allocator")
    rows, headers = folder / "ground_truth.jsonl.gz", Headers(folder)
    off: dict[str, list[float]] = {"processor": [], "full": [], "partial": [], "output only": []}
    inexact = models = 0
    for row in read_rows(rows):
        if "error" in row:
            continue
        model, load = headers.of(row), load_of(row)
        ours, kind = breakdown(model, load), _kind(row)
        exact = (ours.host_model, ours.host_context, ours.device_model, ours.device_context)
        inexact += exact != (row["host_model"], row["host_context"], row["dev_model"], row["dev_context"])
        side = "host" if kind == "processor" else "dev"
        told = sum(row[f"{side}_{part}"] for part in ("model", "context", "compute"))
        off[kind].append(100 * ((ours.host if side == "host" else ours.device) / told - 1))
        models += 1
    report.measure("rows whose weights or cache are inexact", exactly(inexact), f"of {models}", at_most(0))
    for kind, errors in off.items():
        if errors:
            worst = max(errors, key=abs)
            far = 100 * sum(abs(error) > 1 for error in errors) / len(errors)
            report.measure(f"{kind}: worst error of {len(errors)} totals", exactly(worst), "%")
            report.measure(f"{kind}: rows more than 1 % off", exactly(far), "%")


def _kind(row: dict[str, int | str]) -> str:
    layers = int(row["ngl"])
    if not layers:
        return "processor"
    if layers == 1:
        return "output only"
    return "full" if layers > int(row["n_layer"]) else "partial"


# ── times ───────────────────────────────────────────────────────────────────────────────────────────


def times(report: Report, rounds: int) -> None:
    report.heading("times, a header of 70B with a vocabulary of 128,256 tokens and 280,147 merges")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "big.gguf"
        _write_big(file)
        model = identify(file)
        report.measure("identify", _ms(lambda: identify(file), rounds), "ms", at_most(300))
        report.measure("inspect", _ms(lambda: inspect(file), rounds), "ms", at_most(300))
        report.measure(
            "plan, GPU and layers left over",
            _ms(lambda: fit.plan(model, PC, gpu=True), rounds),
            "ms",
            at_most(5),
        )
        alone = replace(PC, gpus=())
        report.measure("plan, processor", _ms(lambda: fit.plan(model, alone), rounds), "ms", at_most(5))


def _ms(call: Callable[[], object], rounds: int) -> Interval:
    taken = []
    for _ in range(rounds + 1):
        started = time.perf_counter()
        call()
        taken.append(1000 * (time.perf_counter() - started))
    return median(taken[1:])


def _write_big(file: Path) -> None:
    """The 70B's own tensors with the vocabulary of Llama 3's size in front of them."""
    data = gzip.decompress((FIXTURES / "fit" / "headers" / f"{BIG}.gguf-header.gz").read_bytes())
    tensors, pairs = struct.unpack_from("<QQ", data, 8)
    words = _strings([f"tok{n}" for n in range(128_256)])
    merges = _strings([f"left{n} right{n}" for n in range(280_147)])
    more = _named("tokenizer.ggml.tokens") + words + _named("tokenizer.ggml.merges") + merges
    file.write_bytes(data[:8] + struct.pack("<QQ", tensors, pairs + 2) + more + data[24:])
    os.truncate(file, 43 * GIB)


def _named(key: str) -> bytes:
    return struct.pack("<Q", len(key)) + key.encode() + struct.pack("<I", 9)


def _strings(texts: list[str]) -> bytes:
    rows = b"".join(struct.pack("<Q", len(text)) + text.encode() for text in texts)
    return struct.pack("<IQ", 8, len(texts)) + rows


async def asked(report: Report, rounds: int) -> None:
    report.heading("the engine's own plan, from a twin without weights")
    row = next(row for row in _listed(FIXTURES / "fit") if f"{row['model']}.{row['ft']}" == BIG)
    data = gzip.decompress((FIXTURES / "fit" / str(row["file"])).read_bytes())
    header = read_header_from(io.BytesIO(data), int(row["file_bytes"]), Path(f"{BIG}.gguf"))
    model = describe(header.path, [header])
    machine = replace(PC, gpus=(), memory_available=1 << 40)
    planned = fit.plan(model, machine, fit.Wanted(context=8192, slots=1), anatomy=anatomy([header]))
    taken = []
    for _ in range(rounds):
        started = time.perf_counter()
        its = await EngineOracle().plan(model, planned, (header,))
        taken.append(time.perf_counter() - started)
    report.measure("70B at 8,192 tokens", median(taken), "s", at_most(2))
    ours, told = planned.devices[0], its.devices[0]
    report.measure(
        "weights and cache: ours less the engine's",
        exactly((ours.weights + ours.kv - told.weights - told.kv) / MIB),
        "MiB",
        at_most(0.01),
    )


def _listed(folder: Path) -> list[dict[str, str | int]]:
    rows: list[dict[str, str | int]] = json.loads((folder / "headers.json").read_text(encoding="utf-8"))
    return rows


# ── damaged headers ─────────────────────────────────────────────────────────────────────────────────


def damaged(report: Report, count: int) -> None:
    """Each must be read or refused, soon, and in little memory: the system refuses more than that."""
    report.heading(f"{count:,} damaged headers, with {ROOM // MIB} MiB of memory left to this process")
    rng, longest, refused = random.Random(0), 0.0, 0
    with tempfile.TemporaryDirectory() as folder, _little_memory(report):
        for data, suffix in _mutants(rng, count):
            file = Path(folder) / f"damaged{suffix}"
            file.write_bytes(data)
            started = time.perf_counter()
            refused += _refused(file)
            longest = max(longest, time.perf_counter() - started)
    report.measure("were refused", exactly(100 * refused / count), "%")
    report.measure("longest", exactly(1000 * longest), "ms", at_most(1000 * LONGEST_S))


@contextlib.contextmanager
def _little_memory(report: Report) -> Iterator[None]:
    """An allocation beyond `ROOM` fails, and with it the measurement."""
    status = Path("/proc/self/status")
    if not status.is_file():
        report.note("this system has no such limit: memory was not bounded")
        yield
        return
    import resource

    data = next(line for line in status.read_text(encoding="utf-8").splitlines() if line.startswith("VmData"))
    before = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (int(data.split()[1]) * 1024 + ROOM, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, before)


def _refused(file: Path) -> bool:
    """Anything but a reader's own refusal ends the measurement."""
    inspect(file)
    try:
        if file.suffix == ".gguf":
            with file.open("rb") as opened:
                anatomy([read_header_from(opened, file.stat().st_size, file)])
        else:
            read_tensors(file)
    except (BadHeader, BadTensors):
        return True
    return False


def _mutants(rng: random.Random, count: int) -> Iterator[tuple[bytes, str]]:
    whole = [_sound(file) for file in sorted((FIXTURES / "fit_more" / "headers").glob("*.gz"))]
    whole = [data for data in whole if len(data) < 30_000]
    tensors = _safetensors()
    for number in range(count):
        is_gguf = number % 4 != 3
        data = bytearray(rng.choice(whole) if is_gguf else tensors)
        for _ in range(rng.randrange(1, 8)):
            _damage(data, rng)
        yield bytes(data), ".gguf" if is_gguf else ".safetensors"


def _sound(file: Path) -> bytes:
    return gzip.decompress(file.read_bytes())


def _damage(data: bytearray, rng: random.Random) -> None:
    at = rng.randrange(len(data)) if data else 0
    kind = rng.randrange(6)
    if kind == 0 and data:
        data[at] = rng.choice((0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)))
    elif kind == 1:
        data[at : at + 8] = struct.pack("<Q", rng.choice((0, 1, 1 << 20, 1 << 31, 1 << 40, (1 << 64) - 1)))
    elif kind == 2:
        del data[at : at + rng.randrange(1, 64)]
    elif kind == 3:
        data[at:at] = bytes(rng.randrange(256) for _ in range(rng.randrange(1, 32)))
    elif kind == 4 and rng.random() < 0.2:
        del data[at:]
    else:
        start = rng.randrange(len(data)) if data else 0
        data[at:at] = data[start : start + rng.randrange(1, 256)]


def _safetensors() -> bytes:
    rows = {
        f"model.layers.{n}.weight": {"dtype": "F16", "shape": [4, 4], "data_offsets": [32 * n, 32 * n + 32]}
        for n in range(20)
    }
    head = json.dumps(rows).encode()
    return struct.pack("<Q", len(head)) + head + bytes(32 * 20)


if __name__ == "__main__":
    main()
