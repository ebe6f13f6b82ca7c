"""Quantizing a model: the whole work on the disk against the library's routines alone, in memory."""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.paired import median, ratio
from bench.report import Report, at_most, reported
from fabula.lab.quantize.kernels import Kernels
from fabula.lab.quantize.ledger import Ledger
from fabula.lab.quantize.mixes import MIXES
from fabula.lab.quantize.source import Source, read_source
from fabula.lab.quantize.target import Target, target
from fabula.lab.quantize.work import VALUES, Work, pieces
from fabula.models.formats import gguf_writing
from fabula.models.formats.gguf_writing import Draft, Value
from fabula.models.formats.identify import identify

TYPES = ("Q8_0", "Q4_0", "Q6_K", "Q4_K_M", "IQ4_XS")
WIDTH, ROWS, LAYERS = 2048, 2048, 2
BF16 = 30
MOST = 1.2  # times the routines' own time
ROUNDS = {"Q8_0": 15, "Q4_0": 15, "Q6_K": 12, "Q4_K_M": 12, "IQ4_XS": 5}
"""What is over in a third of a second needs more rounds before its interval says something."""


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m bench quantize", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one round: to see that it works")
    given = parser.parse_args(arguments)
    with reported("quantize", "how long quantizing takes") as report, tempfile.TemporaryDirectory() as folder:
        source = read_source(identify(make(Path(folder) / "source.gguf")))
        report.heading(f"one thread, {source.elements / 1e6:.0f} M weights from BF16, in turns")
        for name in TYPES:
            measure(report, name, source, Path(folder), 1 if given.quick else ROUNDS.get(name, 6))


def make(path: Path) -> Path:
    """Random weights in the shape of a llama; all rows can be divided into blocks of 256."""
    values = packed()
    names = ("attn_q", "attn_v", "ffn_down", "ffn_up")
    drafts = [
        Draft(f"blk.{layer}.{name}.weight", (WIDTH, ROWS), BF16, values.nbytes, values.tobytes)
        for layer in range(LAYERS)
        for name in names
    ]
    told: dict[str, Value] = {"general.architecture": "llama", "llama.block_count": LAYERS}
    told |= {"llama.attention.head_count": 16, "tokenizer.ggml.tokens": [f"{n}" for n in range(32_000)]}
    with path.open("wb") as file:
        gguf_writing.write(file, told, drafts)
    return path


def packed() -> NDArray[np.uint8]:
    """Random weights as BF16, [rows, bytes of a row]."""
    values = np.random.default_rng(1).standard_normal((ROWS, WIDTH), np.float32) * np.float32(0.02)
    return (values.view(np.uint32) >> np.uint32(16)).astype(np.uint16).view(np.uint8)


def measure(report: Report, name: str, source: Source, folder: Path, rounds: int) -> None:
    kernels, mix = Kernels(), MIXES[name]
    made = target(source, source.choose(mix, informed=False), mix, None)
    Work(source, made, kernels)  # its tables are built once
    times: dict[str, list[float]] = {"alone": [], "whole": []}
    alone(source, made, kernels)  # the first touch of the memory is nobody's cost
    for _ in range(rounds):
        times["alone"].append(seconds(lambda: alone(source, made, kernels)))
        times["whole"].append(seconds(lambda: whole(source, mix, folder)))
    report.measure(
        f"{name}: the routines alone (bound)", source.elements / median(times["alone"]).value / 1e6, "M/s"
    )
    report.measure(f"{name}: whole / routines", ratio(times["whole"], times["alone"]), "", at_most(MOST))


def seconds(work: Callable[[], Any]) -> float:
    """Processor time of all threads, without waiting for the disk: the machine may have other work."""
    started = time.process_time()
    work()
    return time.process_time() - started


def alone(source: Source, made: Target, kernels: Kernels) -> None:
    """Only unpacking and packing, piece by piece, of weights that are in memory."""
    data, room, values = packed(), np.empty(4 * VALUES, np.uint8), np.empty(VALUES, np.float32)
    for piece in pieces(source, made):
        part = values[: piece.rows * WIDTH].reshape(piece.rows, WIDTH)
        kernels.unpack(BF16, data[piece.row : piece.row + piece.rows].reshape(-1), part.reshape(-1))
        kernels.pack(piece.choice.type, part, room)


def whole(source: Source, mix: Any, folder: Path) -> None:
    """From the source's headers to the finished file."""
    again = read_source(identify(source.header.path))
    made = target(again, again.choose(mix, informed=False), mix, None)
    note, part = folder / "note.json", folder / "part"
    for file in (note, part):
        file.unlink(missing_ok=True)
    Work(again, made, Kernels()).write(part, Ledger.read(note, "bench"), 1, lambda done, total: None)


if __name__ == "__main__":
    main()
