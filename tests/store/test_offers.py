"""What a repository offers to a machine: groups, verdicts, one recommended, and a search of the hub."""

from __future__ import annotations

import json
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path

import pytest
from hub_stand_in import Hub, serving
from models_stand_ins import tiny_gguf

from fabula.core.errors import AccessGated, ModelNotFound, SourceMissing
from fabula.core.model import LocalModel
from fabula.models.fit.anatomy import anatomy
from fabula.models.fit.asking import Answers
from fabula.models.hardware import Machine
from fabula.models.sources import parse
from fabula.models.sources.hubs import Query
from fabula.models.sources.offers import Offers, find, offers, resized
from fabula.models.sources.peek import peek

MIB = 1 << 20
MACHINE = Machine(
    system="Linux", processor="", cores=4, physical_cores=4, memory=8 << 30, memory_available=6 << 30
)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Generator[Hub]:
    for name in ("HF_TOKEN", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    with serving(Hub()) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.address)
        monkeypatch.setenv("MODELSCOPE_ENDPOINT", hub.address)
        yield hub


@pytest.fixture
def answers(tmp_path: Path) -> Answers:
    return asked_of(MACHINE, tmp_path)


def asked_of(machine: Machine, folder: Path) -> Answers:
    def nowhere(name: str) -> LocalModel:
        raise ModelNotFound(name, "")

    return Answers(lambda: machine, folder / "headers", nowhere)


def quants(hub: Hub) -> None:
    """Sizes from 0.5 to 4 MiB."""
    hub.add(
        "someone/Tale-GGUF",
        {
            "Tale-F16.gguf": tiny_gguf(rows=16 << 10),
            "Tale-Q8_0.gguf": tiny_gguf(rows=8 << 10),
            "Tale-Q4_K_M.gguf": tiny_gguf(rows=4 << 10),
            "Tale-Q2_K.gguf": tiny_gguf(rows=2 << 10),
            "Tale-Q6_K-00001-of-00002.gguf": tiny_gguf(rows=3 << 10),
            "Tale-Q6_K-00002-of-00002.gguf": tiny_gguf(rows=3 << 10),
            "Tale-Q5_K-00001-of-00003.gguf": tiny_gguf(),
            "mmproj-F16.gguf": tiny_gguf(rows=512, general__type="mmproj"),
            "Tale.imatrix.gguf": tiny_gguf(),
            "pytorch_model.bin": b"PK\x03\x04",
            "README.md": b"# Tale",
        },
    )


def named(found: Offers) -> dict[str, str]:
    return {offer.model.quantization: offer.out for offer in found.offers}


def test_the_largest_that_fits_and_is_worth_it_is_recommended(hub: Hub, answers: Answers) -> None:
    quants(hub)
    found = offers(parse("hf:someone/Tale-GGUF"), answers)
    assert named(found) == {"F16": "full", "Q8_0": "", "Q6_K": "", "Q4_K_M": "", "Q2_K": "bits"}
    assert found.best
    assert (found.best.source, found.best.plan.verdict) == ("hf:someone/Tale-GGUF:Q8_0", "fits")
    assert found.best.basis == "header"
    assert found.projector
    assert found.needed == found.best.model.size + found.projector.size


def test_one_header_serves_all_and_is_only_asked_for_its_tag_later(hub: Hub, answers: Answers) -> None:
    quants(hub)
    first = offers(parse("hf:someone/Tale-GGUF"), answers)
    assert {offer.basis for offer in first.offers} == {"header", "proportion"}
    assert first.header_requests <= 4
    again = offers(parse("hf:someone/Tale-GGUF"), answers)
    assert again.header_requests == 1


