"""Adapters where nothing is loaded: scales as values, what needs a reload, what makes requests read alike."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from asking import plan_for

from fabula.core.errors import BadParameter
from fabula.core.load import LoadOptions
from fabula.core.model import LocalModel
from fabula.core.sampling import Sampling
from fabula.core.texts import LANGUAGES
from fabula.engine.llamacpp.adapters import Loras, numbered
from fabula.engine.llamacpp.loading import arguments, config
from fabula.engine.reload import reload_reason
from fabula.models.adapters.names import FAMILIES, place_of

LORAS = Loras(("style", "mood"), ("print of style", "print of mood"), lambda: {"style": 1.0})


def test_scales_come_as_an_object_or_as_pairs_and_go_back_as_they_came() -> None:
    one = Sampling.of({"adapters": {"style": 1}})
    assert one.adapters == Sampling.of({"adapters": [["style", 1.0]]}).adapters == (("style", 1.0),)
    assert LoadOptions.of({"adapters": [["style", 0.5]]}).adapters == (("style", 0.5),)
    assert LoadOptions.of({}).adapters is None


@pytest.mark.parametrize("value", [5, "style", ["style"], {"style": "1"}, {"style": True}, {"style": 101}])
def test_what_are_no_scales_is_refused(value: object) -> None:
    with pytest.raises(BadParameter) as refused:
        Sampling.of({"adapters": value})
    assert refused.value.name == "adapters"


def test_what_a_request_does_not_say_is_usual() -> None:
    assert LORAS.settle(Sampling()).adapters == (("style", 1.0), ("mood", 0.0))
    assert LORAS.settle(Sampling(adapters=(("mood", 2.0),))).adapters == (("style", 1.0), ("mood", 2.0))
    assert LORAS.ignored(Sampling(adapters=(("mood", 2.0), ("other", 1.0)))) == ("adapters.other",)


def test_requests_read_alike_when_every_scale_is_the_same() -> None:
    def variant(**scales: float) -> object:
        return LORAS.variant(LORAS.settle(Sampling(adapters=tuple(scales.items()))))

    assert variant() == variant(style=1.0) != variant(style=0.5)
    assert variant(style=0) == variant(style=-0.0, mood=0) == Loras().variant(Sampling())
    replaced = dataclasses.replace(LORAS, prints=("another", "print of mood"))
    assert replaced.variant(replaced.settle(Sampling())) != variant()


def test_every_request_names_every_adapter() -> None:
    assert numbered((1.0, 0.0)) == {"lora": [{"id": 0, "scale": 1.0}, {"id": 1, "scale": 0.0}]}
    assert numbered(()) == {}


def test_the_engines_own_memory_of_prompts_is_off_with_adapters(tmp_path: Path) -> None:
    model = LocalModel(name="tiny", path=tmp_path / "tiny.gguf", size=1)
    counts = {"checkpoints": 4, "checkpoint_step": 64}
    plain = config(model, plan_for(model), "", counts)
    adapted = config(model, plan_for(model), "", counts, [tmp_path / "style.gguf"])
    assert (plain["prompt_cache_mib"], adapted["prompt_cache_mib"]) == (64, 0)
    assert "--lora" not in arguments(plain)
    line = arguments(adapted)
    assert line[line.index("--lora") + 1] == str(tmp_path / "style.gguf")
    assert "--lora-init-without-apply" in line


def test_only_another_set_of_adapters_needs_a_reload() -> None:
    model = LocalModel(name="tiny", path=Path("tiny.gguf"), size=1)
    loaded = plan_for(model, options=LoadOptions(adapters=(("a", 1.0), ("b", 0.5))))
    assert reload_reason(loaded, LoadOptions(adapters=(("b", 0.0), ("a", -1.0)))) is None
    assert reload_reason(loaded, LoadOptions()) is None
    assert reload_reason(plan_for(model), LoadOptions(adapters=())) is None
    why = reload_reason(loaded, LoadOptions(adapters=(("a", 1.0),)))
    assert why
    for language in LANGUAGES:
        assert "a, b" in why.say(language)


@pytest.mark.parametrize(
    ("module", "tensor"),
    [
        ("base_model.model.model.layers.3.self_attn.q_proj", "blk.3.attn_q.weight"),
        ("base_model.model.model.language_model.layers.3.mlp.up_proj", "blk.3.ffn_up.weight"),
        ("base_model.model.language_model.model.layers.3.mlp.up_proj", "blk.3.ffn_up.weight"),
        ("model.layers.12.self_attn.o_proj", "blk.12.attn_output.weight"),
        ("base_model.model.lm_head", "output.weight"),
        ("base_model.model.model.embed_tokens", "token_embd.weight"),
    ],
)
def test_modules_have_their_place(module: str, tensor: str) -> None:
    place = place_of(module, FAMILIES["llama"])
    assert place
    assert place.tensor == tensor
    assert place.reordered == ("attn_q" in tensor)


@pytest.mark.parametrize("family", FAMILIES)
def test_what_is_not_certain_has_no_place(family: str) -> None:
    for module in ("model.layers.0.mlp.experts.0.up_proj", "visual.blocks.0.attn.qkv", "model.layers.x.q"):
        assert place_of(module, FAMILIES[family]) is None
    assert not any(place_of("model.layers.0.mlp.up_proj", FAMILIES[name]) for name in ("phi3", "qwen3moe"))
