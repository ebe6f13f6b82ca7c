"""Squares of what weights are multiplied with, of a model with experts: each has its own, and is counted."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from direct_asking import direct

from fabula.core.scoring import Captured
from fabula.core.worker import Prompt
from fabula.engine.direct.squares import _by_expert, _by_matrix
from fabula.models.formats import gguf_writing
from fabula.models.formats.gguf import read_header
from fabula.models.formats.gguf_writing import Draft, Value
from fabula.models.formats.identify import identify

WIDTH, HEADS, INNER, EXPERTS, USED, VOCABULARY = 32, 2, 24, 5, 2, 64
ROUTER = "blk.0.ffn_gate_inp.weight:input"
IDS = tuple(range(3, 43))


def with_experts(file: Path) -> Path:
    """A llama of one layer with experts, of random weights."""
    shapes = {
        "token_embd": (WIDTH, VOCABULARY),
        "output": (WIDTH, VOCABULARY),
        "blk.0.attn_q": (WIDTH, WIDTH),
        "blk.0.attn_k": (WIDTH, WIDTH),
        "blk.0.attn_v": (WIDTH, WIDTH),
        "blk.0.attn_output": (WIDTH, WIDTH),
        "blk.0.ffn_gate_inp": (WIDTH, EXPERTS),
        "blk.0.ffn_gate_exps": (WIDTH, INNER, EXPERTS),
        "blk.0.ffn_up_exps": (WIDTH, INNER, EXPERTS),
        "blk.0.ffn_down_exps": (INNER, WIDTH, EXPERTS),
        "output_norm": (WIDTH,),
        "blk.0.attn_norm": (WIDTH,),
        "blk.0.ffn_norm": (WIDTH,),
    }
    told: dict[str, Value] = {
        "general.architecture": "llama",
        "llama.block_count": 1,
        "llama.context_length": 128,
        "llama.embedding_length": WIDTH,
        "llama.feed_forward_length": INNER,
        "llama.attention.head_count": HEADS,
        "llama.attention.head_count_kv": HEADS,
        "llama.attention.layer_norm_rms_epsilon": 1e-5,
        "llama.expert_count": EXPERTS,
        "llama.expert_used_count": USED,
        "llama.vocab_size": VOCABULARY,
        "tokenizer.ggml.model": "llama",
        "tokenizer.ggml.tokens": [f"▁{number}" for number in range(VOCABULARY)],
        "tokenizer.ggml.scores": [float(-number) for number in range(VOCABULARY)],
        "tokenizer.ggml.token_type": [1] * VOCABULARY,
    }
    random = np.random.default_rng(4)
    drafts = []
    for name, shape in shapes.items():
        data = random.standard_normal(math.prod(shape), np.float32).tobytes()
        drafts.append(Draft(f"{name}.weight", shape, 0, len(data), lambda data=data: data))
    with file.open("wb") as out:
        gguf_writing.write(out, told, drafts)
    return file


def rows(captured: Captured) -> np.ndarray:
    return np.frombuffer(captured.data, "<f4").reshape(captured.rows, captured.width)


async def test_each_expert_has_the_squares_of_what_went_to_it(tmp_path: Path) -> None:
    asked = Prompt((IDS,), add_special=False)
    async with direct(identify(with_experts(tmp_path / "experts.gguf")), tmp_path) as worker:
        found = await worker.capture(asked, ["blk.0.*:input"], "squares")
        seen = await worker.capture(asked, [ROUTER], "all")
    names = ("ffn_up_exps", "ffn_down_exps", "ffn_gate_inp")
    up, down, gate = (found[f"blk.0.{name}.weight:input"] for name in names)
    assert (up.rows, up.width, down.width) == (EXPERTS, WIDTH, INNER)
    assert sum(up.counts) == sum(down.counts) == USED * len(IDS)
    assert up.counts == down.counts
    assert (gate.rows, gate.counts) == (1, (len(IDS),))
    assert rows(up).sum(axis=0) == pytest.approx(USED * rows(gate)[0], rel=1e-4)
    read = rows(seen[ROUTER])
    logits = read @ weight(tmp_path / "experts.gguf").T  # the router, once more
    best = np.argsort(-logits, axis=1)[:, :USED]
    for expert in range(EXPERTS):
        went = (best == expert).any(axis=1)
        assert up.counts[expert] == went.sum()
        assert rows(up)[expert] == pytest.approx((read[went] ** 2).sum(axis=0), rel=1e-3, abs=1e-6)


def weight(file: Path) -> np.ndarray:
    """The router's [experts, width]."""
    header = read_header(file)
    tensor = next(tensor for tensor in header.tensors if tensor.name == "blk.0.ffn_gate_inp.weight")
    data = file.read_bytes()[header.data_start + tensor.offset :][: tensor.size]
    return np.frombuffer(data, "<f4").reshape(EXPERTS, WIDTH)


def test_heads_that_share_a_matrix_are_summed_together() -> None:
    values = np.arange(2 * 4 * 3 * 5, dtype=np.float32).reshape(2, 4, 3, 5)
    sums, counts = _by_matrix(values, 4)
    expected = (values.reshape(4, 6, 5).astype(float) ** 2).sum(axis=1)
    assert sums == pytest.approx(expected)
    assert counts.tolist() == [6] * 4


def test_an_expert_that_nothing_goes_to_has_nothing() -> None:
    values, chosen = np.ones((3, 1, 2), np.float32), np.asarray([[0, 2], [0, 2], [2, 0]])
    sums, counts = _by_expert(values, chosen, 4)
    assert counts.tolist() == [3, 0, 3, 0]
    assert sums[1].tolist() == [0, 0]