def test_a_small_machine_gets_a_smaller_file(hub: Hub, tmp_path: Path) -> None:
    quants(hub)
    first = offers(parse("hf:someone/Tale-GGUF"), asked_of(MACHINE, tmp_path)).best
    assert first
    machine = replace(MACHINE, memory_available=first.plan.total - MIB // 2)
    second = offers(parse("hf:someone/Tale-GGUF"), asked_of(machine, tmp_path)).best
    assert second
    assert second.model.size < first.model.size


def test_where_nothing_fits_it_says_by_how_much(hub: Hub, tmp_path: Path) -> None:
    quants(hub)
    found = offers(parse("hf:someone/Tale-GGUF"), asked_of(replace(MACHINE, memory_available=MIB), tmp_path))
    assert found.best is None
    assert "1.00 MiB" in found.why.say("en") or "1.0 MiB" in found.why.say("en")


def test_what_is_not_needed_is_told_with_its_reason(hub: Hub, answers: Answers) -> None:
    quants(hub)
    found = offers(parse("hf:someone/Tale-GGUF"), answers)
    assert {row.file.path: row.why for row in found.unneeded} == {
        "Tale.imatrix.gguf": "imatrix",
        "Tale-Q5_K-00001-of-00003.gguf": "incomplete",
        "pytorch_model.bin": "pickle",
        "README.md": "other",
    }


def test_branches_are_quantizations_and_say_how_they_are_packed(hub: Hub, answers: Answers) -> None:
    def packed(bits: int) -> dict[str, bytes]:
        told = {"bits": bits, "group_size": 32 * bits, "desc_act": True}
        return {
            "config.json": json.dumps({"model_type": "llama"}).encode(),
            "quantize_config.json": json.dumps(told).encode(),
            "model.safetensors": bytes(1000 * bits),
        }

    hub.add("someone/Tale-GPTQ", packed(4))
    hub.add("someone/Tale-GPTQ", packed(8), revision="gptq-8bit-256g-actorder_True")
    hub.add("someone/Tale-GPTQ", {"README.md": b""}, revision="pr-7")
    found = offers(parse("hf:someone/Tale-GPTQ"), answers)
    assert [(offer.source, offer.label) for offer in found.offers] == [
        ("hf:someone/Tale-GPTQ@gptq-8bit-256g-actorder_True", "GPTQ 8-bit 256g act-order"),
        ("hf:someone/Tale-GPTQ", "GPTQ 4-bit 128g act-order"),
    ]


def test_what_no_engine_here_loads_is_not_recommended(hub: Hub, answers: Answers) -> None:
    config = {"model_type": "llama", "quantization_config": {"quant_method": "exl2", "bits": 4.25}}
    hub.add(
        "someone/Tale-exl2", {"config.json": json.dumps(config).encode(), "output.safetensors": bytes(900)}
    )
    found = offers(parse("hf:someone/Tale-exl2"), answers)
    assert ([offer.out for offer in found.offers], found.best) == (["engine"], None)


def test_a_choice_leaves_what_it_means(hub: Hub, answers: Answers) -> None:
    quants(hub)
    found = offers(parse("hf:someone/Tale-GGUF:Q4_K_M"), answers)
    assert [offer.model.name for offer in found.offers] == ["Tale-Q4_K_M"]
    assert found.best


def test_a_mirror_without_ranges_still_gives_verdicts(hub: Hub, answers: Answers) -> None:
    quants(hub)
    hub.faults = [404] * 8
    found = offers(parse("hf:someone/Tale-GGUF"), answers)
    assert {offer.basis for offer in found.offers} == {"size"}
    assert found.best


def test_refusals_are_told(hub: Hub, answers: Answers) -> None:
    hub.add("meta/Closed-GGUF", {"Closed-Q4_0.gguf": tiny_gguf()}).gated = True
    with pytest.raises(AccessGated):
        offers(parse("hf:meta/Closed-GGUF"), answers)
    with pytest.raises(SourceMissing):
        offers(parse("hf:meta/Nothing"), answers)


def test_in_proportion_every_byte_of_a_file_is_planned(hub: Hub, tmp_path: Path) -> None:
    quants(hub)
    small = peek("hf:someone/Tale-GGUF:Q4_K_M", tmp_path)
    large = peek("hf:someone/Tale-GGUF:Q8_0", tmp_path)
    guessed, real = resized(anatomy(small.headers), large.model.size), anatomy(large.headers)
    assert guessed.weights == pytest.approx(real.weights, rel=0.001)
    assert [layer.keys for layer in guessed.layers] == [layer.keys for layer in real.layers]


# ── search ──────────────────────────────────────────────────────────────────────────────────────────


def test_a_search_tells_size_downloads_and_what_would_fit(hub: Hub, answers: Answers) -> None:
    facts = {"tags": ["gguf", "license:apache-2.0"], "downloads": 500, "likes": 7, "gated": False}
    hub.add("one/Tale-3B-GGUF", {}, gguf={"total": 3_000_000_000, "architecture": "llama"}, **facts)
    hub.add("two/Tale-70B-GGUF", {}, gguf={"total": 70_000_000_000}, **facts | {"downloads": 900})
    hub.add("two/Tale-raw", {}, tags=["safetensors"])
    hits = find(Query(text="tale"), "hf", answers)
    assert [hit.found.name for hit in hits] == ["two/Tale-70B-GGUF", "one/Tale-3B-GGUF"]
    assert [hit.plan.verdict if hit.plan else "" for hit in hits] == ["no", "fits"]
    assert (hits[1].found.licence, hits[1].found.parameters) == ("apache-2.0", 3_000_000_000)
    assert [hit.found.name for hit in find(Query(text="tale"), "hf", answers, fits=True)] == [
        "one/Tale-3B-GGUF"
    ]
    assert [hit.found.name for hit in find(Query(text="tale", author="one"), "hf", answers)] == [
        "one/Tale-3B-GGUF"
    ]


def test_modelscope_is_searched_as_well(hub: Hub, answers: Answers) -> None:
    hub.add("qwen/Tale-GGUF", {}, revision="master", downloads=12, license="apache-2.0")
    assert [hit.found.source for hit in find(Query(text="tale"), "ms", answers)] == ["ms:qwen/Tale-GGUF"]
