"""A plan of a quantization that was not made yet is the plan of the file that the quantizer then makes."""

from __future__ import annotations

from pathlib import Path

import pytest
import quantizing

from fabula.app.retyping import retyped
from fabula.lab.quantize.job import run
from fabula.lab.quantize.ordering import Wishes
from fabula.models import fit, hardware
from fabula.models.catalog import Catalog
from fabula.models.fit.anatomy import anatomy
from fabula.store.home import Home
from fabula.store.job_child import Report


@pytest.mark.parametrize("type_", ["Q8_0", "Q4_K_M", "F16"])
def test_a_quantization_is_planned_before_it_is_made(tmp_path: Path, type_: str) -> None:
    home = Home(tmp_path / "home").create()
    quantizing.make(home.models / "trial-F32.gguf")
    source = Catalog(home.models).find("trial-F32")
    model, headers = retyped(source, type_)
    machine = hardware.machine()
    planned = fit.plan(model, machine, anatomy=anatomy(headers))
    run(home, Wishes(model="trial-F32", type=type_, measure=False, threads=1).arguments(), Report())
    made = fit.plan(Catalog(home.models).find(f"trial-{type_}"), machine)
    assert planned.tier == made.tier == "closed form"
    assert planned.devices == made.devices
    assert planned.devices[0].weights < fit.plan(source, machine).devices[0].weights
