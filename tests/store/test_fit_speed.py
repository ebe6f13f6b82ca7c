"""How fast models would be: bytes that a token needs, rates, ranges and what they stand on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from fabula.engine.speed.shelf import Speeds
from fabula.engine.speed.zero import LARGE, numbers, write_zeros
from fabula.models.cards import find
from fabula.models.fit.anatomy import anatomy
from fabula.models.fit.cache import Load, cache_bytes
from fabula.models.fit.rows import read_anatomy
from fabula.models.fit.speed import Rates, kinds_of, of_card, rate_of, speed
from fabula.models.formats.gguf import read_header
from fabula.models.formats.identify import identify

HEADERS = Path(__file__).parent.parent / "fixtures" / "fit" / "headers"
EIGHT = read_anatomy(HEADERS / "llama-3.1-8b.Q4_K_M.gguf-header.gz")
MIXTURE = read_anatomy(HEADERS / "qwen3-30b-a3b.Q4_K_M.gguf-header.gz")
RATES = Rates(
    read={"Q4_K": 1e10, "Q6_K": 1e10, "F32": 1e10}, compute={"Q4_K": 1e11, "Q6_K": 1e11, "F32": 1e11}
)


def read_bytes() -> float:
    reads = [read for layer in EIGHT.layers for read in layer.reads] + list(EIGHT.output_reads)
    return sum(read.size for read in reads)


def test_a_token_needs_everything_but_the_table_of_embeddings() -> None:
    assert read_bytes() == pytest.approx(EIGHT.weights - EIGHT.inputs, rel=1e-5)  # but for the last norm
    assert kinds_of(EIGHT)[:2] == ["Q4_K", "Q6_K"]


def test_of_experts_it_needs_those_that_it_goes_through() -> None:
    numbers_read = sum(read.numbers for layer in MIXTURE.layers for read in layer.reads)
    assert 2.5e9 < numbers_read < 3.5e9  # "A3B"


def test_time_is_bytes_by_rate_and_the_cache_comes_on_top() -> None:
    load = Load(context=8192)
    found = speed(EIGHT, load, RATES, None)
    assert found
    seconds = read_bytes() / 1e10
    assert found.written == pytest.approx((0.85 / seconds, 1.15 / seconds))
    full = seconds + cache_bytes(EIGHT, load) / 1e10
    assert found.written_full == pytest.approx((0.85 / full, 1.15 / full))
    assert found.basis == "measured"
    assert 8 < found.read[0] < found.read[1] < 20


def test_layers_on_two_devices_add_up_and_both_must_be_known() -> None:
    load = Load(context=4096, gpu_layers=17)
    card = of_card(1e12)
    assert speed(EIGHT, load, None, card) is None
    both = speed(EIGHT, load, RATES, card)
    alone = speed(EIGHT, Load(context=4096), RATES, None)
    assert both
    assert alone
    assert alone.written[1] < both.written[0] < 2.5 * alone.written[1]
    assert both.basis == "bandwidth"


def test_experts_in_memory_are_read_there() -> None:
    whole = Load(context=4096, gpu_layers=49)
    kept = replace(whole, experts_on_host=-1)
    slow = Rates(read={"Q4_K": 1e9})
    fast, slower = (speed(MIXTURE, load, slow, of_card(1e12)) for load in (whole, kept))
    assert fast
    assert slower
    assert slower.written[1] < fast.written[0] / 5


def test_a_busy_machine_widens_the_range() -> None:
    quiet, busy = (
        speed(EIGHT, Load(context=512), replace(RATES, basis=basis), None)
        for basis in ("measured", "measured, machine busy")
    )
    assert quiet
    assert busy
    assert busy.written[0] < quiet.written[0] < quiet.written[1] < busy.written[1]


def test_a_cards_range_holds_what_is_reported_of_it() -> None:
    """llama.cpp's README: 8B Q4_K_M at 71.93 tokens per second on a card whose F16 reached 468 GB/s."""
    found = speed(EIGHT, Load(context=4096, gpu_layers=33), None, of_card(find("RTX 3090").bandwidth))
    assert found
    assert found.written[0] < 71.93 < found.written[1]


def test_a_type_that_was_not_measured_has_its_neighbours_rate() -> None:
    assert rate_of({"Q4_K": 5.0, "Q2_K": 1.0}, "IQ4_XS") == 5.0
    assert rate_of({"Q4_K": 5.0, "Q2_K": 1.0}, "TQ1_0") == 1.0


def test_rates_are_kept_and_a_busy_time_does_not_spoil_them(tmp_path: Path) -> None:
    speeds = Speeds(tmp_path / "speeds.json")
    assert speeds.find("here") is None
    speeds.add("here", RATES)
    speeds.add("here", Rates(read={"Q4_K": 1.0}, basis="measured, machine busy"))
    kept = Speeds(tmp_path / "speeds.json").find("here")
    assert kept
    assert (kept.read["Q4_K"], kept.basis) == (1e10, "measured")
    speeds.file.write_text("{")
    assert speeds.find("here") is None


@pytest.mark.parametrize("kind", ["F16", "Q8_0", "Q4_K", "IQ2_XXS"])
def test_a_model_of_zeros_is_a_model_without_room_on_the_disk(tmp_path: Path, kind: str) -> None:
    file = write_zeros(tmp_path, kind)
    model = identify(file)
    assert (model.problem, model.quantization) == ("", kind)
    assert model.parameters == pytest.approx(numbers(LARGE), rel=0.01)
    assert kinds_of(anatomy([read_header(file)]))[0] == kind
    assert file.stat().st_blocks * 512 < 1 << 20
