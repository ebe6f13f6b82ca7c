"""Packed weights on the processor: what a packed folder says is what its rounded weights say.

FABULA_GPTQ_PYTHON names a Python that has the packages, where ours has not.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
from pathlib import Path

import from_gguf
import packing
import pytest
import tiny_folders
from asking import collect, text_of
from lab_loading import MACHINE, loaded
from needs import need

from fabula.core.errors import ExtraMissing
from fabula.core.load import LoadOptions
from fabula.core.model import LocalModel
from fabula.core.sampling import Sampling
from fabula.core.worker import Prompt
from fabula.engine.transformers_child.plan import plan
from fabula.engine.transformers_child.worker import TransformersWorker
from fabula.models.formats.folders import identify_folder

PYTHON = os.environ.get("FABULA_GPTQ_PYTHON", "")
FOX = Prompt(("the quick brown fox jumps over the lazy dog",))
HERE = importlib.util.find_spec("gptqmodel") is not None


def require(module: str) -> None:
    """In our Python, or in the other one."""
    if importlib.util.find_spec(module):
        return
    asked = f"import importlib.util, sys; sys.exit(importlib.util.find_spec({module!r}) is None)"
    if not PYTHON or subprocess.run([PYTHON, "-c", asked], check=False).returncode:
        need("gptq", f"{module} is not installed, and FABULA_GPTQ_PYTHON names no Python that has it")


@pytest.mark.parametrize(
    ("method", "module"),
    [("gptq", "gptqmodel"), ("awq", "gptqmodel"), ("compressed-tensors", "compressed_tensors")],
)
@pytest.mark.timeout(900)  # the first load compiles for this processor
async def test_a_packed_folder_says_what_its_rounded_weights_say(
    lab: None, tmp_path: Path, method: str, module: str
) -> None:
    require(module)
    small, plain = packing.packed(tiny_folders.folder(tmp_path / "tiny"), method)
    model = identify_folder(small)
    assert (model.packed, model.problem) == (method, "")
    assert model.quantization in (f"{method.upper()} 4-bit", "compressed-tensors")
    expected = await loaded(identify_folder(plain), tmp_path)
    worker = TransformersWorker(tmp_path, start_timeout_s=120, python=PYTHON)
    await worker.load(model, plan(model, MACHINE, LoadOptions(threads=2)))
    found = [(await one.score(FOX)).logprobs for one in (worker, expected)]
    for one in (worker, expected):
        await one.close()
    assert found[0] == pytest.approx(found[1], abs=0.5)
    assert min(found[1]) < -5  # there is something to tell apart


@pytest.mark.parametrize("method", ["gptq", "awq"])
@pytest.mark.timeout(900)
async def test_a_packed_folder_of_the_starter_model_answers(
    lab: None, starter_model: Path, tmp_path: Path, method: str
) -> None:
    require("gptqmodel")
    small, plain = packing.packed(from_gguf.folder(starter_model, tmp_path / "starter"), method)
    shutil.rmtree(plain)
    model = identify_folder(small)
    assert (model.packed, model.size < 260 << 20) == (method, True)
    worker = TransformersWorker(tmp_path, start_timeout_s=120, python=PYTHON)
    await worker.load(model, plan(model, MACHINE, LoadOptions(threads=2)))
    counting, end = await collect(worker, Prompt(("1, 2, 3, 4,",)), temperature=0, max_tokens=12)
    schema = '{"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}'
    form, _ = await collect(worker, Prompt(("A number:",)), temperature=0, max_tokens=60, json_schema=schema)
    ignored = worker.honours(Sampling(json_schema=schema))[1]
    await worker.close()
    assert text_of(counting).startswith(" 5, 6, 7, 8")
    assert end.completion_tokens == 12
    assert text_of(form).startswith("{") != (ignored == ("json_schema",))  # the other Python may lack it


@pytest.mark.parametrize("quantize", ["4bit", "8bit"])
async def test_a_plain_folder_is_made_smaller_while_it_is_loaded(
    lab: None, tiny: LocalModel, tmp_path: Path, quantize: str
) -> None:
    require("bitsandbytes")
    whole = await loaded(tiny, tmp_path)
    worker = TransformersWorker(tmp_path, start_timeout_s=120, python=PYTHON)
    await worker.load(tiny, plan(tiny, MACHINE, LoadOptions(threads=2, quantize=quantize)))
    expected, found = [(await one.score(FOX)).logprobs for one in (whole, worker)]
    for one in (whole, worker):
        await one.close()
    assert found != expected
    off = [abs(one - other) for one, other in zip(found, expected, strict=True)]
    assert sum(off) / len(off) < (2 if quantize == "4bit" else 0.3)  # random weights are far apart


async def test_without_the_packages_the_extra_is_named(lab: None, tmp_path: Path) -> None:
    if HERE:
        pytest.skip("gptqmodel is installed")
    small, _ = packing.packed(tiny_folders.folder(tmp_path / "tiny"), "gptq")
    with pytest.raises(ExtraMissing, match=r"fabula\[gptq\]"):
        await loaded(identify_folder(small), tmp_path)
