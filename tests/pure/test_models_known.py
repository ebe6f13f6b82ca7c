"""The list of well-known models: every statement has its source, and sizes agree with what was calculated."""

from __future__ import annotations

import gzip
import io
import json
from pathlib import Path

import pytest

from fabula.core import texts
from fabula.models.fit.anatomy import anatomy
from fabula.models.fit.breakdown import breakdown
from fabula.models.fit.cache import Load
from fabula.models.formats.gguf import read_header_from
from fabula.models.known import entries as known
from fabula.models.known import skeletons
from fabula.models.known.entries import CLAIMED, entries, find, read
from fabula.models.sources import parse

FIXTURES = Path(__file__).parents[1] / "fixtures" / "fit"
ASKED = """Llama-3.1-8B-Lexi-Uncensored-V2 · Dolphin 2.2.1 Mistral 7B · Dolphin 2.5 Mixtral 8x7B ·
MistralThinker-v1.1 · Qwen2.5-7B-Instruct-abliterated · MythoMax-L2-13B · Noromaid-20b-v0.1.1 ·
WizardLM-13B-Uncensored · Gemma 3 27B it abliterated · Kunoichi-DPO-v2-7B · CausalLM-14B · ChatGLM3-6B ·
RWKV-v6-7B-World-v3 · RWKV-7-World-v3-2.9B · DeepSeek-R1-Distill-Qwen-1.5B · DeepSeek-R1-Distill-Qwen-7B
· DeepSeek-R1-Distill-Qwen-14B · DeepSeek-R1-Distill-Qwen-32B · Liberated-Qwen1.5-14B · Qwen3 8B ·
Nous-Hermes-Llama2-13B · Luna-AI-Llama2-Uncensored · magnum-v4-12b · Cydonia-22B-v1 ·
LLaMA2-13B-Tiefighter · Mixtral 8x7B Instruct v0.1 · llama2-uncensored ·
Wizard-Vicuna-13B-Uncensored · Chinese-Wizard-Vicuna-13B · Chinese-Alpaca (Plus) 7B/13B/33B ·
Chinese-Alpaca-2-13B · Llama2-Chinese-13b-Chat · SuperHOT 13B 8K · MLewd-L2-13B-v2 · Pygmalion-2-13B ·
UltraLM-13B · Skywork-13B-Chat · BlueLM-7B-Chat · Qwen 14B Chat ·
RWKV-claude-for-mobile-v4-world-1.5B-16k · MythoLogic-L2-13B · Huginn-13B · Dolphin 3.0 Mistral 24B ·
Qwen2.5 32B Instruct · Qwen2.5-Coder-32B-Instruct-Uncensored · UncensoredLM-DeepSeek-R1-Distill-Qwen-14B
· Llama 2 7B · Llama 2 70B Chat · Llama 3 8B · Llama 3.1 405B Instruct · Llama 3.2 1B · Llama 3.3 70B
Instruct · Mistral 7B v0.3 · Mistral Nemo 12B · Mistral Small 24B Instruct 2501 · Qwen1.5 72B Chat ·
Qwen2 7B · Qwen2.5 72B Instruct · Qwen3 235B-A22B · Gemma 7B it · Gemma 2 9B · Gemma 3 27B it · Qwen-14B ·
Dolphin-Mistral-24B-Venice-Edition · Qwen2.5-32B-Instruct-abliterated · EVA-Qwen2.5-32B-v0.2 ·
Qwen2.5-32B-ArliAI-RPMax-v1.3 · Qwen2.5-32b-RP-Ink · Qwen2.5-32B-AGI"""


def test_every_statement_names_who_makes_it() -> None:
    for entry in entries():
        for name in (name for name in CLAIMED if getattr(entry, name)):
            assert entry.claims[name].startswith("https://") or entry.claims[name] == known.FABULA


@pytest.mark.parametrize("name", [name.strip() for name in ASKED.replace("\n", " ").split("·")])
def test_the_best_known_models_are_there(name: str) -> None:
    assert find(entries(), name)


def test_names_are_unique_and_sources_can_be_asked_for() -> None:
    names = [known.plain(entry.name) for entry in entries()]
    assert len(set(names)) == len(names)
    for origin in (origin for entry in entries() for origin in entry.sources):
        assert origin.page.startswith("https://")
        assert parse(f"hf:{origin.repository}").kind == "hub"


