"""Whatever a model folder's JSON files say, it is described and nothing is raised."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fabula.models.fit.reading import anatomy_of
from fabula.models.formats.identify import problem_sentence
from fabula.models.formats.inspecting import inspect

KEYS = (
    *("model_type", "architectures", "text_config", "quantization_config", "quantization", "quant_method"),
    *(
        "bits",
        "group_size",
        "load_in_4bit",
        "config_groups",
        "weights",
        "num_bits",
        "weight_map",
        "torch_dtype",
    ),
    *("max_position_embeddings", "num_hidden_layers", "hidden_size", "num_attention_heads", "head_dim"),
    *("num_key_value_heads", "vocab_size", "num_local_experts", "num_experts_per_tok", "auto_map"),
    *("base_model_name_or_path", "r", "lora_alpha", "target_modules", "chat_template", "bos_token"),
    *("format", "modules_to_not_convert", "sliding_window", "layer_types", "rope_scaling"),
)
FILES = (
    *("config.json", "adapter_config.json", "quantize_config.json", "model.safetensors.index.json"),
    *("tokenizer_config.json", "tokenizer.json", "generation_config.json", "special_tokens_map.json"),
)
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(max_size=12)
    | st.sampled_from(["llama", "gptq", "awq", "bitsandbytes", "compressed-tensors", "exl2", "fp8", "mxfp4"])
)
VALUES: st.SearchStrategy[Any] = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4),
    max_leaves=12,
)
TREES = st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=10) | VALUES
CARDS = st.text(max_size=80) | st.just("---\nlicense: mit\nbase_model:\n - a\n---\n")
HEADER = {
    "model.layers.0.mlp.experts.0.w1.weight": {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 16]}
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("model")
    head = json.dumps(HEADER).encode()
    (place / "model.safetensors").write_bytes(struct.pack("<Q", len(head)) + head + bytes(16))
    return place


@settings(max_examples=500, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(trees=st.dictionaries(st.sampled_from(FILES), TREES, min_size=1, max_size=4), card=CARDS)
def test_a_folder_is_described_whatever_its_files_say(folder: Path, trees: dict[str, Any], card: str) -> None:
    for name in FILES:
        (folder / name).unlink(missing_ok=True)
    for name, tree in trees.items():
        (folder / name).write_text(json.dumps(tree), encoding="utf-8")
    (folder / "README.md").write_text(card, encoding="utf-8", errors="replace")
    found = inspect(folder)
    assert found.model.path == folder
    assert problem_sentence(found.model, "en") or not found.model.problem
    anatomy_of(found.model)
