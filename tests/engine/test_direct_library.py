"""An engine library of another shape is noticed before it is used."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fabula.core.errors import DirectUnavailable
from fabula.engine.direct import abi, proof, tiny
from fabula.engine.direct.abi import CONTEXT_FIELDS, MODEL_FIELDS, Field, Layout
from fabula.engine.direct.library import Drifted, Library
from fabula.engine.direct.process import DirectProcess


def without(fields: list[Field], name: str) -> list[Field]:
    return [field for field in fields if field[0] != name]


def swapped(fields: list[Field], one: str, other: str) -> list[Field]:
    names = {one: other, other: one}
    return [(names.get(name, name), kind) for name, kind in fields]


def with_old_mmap() -> list[Field]:
    """The layout before `load_mode`: two switches among the others."""
    fields = without(without(MODEL_FIELDS, "load_mode"), "lazy_mode")
    place = [name for name, _ in fields].index("check_tensors")
    return [*fields[:place], ("use_mmap", ctypes.c_bool), ("use_mlock", ctypes.c_bool), *fields[place:]]


def missing_function() -> Layout:
    known = abi.layout()
    return replace(known, functions={**known.functions, "llama_no_such_function": (None, [])})


def changed_default() -> Layout:
    known = abi.layout()
    return replace(known, context_defaults={**known.context_defaults, "n_batch": 4096})


TRIALS: dict[str, Callable[[], Layout]] = {
    "a field is missing": lambda: abi.layout(context_fields=without(CONTEXT_FIELDS, "n_outputs_max")),
    "the last pointer is missing": lambda: abi.layout(context_fields=without(CONTEXT_FIELDS, "ctx_other")),
    "batch sizes are swapped": lambda: abi.layout(
        context_fields=swapped(CONTEXT_FIELDS, "n_batch", "n_ubatch")
    ),
    "thread counts are swapped": lambda: abi.layout(
        context_fields=swapped(CONTEXT_FIELDS, "n_threads", "n_threads_batch")
    ),
    "attention and rope are swapped": lambda: abi.layout(
        context_fields=swapped(CONTEXT_FIELDS, "rope_scaling_type", "flash_attn_type")
    ),
    "the old switches for mapping": lambda: abi.layout(with_old_mmap()),
    "a function is missing": missing_function,
    "a default has changed": changed_default,
}


@pytest.mark.parametrize("trial", TRIALS)
def test_a_layout_that_has_drifted_is_refused(trial: str) -> None:
    with pytest.raises(Drifted):
        proof.prove(Library(layout=TRIALS[trial]()))


def test_the_library_as_it_is_passes_and_its_proof_is_kept(tmp_path: Path) -> None:
    kept = tmp_path / "checks" / "direct.json"
    proof.proven(Library(), "1.0", kept)
    first = kept.read_text()
    proof.proven(Library(), "1.0", kept)
    assert kept.read_text() == first


def test_a_damaged_record_of_the_proof_is_made_again(tmp_path: Path) -> None:
    kept = tmp_path / "direct.json"
    kept.write_text("[")
    proof.proven(Library(), "1.0", kept)
    assert '"version": "1.0"' in kept.read_text()


def test_no_library_and_no_engine_library_are_told(tmp_path: Path) -> None:
    with pytest.raises(Drifted, match="cannot be opened"):
        Library(tmp_path / "nothing.so")


async def test_where_the_library_has_drifted_only_exact_work_is_off(tmp_path: Path) -> None:
    """The child says so instead of being ready; the sentence is one for people."""
    program = tmp_path / "child.py"
    program.write_text(
        "import sys\n"
        "sys.stdin.readline()\n"
        "print('noise of the engine')\n"
        'print(\'FABULA-READY {"drifted": "a default has changed"}\', flush=True)\n'
        "sys.stdin.read()\n"
    )
    with pytest.raises(DirectUnavailable, match=r"a default has changed.*Chats work as before"):
        await DirectProcess.start("starter", {}, tmp_path / "log", 20.0, program=program)


def test_the_known_log_probabilities_are_those_of_a_forward_pass_in_numpy() -> None:
    expected = forward(proof.IDS)
    assert np.abs(np.array(proof.LOGPROBS) - expected).max() < 1e-5


def forward(ids: tuple[int, ...]) -> np.ndarray:
    """Llama's architecture, written from its definition (Touvron et al. 2023), in float64."""
    w = {name: values.astype(np.float64) for name, values in tiny.weights().items()}
    n, heads = len(ids), tiny.HEADS
    x = w["token_embd.weight"][list(ids)]
    past = np.where(np.tril(np.ones((n, n))) > 0, 0, -np.inf)
    for layer in range(tiny.LAYERS):
        block = {name.split(".")[2]: w[name] for name in w if name.startswith(f"blk.{layer}.")}
        y = normed(x, block["attn_norm"])
        q, k, v = ((y @ block[f"attn_{name}"].T).reshape(n, heads, -1) for name in "qkv")
        scores = np.einsum("ihd,jhd->hij", turned(q), turned(k)) / np.sqrt(q.shape[-1]) + past
        weights = np.exp(scores - scores.max(-1, keepdims=True))
        mixed = np.einsum("hij,jhd->ihd", weights / weights.sum(-1, keepdims=True), v)
        x = x + mixed.reshape(n, -1) @ block["attn_output"].T
        y = normed(x, block["ffn_norm"])
        gate, up = y @ block["ffn_gate"].T, y @ block["ffn_up"].T
        x = x + (gate / (1 + np.exp(-gate)) * up) @ block["ffn_down"].T
    logits = normed(x, w["output_norm.weight"]) @ w["output.weight"].T
    logits -= np.log(np.exp(logits).sum(-1, keepdims=True))
    return logits[np.arange(n - 1), list(ids[1:])]


def normed(x: np.ndarray, weight: np.ndarray) -> np.ndarray:
    return x / np.sqrt((x * x).mean(-1, keepdims=True) + tiny.EPSILON) * weight


def turned(x: np.ndarray) -> np.ndarray:
    """Rotary positions, on neighbouring pairs."""
    n, _, width = x.shape
    angles = np.arange(n)[:, None] * tiny.ROPE_BASE ** (-np.arange(0, width, 2) / width)
    cos, sin = np.cos(angles)[:, None], np.sin(angles)[:, None]
    out = np.empty_like(x)
    out[..., 0::2] = x[..., 0::2] * cos - x[..., 1::2] * sin
    out[..., 1::2] = x[..., 0::2] * sin + x[..., 1::2] * cos
    return out
