"""The engine's own plan of models without weights, against the closed form: they part when one changes."""

from __future__ import annotations

import gzip
import io
import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from fabula.cli.main import main
from fabula.core.errors import BadParameter, ModelLoadFailed
from fabula.core.plan import HOST, Plan
from fabula.engine.builds.builds import Build
from fabula.engine.oracle import EngineOracle
from fabula.models import fit
from fabula.models.fit.anatomy import anatomy
from fabula.models.fit.twin import write_twin
from fabula.models.formats.gguf import Header, read_header_from
from fabula.models.formats.identify import describe, identify
from fabula.models.hardware import Machine, machine

FIXTURES = Path(__file__).parent.parent / "fixtures"
MIB = 1 << 20
CENTIMIB = MIB / 100
BIG = Machine(
    system="Linux",
    processor="",
    cores=2,
    physical_cores=2,
    memory=1 << 40,
    memory_available=1 << 40,
)


def header_of(name: str) -> Header:
    """A header that came from elsewhere: there is no file of that model."""
    for folder in (FIXTURES / "fit", FIXTURES / "fit_more"):
        for row in json.loads((folder / "headers.json").read_text(encoding="utf-8")):
            if f"{row['model']}.{row['ft']}" == name:
                data = gzip.decompress((folder / row["file"]).read_bytes())
                return read_header_from(io.BytesIO(data), row["file_bytes"], Path(f"{name}.gguf"))
    raise KeyError(name)


def planned(header: Header, **wishes: int | str) -> Plan:
    wanted = fit.Wanted(**{"slots": 1, "threads": 1, "gpu_layers": 0, **wishes})  # type: ignore[arg-type]
    return fit.plan(describe(header.path, [header]), BIG, wanted, anatomy=anatomy([header]))


@pytest.mark.parametrize(
    ("name", "context", "kv_type"),
    [
        ("llama-3.1-70b.Q4_K_M", 8192, "f16"),
        ("gemma-3-27b.Q2_K", 16_384, "q8_0"),
        ("deepseek-v2-lite.Q4_K_M", 4096, "f16"),
        ("qwen3-30b-a3b.Q4_K_M", 2048, "q4_0"),
        ("rwkv7-1.5b.Q4_K_M", 2048, "f16"),
        ("granite-4-tiny.Q4_K_M", 4096, "f16"),
    ],
)
async def test_the_closed_form_says_what_the_engine_says(name: str, context: int, kv_type: str) -> None:
    header = header_of(name)
    plan = planned(header, context=context, kv_type=kv_type)
    asked = await EngineOracle().plan(describe(header.path, [header]), plan, (header,))
    ours, its = plan.devices[0], asked.devices[0]
    assert asked.tier == "engine"
    assert ours.weights == its.weights
    assert abs(ours.kv - its.kv) <= CENTIMIB
    assert abs(ours.total - its.total) <= 0.01 * its.total


async def test_a_model_that_is_here_needs_no_twin(starter_model: Path) -> None:
    model = identify(starter_model)
    plan = fit.plan(model, machine(), fit.Wanted(context=2048, slots=2, gpu_layers=0))
    asked = await EngineOracle().plan(model, plan)
    assert abs(asked.devices[0].kv - plan.devices[0].kv) <= CENTIMIB
    assert asked.verdict == plan.verdict


async def test_what_the_engine_cannot_plan_is_told_with_its_reason(tmp_path: Path) -> None:
    header = header_of("llama-3.2-1b.Q4_K_M")
    plan = planned(header, context=512)
    odd = tmp_path / "odd.gguf"
    odd.write_bytes(header.held[: header.data_start].replace(b"blk.3.attn_q.weight", b"blk.3.attn_z.weight"))
    os.truncate(odd, header.file_size)
    with pytest.raises(ModelLoadFailed, match="attn_q"):
        await EngineOracle().plan(replace(describe(odd, [header]), path=odd), plan)


async def test_an_engine_that_cannot_be_asked_says_so() -> None:
    header = header_of("llama-3.2-1b.Q4_K_M")
    with pytest.raises(BadParameter):
        await EngineOracle(Build(name="", program="/opt/llama-server")).plan(
            describe(header.path, [header]), planned(header, context=512), (header,)
        )


def test_a_twin_is_as_long_as_its_model_and_takes_next_to_nothing(tmp_path: Path) -> None:
    twin = write_twin([header_of("llama-3.1-70b.F16")], tmp_path)
    status = twin.stat()
    assert (status.st_size, twin.name) == (141_110_094_624, "llama-3.1-70b.F16.gguf")
    assert status.st_blocks * 512 < MIB
    assert identify(twin).problem == ""


def test_figures_of_the_engine_take_the_place_of_the_plans() -> None:
    from fabula.models.fit.oracle import told

    plan = planned(header_of("llama-3.2-1b.Q4_K_M"), context=512)
    host = plan.devices[0]
    rounded = {"weights": host.weights // MIB * MIB, "kv": 5, "compute": 7}
    asked = told(plan, {HOST: rounded})
    assert (asked.devices[0].weights, asked.devices[0].kv, asked.devices[0].compute) == (host.weights, 5, 7)
    assert told(plan, {HOST: {**rounded, "weights": 1 << 41}}).verdict == "no"


def test_the_command_asks_the_engine(
    starter_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FABULA_HOME", str(tmp_path))
    with pytest.raises(SystemExit) as left:
        main(["fit", str(starter_model), "--ctx", "1024", "--slots", "1", "--vram", "0", "--exact", "--json"])
    printed = capsys.readouterr()
    assert not left.value.code, printed.err
    told = json.loads(printed.out)["plan"]
    assert (told["tier"], told["devices"][0]["kv"]) == ("engine", round(22.5 * MIB))
