"""Plans of models whose headers are on the disk: the closed form, decided upon."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from fabula.core.load import LoadOptions
from fabula.core.model import LocalModel
from fabula.models.fit import Beside, Wanted, plan
from fabula.models.fit.reading import anatomy_of
from fabula.models.formats.identify import identify
from fabula.models.gpus import Gpu
from fabula.models.hardware import Machine

FIXTURES = Path(__file__).parent.parent / "fixtures"
GIB, MIB = 1 << 30, 1 << 20
DESKTOP = Machine(
    system="Linux",
    processor="a processor",
    cores=8,
    physical_cores=8,
    memory=64 * GIB,
    memory_available=56 * GIB,
)
CARD = Gpu("card", 12 * GIB, 12 * GIB, "cuda")
Twin = Callable[[str], LocalModel]


@pytest.fixture
def twin(tmp_path: Path) -> Twin:
    """A model's header on the disk, and a hole as long as its weights."""

    def make(name: str) -> LocalModel:
        for folder in (FIXTURES / "fit", FIXTURES / "fit_more"):
            for row in json.loads((folder / "headers.json").read_text(encoding="utf-8")):
                if f"{row['model']}.{row['ft']}" == name:
                    file = tmp_path / f"{name}.gguf"
                    file.write_bytes(gzip.decompress((folder / row["file"]).read_bytes()))
                    os.truncate(file, row["file_bytes"])
                    return identify(file)
        raise KeyError(name)

    return make


def test_a_model_on_the_disk_is_planned_to_the_byte(twin: Twin) -> None:
    planned = plan(twin("llama-3.1-8b.Q4_K_M"), DESKTOP, Wanted(context=8192, slots=1))
    host = planned.devices[0]
    assert (planned.tier, host.weights, host.kv) == ("closed form", 4_912_898_048, 1 << 30)
    assert host.repacked > 3 * GIB


def test_what_does_not_fit_on_the_card_stays_in_memory_layer_by_layer(twin: Twin) -> None:
    machine = replace(DESKTOP, gpus=(CARD,))
    planned = plan(twin("qwen2.5-32b.Q4_K_M"), machine, gpu=True)
    host, card = planned.devices
    assert (planned.verdict, planned.reasons[0].key) == ("partial", "models.fit.partial")
    assert 0.8 * card.available < card.total <= card.available
    assert host.kv > 0


def test_experts_stay_in_memory_before_whole_layers_do(twin: Twin) -> None:
    planned = plan(twin("qwen3-30b-a3b.Q4_K_M"), replace(DESKTOP, gpus=(CARD,)), gpu=True)
    assert (planned.verdict, planned.gpu_layers) == ("partial", 49)
    assert planned.options.moe_cpu
    assert planned.reasons[0].key == "models.fit.experts"
    fewer = replace(planned.options, moe_cpu=planned.options.moe_cpu - 1)
    again = plan(twin("qwen3-30b-a3b.Q4_K_M"), replace(DESKTOP, gpus=(CARD,)), Wanted.of(fewer), gpu=True)
    assert again.gpu_layers < 49  # one layer's experts more would have been too many


def test_the_largest_context_fits_and_the_next_does_not(twin: Twin) -> None:
    model, machine = twin("gemma-3-27b.Q4_K_M"), replace(DESKTOP, gpus=(replace(CARD, memory_free=20 * GIB),))
    largest = plan(model, machine, Wanted(slots=1), gpu=True).largest_context
    fits, too_big = (
        plan(model, machine, Wanted(context=n, slots=1), gpu=True) for n in (largest, largest + 256)
    )
    assert fits.devices[1].total <= fits.devices[1].available
    assert fits.gpu_layers == 63
    assert too_big.gpu_layers < 63


def test_what_the_engine_would_refuse_is_refused_with_its_reason(twin: Twin) -> None:
    mixed = Wanted.of(LoadOptions(kv_type="q8_0", kv_type_v="f16"))
    planned = plan(twin("deepseek-v2-lite.Q4_K_M"), DESKTOP, mixed)
    assert (planned.verdict, planned.reasons[0].key) == ("no", "models.fit.refused_types")
    unseen = Wanted.of(LoadOptions(kv_type="q8_0", flash_attention="off"))
    assert plan(twin("llama-3.1-8b.Q4_K_M"), DESKTOP, unseen).reasons[0].key == "models.fit.refused_values"
    narrow = plan(twin("phi2-2.7b.Q4_K_M"), DESKTOP, Wanted(kv_type="q4_0"))
    assert narrow.reasons[0].key == "models.fit.refused_width"


def test_a_recurrent_model_takes_the_same_for_any_context(twin: Twin) -> None:
    model = twin("rwkv7-1.5b.Q4_K_M")
    short, long = (plan(model, DESKTOP, Wanted(context=n, slots=1)) for n in (1024, 32_768))
    assert short.devices[0].kv == long.devices[0].kv < 32 * MIB


def test_what_is_loaded_beside_a_model_is_counted_where_it_lies(twin: Twin) -> None:
    beside = Beside(adapters=100 * MIB, projector=800 * MIB)
    model, machine = twin("llama-3.2-3b.Q4_K_M"), replace(DESKTOP, gpus=(CARD,))
    assert plan(model, machine, gpu=True, beside=beside).devices[1].beside == 1180 * MIB
    assert plan(model, DESKTOP, beside=beside).devices[0].beside == 1180 * MIB


def test_a_header_is_read_once(twin: Twin) -> None:
    model = twin("llama-3.2-1b.Q4_K_M")
    assert anatomy_of(model)[0] is anatomy_of(model)[0]
    model.path.unlink()
    assert not anatomy_of(model)[1]
