"""What PEFT saved writes, once converted, what the same matrices write as GGUF, and what a merge writes."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from pathlib import Path

import pytest
from adapter_making import Change, Matrix, change, changes_of, noise, packed, write_gguf, write_peft
from adapting import STORY, Logprobs, ask, distance, loaded

from bench import tiny_models
from fabula.core.model import LocalModel
from fabula.models.adapters.convert import convert
from fabula.models.formats.gguf import read_header
from fabula.models.formats.identify import identify

EXACT = 1e-6  # nats: the engine is given the same numbers
CLOSE = 2e-3  # nats: adding before or after multiplying rounds differently
WIDTH, HEADS, LAYERS = tiny_models.WIDTH, 2, 2
MODULES = {
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
TINY_LLAMA = tiny_models.Kind(
    "full attention",
    LAYERS,
    {
        "attention.head_count": HEADS,
        "attention.head_count_kv": 1,
        "attention.layer_norm_rms_epsilon": 1e-5,
        "rope.freq_base": 1e4,
        "rope.dimension_count": WIDTH // HEADS,
    },
    {"output_norm.weight": (WIDTH,)},
    lambda index: {
        "attn_norm.weight": (WIDTH,),
        "ffn_norm.weight": (WIDTH,),
        "attn_q.weight": (WIDTH, WIDTH),
        "attn_k.weight": (WIDTH, WIDTH // HEADS),
        "attn_v.weight": (WIDTH, WIDTH // HEADS),
        "attn_output.weight": (WIDTH, WIDTH),
        "ffn_gate.weight": (WIDTH, 2 * WIDTH),
        "ffn_up.weight": (WIDTH, 2 * WIDTH),
        "ffn_down.weight": (2 * WIDTH, WIDTH),
    },
)


def as_gguf(name: str, rows: Matrix, head: int) -> Matrix:
    """llama.cpp's own words: rows of a head as (2, half), axes swapped; of queries and keys only."""
    if not name.endswith(("attn_q.weight", "attn_k.weight")):
        return rows
    heads = [rows[start : start + head] for start in range(0, len(rows), head)]
    return [
        row for one in heads for pair in zip(one[: head // 2], one[head // 2 :], strict=True) for row in pair
    ]


def module_of(tensor: str) -> str:
    _, layer, part, _ = tensor.split(".")
    return f"model.layers.{layer}.{MODULES[part]}"


def product(b: Matrix, a: Matrix) -> Matrix:
    columns = list(zip(*a, strict=True))
    return [[sum(x * y for x, y in zip(row, column, strict=True)) for column in columns] for row in b]


async def written(model: LocalModel, folder: Path | None, kv: Path, *names: str) -> Logprobs:
    async with loaded(model, folder, kv, names=names) as worker:
        answer, _ = await ask(worker, STORY["Ada"], **dict.fromkeys(names, 1.0))
        return answer


async def test_the_starter_writes_the_same_with_either(starter_model: Path, tmp_path: Path) -> None:
    model = identify(starter_model)
    trained = changes_of(starter_model, tuple(MODULES), 2, "peft")
    direct = {name: (a, as_gguf(name, b, model.key_length)) for name, (a, b) in trained.items()}
    write_gguf(tmp_path / "direct.gguf", direct, alpha=1.0)
    peft = {module_of(name): pair for name, pair in trained.items()}
    convert(write_peft(tmp_path / "trained", peft, lora_alpha=1), model, tmp_path / "made.gguf")
    async with loaded(model, tmp_path, tmp_path / "kv", names=("direct", "made")) as worker:
        first, _ = await ask(worker, STORY["Ada"], direct=1.0)
        second, _ = await ask(worker, STORY["Ada"], made=1.0)
        none, _ = await ask(worker, STORY["Ada"])
    assert distance(first, second) < EXACT
    assert distance(first, none) > 0.05


@pytest.fixture
def tiny(starter_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setitem(tiny_models.KINDS, "llama", TINY_LLAMA)
    return tiny_models.write("llama", tmp_path / "tiny.gguf", starter_model)


def with_weights(origin: Path, target: Path, weights: Mapping[str, Matrix]) -> LocalModel:
    """A copy of a model with some of its F32 tensors replaced."""
    content, header = bytearray(origin.read_bytes()), read_header(origin)
    for tensor in header.tensors:
        if tensor.name in weights:
            data = packed(weights[tensor.name])
            assert len(data) == tensor.size
            start = header.data_start + tensor.offset
            content[start : start + len(data)] = data
    target.write_bytes(content)
    return identify(target)


@pytest.mark.parametrize("settings", [{}, {"use_rslora": True}, {"alpha_pattern": {"q_proj": 1.0}}], ids=str)
async def test_it_writes_what_the_merged_model_writes(
    tiny: Path, tmp_path: Path, settings: dict[str, object]
) -> None:
    """As in Hugging Face: W + scale · B · A; then both are put into GGUF's order of rows."""
    head, rank, alpha = WIDTH // HEADS, 3, 4.0
    shapes = {
        t.name: t.shape for t in read_header(tiny).tensors if "attn_" in t.name and "norm" not in t.name
    }
    plain = {name: noise(shape[1], shape[0], f"w {name}", 0.2) for name, shape in shapes.items()}
    trained: dict[str, Change] = {name: change(shape, rank, name, 0.3) for name, shape in shapes.items()}
    merged = {}
    for name, (a, b) in trained.items():
        own = 1.0 if "alpha_pattern" in settings and "attn_q" in name else alpha
        scale = own / (rank**0.5 if settings.get("use_rslora") else rank)
        rows = zip(plain[name], product(b, a), strict=True)
        merged[name] = [[w + scale * d for w, d in zip(*pair, strict=True)] for pair in rows]
    models = [
        with_weights(tiny, tmp_path / f"{number}.gguf", {n: as_gguf(n, w, head) for n, w in weights.items()})
        for number, weights in enumerate((plain, merged))
    ]
    peft = {module_of(name): pair for name, pair in trained.items()}
    convert(
        write_peft(tmp_path / "made", peft, lora_alpha=alpha, **settings), models[0], tmp_path / "made.gguf"
    )
    write_gguf(tmp_path / "unordered.gguf", trained, alpha=alpha)
    base = await written(models[0], None, tmp_path / "kv")
    wanted = await written(models[1], None, tmp_path / "kv")
    adapted = await written(models[0], tmp_path, tmp_path / "kv", "made")
    unordered = await written(models[0], tmp_path, tmp_path / "kv", "unordered")
    assert distance(adapted, wanted) < CLOSE
    assert distance(base, wanted) > 10 * CLOSE
    assert distance(unordered, wanted) > 10 * CLOSE


def test_the_order_of_rows_is_that_of_two_halves_taken_in_turns() -> None:
    rows: Matrix = [[float(number)] for number in range(8)]
    assert [row[0] for row in as_gguf("attn_q.weight", rows, 4)] == [0, 2, 1, 3, 4, 6, 5, 7]
    assert struct.calcsize("<8f") == len(packed(rows))
