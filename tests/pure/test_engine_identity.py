"""What a saved slot state depends on: the weights in every file of the model."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from fabula.core.model import LocalModel
from fabula.core.plan import Plan
from fabula.engine.builds.builds import Build
from fabula.engine.llamacpp.identity import fingerprint, weights
from fabula.engine.tune.shelf import key
from fabula.models import fit

PLAN = Plan(
    model="m", tier="rough", verdict="fits", devices=(), context=512, slots=1, gpu_layers=0, threads=1
)  # fmt: skip
MACHINE = fit.Machine(
    system="Linux", processor="p", cores=2, physical_cores=2, memory=1 << 34, memory_available=1 << 33
)


@pytest.fixture
def parts(tmp_path: Path) -> list[Path]:
    files = [tmp_path / f"big-0000{number}-of-00003.gguf" for number in (1, 2, 3)]
    for number, file in enumerate(files):
        file.write_bytes(bytes([number]) * 1000)
        os.utime(file, ns=(10**18, 10**18))
    return files


def keys(first: Path) -> tuple[str, str]:
    model = LocalModel(name="big", path=first, size=3000)
    return fingerprint(model, PLAN, "engine"), key(model, Build(name="cpu", version="1"), MACHINE).model


@pytest.mark.parametrize("changed", [0, 1, 2])
@pytest.mark.parametrize("how", ["bytes", "size", "time"])
def test_a_change_in_any_file_of_a_model_makes_it_another_one(
    parts: list[Path], changed: int, how: str
) -> None:
    before = keys(parts[0])
    assert keys(parts[0]) == before
    file, written = parts[changed], parts[changed].read_bytes()
    if how != "time":
        file.write_bytes(b"?" + written[1:] if how == "bytes" else written + b"?")
    os.utime(file, ns=(10**18, 10**18 + (how == "time")))
    assert keys(parts[0])[0] != before[0]
    # The tuning's key looks at the files only where size or time has changed.
    assert (keys(parts[0])[1] != before[1]) == (how != "bytes")


def test_a_model_in_one_file_depends_on_no_other(tmp_path: Path, parts: list[Path]) -> None:
    whole = tmp_path / "whole.gguf"
    whole.write_bytes(b"weights")
    before = weights(whole)
    parts[1].unlink()
    assert weights(whole) == before
    with pytest.raises(FileNotFoundError):
        weights(parts[0])
