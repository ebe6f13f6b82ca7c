"""The closed form against plans that the engine's own allocator made, every row of them.

FABULA_FIXTURES names another folder of the same format (ground_truth.jsonl.gz and headers/). The second
folder here holds architectures that the formula had not seen when it was made.
"""

from __future__ import annotations

import functools
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from fabula.models.fit.breakdown import Breakdown, breakdown
from fabula.models.fit.cache import refusal
from fabula.models.fit.rows import Headers, load_of, read_rows

OWN = Path(__file__).parent.parent / "fixtures"
GIVEN = os.environ.get("FABULA_FIXTURES", "")


def folders() -> list[Path]:
    if not GIVEN:
        return [OWN / "fit", OWN / "fit_more"]
    folder = Path(GIVEN)
    return [folder / "fit" if (folder / "fit").is_dir() else folder]


@dataclass(frozen=True)
class Case:
    """One row: what the engine told, and what was planned."""

    row: dict[str, Any]
    planned: Breakdown
    refused: str

    @property
    def kind(self) -> str:
        """Where the layers are: none on the device, all, some, or only the output."""
        layers, on_device = self.row["n_layer"], self.row["ngl"]
        if self.row["place"] == "cpu":
            return "processor"
        if on_device == 1:
            return "output"
        return "full" if on_device > layers else "partial"

    @property
    def off(self) -> float:
        """How far the total is off, as a part of it: 0.01 = planned one percent too much."""
        part = "host" if self.kind == "processor" else "dev"
        told = sum(self.row[f"{part}_{name}"] for name in ("model", "context", "compute"))
        return (self.planned.host if part == "host" else self.planned.device) / told - 1


@functools.cache
def cases(folder: Path) -> tuple[Case, ...]:
    [rows] = [file for name in (".jsonl.gz", ".jsonl") if (file := folder / f"ground_truth{name}").is_file()]
    headers = Headers(folder)
    found = []
    for row in read_rows(rows):
        model, load = headers.of(row), load_of(row)
        found.append(Case(row, breakdown(model, load), refusal(model, load)))
    return tuple(found)


def planned(folder: Path, *kinds: str) -> list[Case]:
    numbers = [case for case in cases(folder) if "error" not in case.row]
    return [case for case in numbers if not kinds or case.kind in kinds]


def show(folder: Path, checked: list[Case]) -> None:
    worst = sorted((case.off for case in checked), key=abs)[-1] if checked else 0.0
    print(f"\n{folder.name}: {len(checked)} rows, the worst total is off by {worst:+.2%}")  # noqa: T201


each_folder = pytest.mark.parametrize("folder", folders(), ids=lambda folder: folder.name)


@each_folder
def test_ground_truth_fit_weights_are_exact(folder: Path) -> None:
    checked = planned(folder)
    show(folder, checked)
    for case in checked:
        ours = (case.planned.host_model, case.planned.device_model)
        assert ours == (case.row["host_model"], case.row["dev_model"]), case.row


@each_folder
def test_ground_truth_fit_caches_are_exact(folder: Path) -> None:
    checked = planned(folder)
    show(folder, checked)
    for case in checked:
        ours = (case.planned.host_context, case.planned.device_context)
        assert ours == (case.row["host_context"], case.row["dev_context"]), case.row


@each_folder
def test_ground_truth_fit_totals_on_one_device_are_within_a_percent(folder: Path) -> None:
    checked = planned(folder, "processor", "full")
    show(folder, checked)
    far = [case for case in checked if abs(case.off) > 0.01]
    assert all(abs(case.off) <= 0.02 for case in checked), far
    assert len(far) <= 0.005 * len(checked), far


@each_folder
def test_ground_truth_fit_partial_offload_is_hardly_ever_too_little(folder: Path) -> None:
    checked = planned(folder, "partial")
    show(folder, checked)
    assert all(-0.02 <= case.off <= 0.06 for case in checked)
    assert not any(case.planned.rough for case in checked)


@each_folder
def test_ground_truth_fit_an_output_alone_on_the_device_is_told_to_be_rough(folder: Path) -> None:
    checked = planned(folder, "output")
    show(folder, checked)
    assert all(case.planned.rough for case in checked)
    assert all(-0.3 <= case.off <= 0.4 for case in checked)


@each_folder
def test_ground_truth_fit_what_the_engine_refuses_is_refused(folder: Path) -> None:
    refused = [case for case in cases(folder) if "error" in case.row]
    print(f"\n{folder.name}: {len(refused)} refused rows of {len(cases(folder))}")  # noqa: T201
    assert all(case.refused for case in refused)
    assert not any(case.refused for case in planned(folder))
