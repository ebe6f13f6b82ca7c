"""Load models of zeros, let them read and write a little, and make rates of it. Knows no shelf.

Each type takes one to two seconds on an idle processor. When other programs had more than a tenth of it
meanwhile, the rates are marked so.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from fabula.core.sampling import Sampling
from fabula.core.stream import Finished
from fabula.core.worker import Prompt
from fabula.engine.builds.builds import Build
from fabula.engine.llamacpp.worker import LlamaCppWorker
from fabula.engine.speed.zero import LARGE, SMALL, numbers, write_zeros
from fabula.engine.tune import busy
from fabula.models import fit
from fabula.models.fit.anatomy import anatomy
from fabula.models.fit.speed import Basis, Rates
from fabula.models.formats.gguf import read_header
from fabula.models.formats.identify import identify
from fabula.models.hardware import Machine

READ, WRITTEN = 256, 24  # tokens
FIXED_WRITTEN = 64  # of the small model, which takes hardly any time
CONTEXT = 512  # tokens
LEAST_S = 1e-6


@dataclass(frozen=True, slots=True)
class Sample:
    """Seconds per token, and the share of the processors that others had."""

    read: float
    written: float
    load: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What is measured: `gpu_layers` 0 measures the processor, otherwise the cards."""

    machine: Machine
    build: Build
    threads: int
    on_card: bool = False


async def measure(
    kinds: Sequence[str], setting: Setting, tell: Callable[[str], None] = lambda kind: None
) -> Rates:
    """Rates of the processor, or of the cards, for these types. Raises KeyError for one that is not known."""
    with tempfile.TemporaryDirectory(prefix="fabula-zeros-") as folder:
        place = Path(folder)
        fixed = await _sample(write_zeros(place, "F32", SMALL), setting, place, FIXED_WRITTEN)
        read, compute, loads = dict[str, float](), dict[str, float](), [fixed.load]
        for kind in kinds:
            tell(kind)
            file = write_zeros(place, kind, LARGE)
            found = await _sample(file, setting, place, WRITTEN)
            read[kind] = _touched(file) / max(found.written - fixed.written, LEAST_S)
            compute[kind] = numbers(LARGE) / max(found.read, LEAST_S)
            loads.append(found.load)
            file.unlink()
    is_busy = max(loads) > busy.LIMIT
    basis: Basis = "measured, machine busy" if is_busy else "measured"
    return Rates(read=read, compute=compute, fixed=fixed.written, basis=basis)


def _touched(file: Path) -> float:
    """Bytes that are read for each token."""
    model = anatomy([read_header(file)])
    reads = [read for layer in model.layers for read in layer.reads]
    return sum(read.size for read in (*reads, *model.output_reads))


async def _sample(file: Path, setting: Setting, logs: Path, written: int) -> Sample:
    model = identify(file)
    layers = -1 if setting.on_card else 0
    wanted = fit.Wanted(context=CONTEXT, slots=1, threads=setting.threads, gpu_layers=layers)
    plan = fit.plan(model, setting.machine, wanted, gpu=setting.on_card)
    worker = LlamaCppWorker(logs, build=setting.build)
    try:
        await worker.load(model, plan)
        await _asked(worker, 8, 4)  # the first one touches every page
        others = busy.stopwatch()
        finished = await _asked(worker, READ, written)
        return Sample(
            finished.prompt_ms / 1000 / max(finished.processed_tokens, 1),
            finished.predicted_ms / 1000 / max(finished.completion_tokens, 1),
            others(),
        )
    finally:
        await worker.close()


async def _asked(worker: LlamaCppWorker, read: int, written: int) -> Finished:
    """`read` different tokens each time would be the same to zeros; only their number counts."""
    prompt = Prompt((tuple(3 + (7 * n + read) % 256 for n in range(read)),), add_special=False)
    sampling = Sampling(temperature=0.0, seed=1, max_tokens=written, ignore_eos=True)
    finished = None
    async for delta in worker.stream(prompt, sampling):
        if isinstance(delta, Finished):
            finished = delta
    assert finished is not None  # the seam: every stream that did not fail ends with it
    return finished
