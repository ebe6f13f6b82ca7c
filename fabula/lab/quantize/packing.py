"""GPTQ and AWQ of a folder, for engines on GPUs: made by auto-round in a process of its own. Knows no tensor.

The child is `pack_child`; it runs in Fabula's Python, or in that of the setting
`engine.transformers_python`.
"""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import re
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fabula.core.errors import BadParameter, CannotQuantize, ExtraMissing, ModelExists
from fabula.core.model import LocalModel
from fabula.core.texts import phrase
from fabula.lab.product import Product
from fabula.lab.quantize.exact import until_cancelled
from fabula.lab.quantize.quality import MEASURING, Text, neutral
from fabula.models.formats.folders import FORMAT, files_of, identify_folder
from fabula.models.formats.safetensors import BadTensors, read_tensors
from fabula.store import settings
from fabula.store.files import is_safe_name, require_space
from fabula.store.home import Home
from fabula.store.job_child import Report

METHODS = ("GPTQ", "AWQ")
PROGRAM = Path(__file__).with_name("pack_child.py")
GROUPS = (128, 64, 32)  # rows of input that share a scale: the first that divides all widths
ITERATIONS = 20  # of rounding; more is a little better and takes as much longer
SAMPLES, SAMPLE_LETTERS, LENGTH = 64, 2_000, 512  # of the text that rounding looks at; tokens of each
WINDOW, MOST = 512, 512  # tokens of each text that is measured
PACKING = "lab.quantize.packing"
_BAR = re.compile(rb"(\d+)/(\d+) \[")


@dataclass(frozen=True, slots=True, kw_only=True)
class Packing:
    """What is packed how, and where it goes."""

    model: LocalModel
    method: str
    group: int
    target: Path
    samples: tuple[str, ...]
    texts: tuple[Text, ...]
    python: str
    threads: int


def is_packing(type_: str) -> bool:
    return type_.strip().upper() in METHODS


def target_of(home: Home, model: LocalModel, type_: str, name: str) -> Path:
    """Where the new model will lie. Raises BadParameter."""
    target = home.models / (name or f"{model.name.rsplit('/', 1)[-1]}-{type_.strip().upper()}")
    if not is_safe_name(target.name):
        raise BadParameter("name", target.name, phrase("expected.file_name"))
    return target


def packing(
    home: Home,
    model: LocalModel,
    type_: str,
    name: str,
    texts: Mapping[str, str],
    threads: int,
    *,
    anew: bool = True,
) -> Packing:
    """`texts` may have `learn` and `measure`. Raises BadParameter, CannotQuantize, ExtraMissing and
    ModelExists (not with `anew` off)."""
    if model.format != FORMAT or model.packed:
        raise BadParameter("model", model.name, phrase("expected.folder_model"))
    if model.problem:
        reason = phrase(model.problem, file=model.path.name, name=model.name, size=model.size)
        raise CannotQuantize(model.name, reason)
    target = target_of(home, model, type_, name)
    if anew and target.exists():
        raise ModelExists(target.name)
    python = settings.load(home).engine_transformers_python
    if not python and importlib.util.find_spec("auto_round") is None:
        raise ExtraMissing(model.name, "autoround", "auto-round")
    measured = [Text("text", texts["measure"])] if texts.get("measure") else neutral()
    learned = texts.get("learn") or "\n\n".join(text.text for text in neutral())
    return Packing(
        model=model,
        method=type_.strip().upper(),
        group=group_of(model),
        target=target,
        samples=samples(learned),
        texts=tuple(measured),
        python=python or sys.executable,
        threads=threads or max((os.cpu_count() or 2) - 1, 1),
    )


def group_of(model: LocalModel) -> int:
    """The largest group that divides the width of every matrix. Raises CannotQuantize."""
    widths = set()
    for file in files_of(model.path):
        try:
            found = read_tensors(file).values() if file.suffix == ".safetensors" else ()
        except BadTensors as bad:
            raise CannotQuantize(model.name, phrase(f"models.problem.{bad.reason}", file=file.name)) from bad
        widths |= {t.shape[1] for t in found if len(t.shape) == 2 and ".layers." in t.name}
    group = next((size for size in GROUPS if all(width % size == 0 for width in widths)), 0)
    if not group:
        odd = next(width for width in sorted(widths) if width % GROUPS[-1])
        raise CannotQuantize(model.name, phrase("lab.quantize.odd_width", width=odd, group=GROUPS[-1]))
    return group


