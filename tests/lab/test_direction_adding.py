"""A direction is added for good in folders of safetensors: what the new weights say is what the live vector
makes the old ones say, and nothing else changes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import converting
import numpy as np
import pytest
import tiny_folders
import tiny_models
from numpy.typing import NDArray
from test_direction_hooks import hooked, logits
from test_direction_write import IDS, direction, stored, written

from fabula.core.errors import BadParameter, CannotAdd, CannotConvert, WeightsUnusable
from fabula.engine.transformers_child import parts
from fabula.lab.convert.convert import convert, folder_of
from fabula.lab.directions import biases, edit, growing, saved, write
from fabula.lab.directions.use import Use, steering
from fabula.models.formats.folders import identify_folder
from fabula.models.formats.safetensors import read_tensors
from fabula.store.home import Home
from fabula.store.job_child import Cancelled, Report

SCALE = 2.0
KINDS: dict[str, dict[str, Any]] = {
    "llama": tiny_models.KINDS["llama"],
    "smollm3": {"pad_token_id": 0, "num_hidden_layers": 3},
    "seed_oss": {"head_dim": 16, "attention_bias": True, "attention_out_bias": False},
    "arcee": {},
    "nemotron": {},
    "granite": {"residual_multiplier": 0.5},
    "cohere": {"tie_word_embeddings": True, "pad_token_id": 0, "logit_scale": 1.0},
    "starcoder2": {"use_bias": False},
    "phi": {"num_key_value_heads": 4},
    "gpt_oss": tiny_models.KINDS["gpt_oss"],
}
"""All that have a bias at the end of their layers, but for those of which the config has it already."""
ATTENTION = [kind for kind, one in biases.FOLDERS.items() if one.attention]


def made(tmp_path: Path, kind: str, **changes: Any) -> Home:
    home = Home(tmp_path / "home").create()
    shape = KINDS.get(kind) or tiny_models.KINDS.get(kind, {"head_dim": 16})
    folder = tiny_folders.folder(home.models / "tiny", kind, **(shape | changes))
    direction(home, identify_folder(folder).layers)
    return home


def added(home: Home, **wishes: Any) -> dict[str, Any]:
    return written(home, **({"way": "add", "strength": SCALE} | wishes))


def rows(home: Home) -> NDArray[np.float32]:
    """What a control vector adds, for all layers but the first."""
    found = saved.Shelf(home.directions).find("trait")
    made = np.zeros((found.layers - 1, found.width), np.float32)
    for layer, row in steering(found, Use()).items():
        made[layer - 1] = row * SCALE
    return made


def steered(home: Home) -> NDArray[np.float32]:
    model, hooks = hooked(home)
    hooks.change([], rows(home))
    return logits(model)


@pytest.mark.parametrize("kind", KINDS)
def test_the_new_folder_says_what_the_live_vector_makes_the_old_one_say(kind: str, tmp_path: Path) -> None:
    home = made(tmp_path, kind)
    result = added(home)
    before, after = (logits(tiny_models.model(home.models / name)) for name in ("tiny", "new"))
    assert np.abs(after - steered(home)).max() <= 1e-3
    assert np.abs(after - before).max() > 0.05  # it does something
    assert result["most_off"] <= 1e-6
    old, new = stored(home.models / "tiny"), stored(home.models / "new")
    assert {name for name in old if old[name] != new[name]} <= set(result["tensors"])
    assert all("bias" in name for name in new.keys() - old.keys())


@pytest.mark.parametrize("kind", ATTENTION)
def test_behind_attention_it_is_what_is_added_to_what_attention_writes(kind: str, tmp_path: Path) -> None:
    import torch

    home = made(tmp_path, kind)
    added(home, after="attention")
    model = tiny_models.model(home.models / "tiny")
    for layer, row in enumerate(rows(home), 1):
        for module in parts.modules_of(model, parts.name_of(layer, "attention")):
            shift = torch.from_numpy(row) / getattr(model.config, "residual_multiplier", 1.0)
            module.register_forward_hook(lambda _, __, made, shift=shift: (made[0] + shift, *made[1:]))
    assert np.abs(logits(model) - logits(tiny_models.model(home.models / "new"))).max() <= 1e-3


@pytest.mark.parametrize(("kind", "switch"), [("llama", "mlp_bias"), ("starcoder2", "use_bias")])
def test_biases_that_were_there_keep_what_they_had(kind: str, switch: str, tmp_path: Path) -> None:
    """And the config is copied to the byte."""
    import torch

    home = made(tmp_path, kind, **{switch: True})
    model = tiny_models.model(home.models / "tiny")
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("bias"):
                parameter.normal_()
    model.save_pretrained(home.models / "tiny", safe_serialization=True)
    result = added(home)
    assert np.abs(logits(tiny_models.model(home.models / "new")) - steered(home)).max() <= 1e-3
    assert (result["zeros"], result["size"]) == (0, result["source_size"])
    configs = [(home.models / name / "config.json").read_bytes() for name in ("tiny", "new")]
    assert configs[0] == configs[1]


async def test_the_engine_reads_what_becomes_a_gguf_of_it(tmp_path: Path) -> None:
    home = made(tmp_path, "llama")
    added(home)
    file = tmp_path / "new-F32.gguf"
    convert(folder_of(identify_folder(home.models / "new")), file, "F32", lambda done, total: None)
    async with converting.engine(file, tmp_path) as worker:
        found = await converting.rows(worker, IDS, tmp_path / "rows")
    assert found == pytest.approx(converting.theirs(home.models / "new", IDS), abs=1e-3)


def test_what_the_engine_would_not_read_is_not_converted(tmp_path: Path) -> None:
    home = made(tmp_path, "qwen3", attention_bias=False)
    added(home, after="attention")
    with pytest.raises(CannotConvert, match=r"no bias like model\.layers\.\d\.self_attn\.o_proj\.bias"):
        convert(
            folder_of(identify_folder(home.models / "new")), tmp_path / "new.gguf", "F32", lambda *_: None
        )


def test_only_the_switch_of_the_config_and_the_list_of_shards_change(tmp_path: Path) -> None:
    home = made(tmp_path, "llama")
    model = tiny_models.model(home.models / "tiny")
    (home.models / "tiny" / "model.safetensors").unlink()
    model.save_pretrained(home.models / "tiny", safe_serialization=True, max_shard_size="100KB")
    result = added(home)
    texts = {name: json.loads((home.models / name / "config.json").read_text()) for name in ("tiny", "new")}
    assert texts["new"] == texts["tiny"] | {"mlp_bias": True}
    index = json.loads((home.models / "new" / "model.safetensors.index.json").read_text())
    files = {name: read_tensors(home.models / "new" / name) for name in set(index["weight_map"].values())}
    assert {name: file for file, found in files.items() for name in found} == index["weight_map"]
    sizes = [tensor.end - tensor.start for found in files.values() for tensor in found.values()]
    assert sum(sizes) == index["metadata"]["total_size"]
    assert (len(result["tensors"]), result["zeros"]) == (2, 1 + 2 * 3)  # a down and a gate and an up of each


def test_bf16_adds_what_rounding_leaves_and_says_how_much_that_is(tmp_path: Path) -> None:
    home = made(tmp_path, "llama")
    model = tiny_models.model(home.models / "tiny").bfloat16()
    model.save_pretrained(home.models / "tiny", safe_serialization=True)
    assert 0 < added(home)["most_off"] <= 5e-3


def test_what_the_type_of_the_folder_cannot_hold_is_told(tmp_path: Path) -> None:
    home = made(tmp_path, "granite", residual_multiplier=1e-6)
    tiny_models.model(home.models / "tiny").half().save_pretrained(home.models / "tiny")
    with pytest.raises(WeightsUnusable, match=r"down_proj\.bias has numbers that F16 cannot hold"):
        added(home)
    assert not (home.models / "new").exists()


def test_cancelled_it_goes_on_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edit, "NOTE", 1)
    monkeypatch.setattr(growing, "PIECE", 1 << 13)
    home = made(tmp_path, "llama")

    class Stops(Report):
        def check(self) -> None:
            if self.current.done > 100_000:
                raise Cancelled

    with pytest.raises(Cancelled):
        added(home, report=Stops())
    note = next((home.models / write.WORKSHOP).rglob("ledger.json"))
    assert json.loads(note.read_text())["spans"] > 1
    added(home)
    added(home, name="whole")
    assert stored(home.models / "new") == stored(home.models / "whole")
    configs = [(home.models / name / "config.json").read_bytes() for name in ("new", "whole")]
    assert configs[0] == configs[1]


def test_layers_scope_and_scale_are_those_of_the_vector(tmp_path: Path) -> None:
    home = made(tmp_path, "llama")
    result = added(home, first=2, last=2, scope="layers", strength=-0.5)
    assert result["tensors"] == ["model.layers.2.mlp.down_proj.bias"]
    assert result["added"] == {"2": pytest.approx(0.5, abs=1e-5)}  # the two sides lie 1 apart


@pytest.mark.parametrize(
    ("kind", "changes", "reason"),
    [
        ("qwen2", {}, "models of the kind qwen2 have no bias at that place; these have: llama"),
        ("qwen3", {}, "--after attention"),
        ("qwen3_moe", {}, "--after attention"),
        ("mixtral", {}, "of the kind mixtral have no bias"),
        ("gemma3_text", {}, "goes through a norm"),
        ("olmo2", {"pad_token_id": 0}, "goes through a norm"),
    ],
)
def test_what_cannot_be_the_same_is_refused_with_the_better_way(
    kind: str, changes: dict[str, Any], reason: str, tmp_path: Path
) -> None:
    home = made(tmp_path, kind, **changes)
    with pytest.raises(CannotAdd, match=rf"{reason}.*control vector does it"):
        added(home)
    assert [path.name for path in home.models.iterdir() if not path.name.startswith(".")] == ["tiny"]


@pytest.mark.parametrize(
    "wishes",
    [{"keep_norms": True}, {"embeddings": True}, {"strength": 0.0}, {"first": 0, "last": 0}, {"after": "x"}],
)
def test_what_says_nothing_about_adding_is_refused_and_never_ignored(
    wishes: dict[str, Any], tmp_path: Path
) -> None:
    home = made(tmp_path, "llama")
    with pytest.raises(BadParameter, match=next(iter(wishes))[:5]):
        added(home, **wishes)
    with pytest.raises(BadParameter, match="after"):
        written(home, after="attention")


def test_a_switched_on_folder_is_a_model_like_any_other(tmp_path: Path) -> None:
    """What was added can be taken out again with the other edit, and more can be added."""
    home = made(tmp_path, "llama")
    added(home)
    shutil.move(home.models / "new", home.models / "first")
    twice = added(home, model="first")
    assert twice["zeros"] == 0
    assert len(written(home, name="cut", model="first")["tensors"]) == 6 + 3  # and the biases of all layers


def test_every_family_of_the_table_is_tried_here() -> None:
    assert {kind for kind, one in biases.FOLDERS.items() if one.layer} == KINDS.keys()
