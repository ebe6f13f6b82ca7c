"""The same weights in the direct worker and in transformers: the same log-probabilities, to 1e-4 nats."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from direct_asking import direct
from needs import need

from fabula.core.model import LocalModel
from fabula.core.worker import Prompt
from fabula.engine.direct import tiny

TOLERANCE = 1e-4  # nats
IDS = tuple(int(id) for id in np.random.default_rng(5).integers(0, tiny.VOCABULARY, 300))
ENDINGS = [
    tuple(int(id) for id in row) for row in np.random.default_rng(6).integers(0, tiny.VOCABULARY, (20, 5))
]


@pytest.fixture(scope="module")
def llama() -> Any:
    """transformers' Llama with the weights of the tiny model."""
    if not all(importlib.util.find_spec(name) for name in ("torch", "transformers")):
        need("lab", "torch and transformers are not installed")
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.set_num_threads(2)
    config = LlamaConfig(
        vocab_size=tiny.VOCABULARY,
        hidden_size=tiny.WIDTH,
        intermediate_size=tiny.FEED_FORWARD,
        num_hidden_layers=tiny.LAYERS,
        num_attention_heads=tiny.HEADS,
        num_key_value_heads=tiny.HEADS,
        rms_norm_eps=tiny.EPSILON,
        rope_theta=tiny.ROPE_BASE,
        max_position_embeddings=tiny.CONTEXT,
        tie_word_embeddings=False,
        attn_implementation="eager",
    )
    model = LlamaForCausalLM(config).eval()
    model.load_state_dict({name: torch.from_numpy(values) for name, values in renamed().items()})
    return model


def renamed() -> dict[str, np.ndarray]:
    """The tensors under transformers' names; it turns halves of a head where GGUF turns neighbours."""
    parts = {
        "attn_q": "self_attn.q_proj",
        "attn_k": "self_attn.k_proj",
        "attn_v": "self_attn.v_proj",
        "attn_output": "self_attn.o_proj",
        "ffn_gate": "mlp.gate_proj",
        "ffn_up": "mlp.up_proj",
        "ffn_down": "mlp.down_proj",
        "attn_norm": "input_layernorm",
        "ffn_norm": "post_attention_layernorm",
    }
    found = {}
    for name, values in tiny.weights().items():
        match name.split("."):
            case ["blk", layer, part, _]:
                values = halved(values) if part in ("attn_q", "attn_k") else values
                found[f"model.layers.{layer}.{parts[part]}.weight"] = values
    weights = tiny.weights()
    return found | {
        "model.embed_tokens.weight": weights["token_embd.weight"],
        "model.norm.weight": weights["output_norm.weight"],
        "lm_head.weight": weights["output.weight"],
    }


def halved(rows: np.ndarray) -> np.ndarray:
    pairs = rows.reshape(tiny.HEADS, -1, 2, rows.shape[1])
    return np.ascontiguousarray(pairs.swapaxes(1, 2).reshape(rows.shape))


def logprobs(llama: Any, ids: tuple[int, ...]) -> np.ndarray:
    import torch

    with torch.no_grad():
        rows = torch.log_softmax(llama(torch.tensor([ids])).logits[0].double(), dim=-1).numpy()
    return np.asarray(rows[np.arange(len(ids) - 1), list(ids[1:])])


async def test_log_probabilities_agree_with_transformers(llama: Any, tmp_path: Path) -> None:
    path = tiny.write(tmp_path / "tiny.gguf")
    model = LocalModel(name="tiny", path=path, size=path.stat().st_size)
    async with direct(model, tmp_path) as worker:
        scored = await worker.score(Prompt((IDS,)))
        chosen = await worker.choices(Prompt((IDS[:200],)), [Prompt((ending,)) for ending in ENDINGS])
    assert np.abs(np.array(scored.logprobs) - logprobs(llama, IDS)).max() <= TOLERANCE
    theirs = [logprobs(llama, (*IDS[:200], *ending))[199:].sum() for ending in ENDINGS]
    ours = [sum(row) for row in chosen]
    assert ours == pytest.approx(theirs, abs=TOLERANCE)
    assert np.argsort(ours).tolist() == np.argsort(theirs).tolist()