def test_what_no_engine_loads_says_why_and_what_else_there_is() -> None:
    hindered = [entry for entry in entries() if entry.obstacle]
    assert {entry.obstacle for entry in hindered} == set(known.OBSTACLES)
    for entry in hindered:
        assert "Way out" in texts.say(f"catalog.obstacle.{entry.obstacle}")


@pytest.mark.parametrize("language", texts.LANGUAGES)
def test_every_note_is_told_in_every_language(language: str) -> None:
    keys = [f"catalog.character.{word}" for word in known.CHARACTER]
    keys += [f"catalog.weakness.{word}" for word in known.WEAKNESSES]
    assert all(texts.say(key, language) != key for key in keys)


OLDER = ("Q2_K",)
"""Types that quantizers of 2023 made larger than today's."""


def test_sizes_that_were_seen_agree_with_those_that_are_calculated() -> None:
    checked = 0
    for entry in entries():
        for file in (file for origin in entry.quantized for file in origin.files if file.bytes):
            body = skeletons.body(entry.kind, file.quantization) if entry.kind else None
            if (
                body is None
                or file.quantization in OLDER
                or entry.family == "rwkv"
                or "Mixtral" in entry.name
            ):
                continue
            checked += 1
            assert file.bytes == pytest.approx(body.weights, rel=0.03), (entry.name, file.file)
    assert checked > 100


def test_kinds_are_planned_as_their_own_headers_are() -> None:
    """Every type of every kind whose header lies in the fixtures, but Q4_0 (theirs is older)."""
    checked = 0
    for row in json.loads((FIXTURES / "headers.json").read_text(encoding="utf-8")):
        name = row["model"].removesuffix("-v0.2")
        if (
            name not in skeletons.kinds()
            or row["ft"] not in skeletons.kind(name).types
            or row["ft"] == "Q4_0"
        ):
            continue
        packed = gzip.decompress((FIXTURES / row["file"]).read_bytes())
        own = anatomy([read_header_from(io.BytesIO(packed), 1 << 50, Path(name))])
        known_body = skeletons.body(name, row["ft"])
        assert known_body
        for layers in (0, 10, 999):
            load = Load(context=8192, gpu_layers=layers)
            assert breakdown(known_body, load) == breakdown(own, load), (name, row["ft"], layers)
        checked += 1
    assert checked > 100


def test_a_recurrent_kind_takes_no_more_for_a_longer_context() -> None:
    body = skeletons.body("rwkv7-2.9b", "Q8_0")
    assert body
    short, long = (breakdown(body, Load(context=context)).host_context for context in (2048, 65_536))
    assert short == long > 0


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"licence": "MIT"}, "no source for licence"),
        ({"stage": "magic", "claims": {"stage": "https://example.com"}}, "none of base"),
        ({"alignment": "free", "claims": {"alignment": "https://example.com"}}, "external filter"),
        ({"tasks": ["war"], "claims": {"tasks": "fabula"}}, "none of chat"),
        ({"kind": "llama-9"}, "no kind is called"),
        ({"parameters": 0}, "no parameters"),
        ({"colour": "blue"}, "colour"),
        ({"sources": [{"page": "https://example.com"}]}, "repository"),
        ({"name": ""}, "without a name"),
    ],
)
def test_statements_without_source_and_unknown_words_are_refused(row: dict[str, object], said: str) -> None:
    plain = {"name": "X", "parameters": 1, "sources": []}
    with pytest.raises(ValueError, match=said):
        read({"version": 2, "models": [plain | row]})


def test_a_list_of_another_version_is_refused() -> None:
    with pytest.raises(ValueError, match="version 1"):
        read({"version": 1, "models": []})


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("dolphin-mistral", "Dolphin 2.2.1 Mistral 7B"),
        ("Mixtral-8x7B", "Mixtral 8x7B Instruct v0.1"),
        ("rwkv v7", "RWKV-7-World-v3-2.9B"),
        ("Chinese LLaMA Alpaca 2", "Chinese-Alpaca-2-7B"),
    ],
)
def test_what_people_call_it_is_found_though_several_have_the_word(said: str, meant: str) -> None:
    found = find(entries(), said)
    assert found
    assert found.name == meant


def test_no_alias_is_the_name_or_the_alias_of_another() -> None:
    names = [known.plain(name) for entry in entries() for name in (entry.name, *entry.aliases)]
    assert len(names) == len(set(names))