def samples(text: str) -> tuple[str, ...]:
    """Pieces of the text, spread over all of it."""
    pieces = [text[start : start + SAMPLE_LETTERS] for start in range(0, len(text), SAMPLE_LETTERS)]
    step = max(len(pieces) // SAMPLES, 1)
    return tuple(pieces[::step][:SAMPLES])


# ── doing ───────────────────────────────────────────────────────────────────────────────────────────


def run(asked: Packing, workshop: Path, product: Product, report: Report) -> dict[str, Any]:
    """The folder, put onto the shelf; answers what it is and cost. Raises CannotQuantize, NoDiskSpace."""
    require_space(workshop, 2 * asked.model.size)
    with tempfile.TemporaryDirectory(dir=workshop, prefix=f"{asked.target.name}.packing-") as folder:
        told = asyncio.run(until_cancelled(_pack(asked, Path(folder), report), report))
        made = Path(told["made"])
        for file in made.rglob("*"):
            file.chmod(0o755 if file.is_dir() else 0o644)
        made.chmod(0o755)
        if asked.target.exists():
            raise ModelExists(asked.target.name)
        result = described(asked, made, told["measured"])
        product.land(made, asked.target, result)
    return result


async def _pack(asked: Packing, folder: Path, report: Report) -> dict[str, Any]:
    report.progress(0, 0, "steps", "lab.quantize.loading")
    async with _child(asked, folder) as child:
        assert child.stdout
        rest, ending, last = b"", dict[str, Any](), b""
        while data := await child.stdout.read(1 << 16):
            *lines, rest = re.split(rb"[\r\n]", rest + data)
            for line in filter(None, map(bytes.strip, lines)):
                ending = _heard(line, report) or ending
                last = line
        if await child.wait() or "made" not in ending:
            raise CannotQuantize(asked.model.name, last.decode("utf-8", "replace")[-300:])
    return ending


def _heard(line: bytes, report: Report) -> dict[str, Any]:
    """What stands in a line; progress goes to the job."""
    if line.startswith(b"FABULA "):
        told: dict[str, Any] = json.loads(line.removeprefix(b"FABULA "))
        if "stage" in told:
            report.progress(told["done"], told["total"], "steps", MEASURING)
        return told if "made" in told else {}
    if match := _BAR.search(line):
        report.progress(int(match[1]), int(match[2]), "steps", PACKING)
    return {}


@asynccontextmanager
async def _child(asked: Packing, folder: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """Ends with whoever asked."""
    child = await asyncio.create_subprocess_exec(
        *(asked.python, "-P", str(PROGRAM)),  # else our statistics.py would be taken for Python's
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        cwd=folder,
        env={**os.environ, "OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "0"},
    )
    assert child.stdin
    child.stdin.write(json.dumps(_order(asked, folder)).encode() + b"\n")
    try:
        await child.stdin.drain()
        yield child
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()


def _order(asked: Packing, folder: Path) -> dict[str, Any]:
    return {
        "folder": str(asked.model.path),
        "work": str(folder),
        "method": asked.method.lower(),
        "group": asked.group,
        "iterations": ITERATIONS,
        "samples": asked.samples,
        "length": LENGTH,
        "texts": [(text.name, text.text) for text in asked.texts],
        "window": WINDOW,
        "most": MOST,
        "threads": asked.threads,
    }


def described(asked: Packing, folder: Path, measured: Mapping[str, Any]) -> dict[str, Any]:
    """As the result of any quantization; sizes are bytes of the files of weights."""
    made = identify_folder(folder)
    weights = max(asked.model.parameters, 1)
    return {
        "name": asked.target.name,
        "files": len(list(folder.glob("*.safetensors"))),
        "type": asked.method,
        "source": asked.model.name,
        "file_size": made.size,
        "size": made.size,
        "bits": round(8 * made.size / weights, 3),
        "source_size": asked.model.size,
        "source_bits": round(8 * asked.model.size / weights, 3),
        "types": {f"{asked.method} 4-bit, {asked.group}": _layers(folder)},
        "narrow": 0,
        "from_quantized": "",
        "importance": "",
        "group": asked.group,
        "measured": dict(measured),
    }


def _layers(folder: Path) -> int:
    names: Sequence[str] = [name for file in folder.glob("*.safetensors") for name in read_tensors(file)]
    return sum(name.endswith(".qweight") for name in names)
