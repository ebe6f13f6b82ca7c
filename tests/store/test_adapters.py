"""Adapters on the disk: described, compared with a model, made of what PEFT saved, taken into the folder."""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from adapter_making import change, noise, numbers, packed, write_gguf, write_model, write_peft
from models_stand_ins import Shelf, serve

from fabula.core.errors import AdapterNotFound, AdapterUnfit, AdapterUnusable
from fabula.core.load import LoadOptions
from fabula.core.model import LocalModel
from fabula.core.texts import LANGUAGES
from fabula.models.adapters.adapter import describe
from fabula.models.adapters.attached import Attached, with_one, without
from fabula.models.adapters.convert import convert, interleaved, transposed
from fabula.models.adapters.shelf import Adapters
from fabula.models.adapters.taking import take
from fabula.models.formats.gguf import read_header
from fabula.models.formats.gguf_writing import Draft, write
from fabula.models.formats.identify import identify
from fabula.models.formats.types import TENSOR_TYPES
from fabula.models.sources import Errand

SHAPES = {
    "token_embd.weight": (8, 20),
    "blk.0.attn_q.weight": (8, 8),
    "blk.0.attn_k.weight": (8, 4),
    "blk.0.attn_v.weight": (8, 4),
    "blk.0.attn_output.weight": (8, 8),
    "blk.0.ffn_down.weight": (16, 8),
    "output.weight": (8, 20),
}
VALUES = "blk.0.attn_v.weight"
V_PROJ = "model.layers.0.self_attn.v_proj"


@pytest.fixture
def model(tmp_path: Path) -> LocalModel:
    return identify(write_model(tmp_path / "tiny.gguf", SHAPES))


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Shelf]:
    shelf = Shelf()
    server = serve(shelf)
    monkeypatch.setenv("HF_ENDPOINT", shelf.address)
    monkeypatch.delenv("HF_TOKEN", raising=False)
    yield shelf
    server.shutdown()
    server.server_close()


@pytest.fixture
def shelf(tmp_path: Path) -> Adapters:
    (tmp_path / "adapters").mkdir()
    return Adapters(tmp_path / "adapters")


def tensors_of(path: Path) -> dict[str, tuple[tuple[int, ...], bytes]]:
    """Shapes in GGUF's order, and bytes."""
    header, content = read_header(path), path.read_bytes()
    start = header.data_start
    return {
        tensor.name: (
            tensor.shape,
            content[start + tensor.offset : start + tensor.offset + (tensor.size or 0)],
        )
        for tensor in header.tensors
    }


# ── what an adapter is, and what it fits ────────────────────────────────────────────────────────────


def test_an_adapter_is_described_from_its_header(tmp_path: Path) -> None:
    path = write_gguf(
        tmp_path / "style.gguf", {VALUES: change((8, 4), 3, "x")}, alpha=6, general__name="Style"
    )
    found = describe(path)
    assert (found.name, found.title, found.architecture) == ("style", "Style", "llama")
    assert (found.rank, found.alpha, found.changes, found.problem) == (3, 6.0, 1, None)


def test_it_fits_the_model_whose_tensors_it_changes(shelf: Adapters, model: LocalModel) -> None:
    changes = {name: change(shape, 2, name) for name, shape in SHAPES.items() if name != "token_embd.weight"}
    write_gguf(shelf.folder / "style.gguf", changes)
    assert shelf.fitting("style", model).changes == 6


@pytest.mark.parametrize(
    ("changes", "metadata", "key"),
    [
        ({VALUES: change((8, 4), 1, "x")}, {"general__architecture": "qwen2"}, "architecture"),
        ({"blk.7.attn_v.weight": change((8, 4), 1, "x")}, {}, "missing_tensor"),
        ({VALUES: change((8, 6), 1, "x")}, {}, "shape"),
        ({VALUES: change((9, 4), 1, "x")}, {}, "shape"),
        ({"output.weight": change((8, 30), 1, "x")}, {}, "vocabulary"),
        ({VALUES: (noise(2, 8, "a", 1), noise(4, 3, "b", 1))}, {}, "ranks"),
        ({"token_embd.weight": (noise(30, 2, "a", 1), noise(8, 2, "b", 1))}, {}, "vocabulary"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_one_made_for_another_model_is_told_with_the_first_thing_that_does_not_fit(
    shelf: Adapters, model: LocalModel, changes: Any, metadata: dict[str, str], key: str
) -> None:
    write_gguf(shelf.folder / "style.gguf", changes, **metadata)
    with pytest.raises(AdapterUnfit) as refused:
        shelf.fitting("style", model)
    assert refused.value.reason.key == f"models.adapter.{key}"
    for language in LANGUAGES:
        assert "{" not in refused.value.sentence(language)
        assert "models." not in refused.value.sentence(language)


def test_an_embedding_that_fits_lies_the_other_way_round(shelf: Adapters, model: LocalModel) -> None:
    write_gguf(
        shelf.folder / "words.gguf", {"token_embd.weight": (noise(20, 2, "a", 1), noise(8, 2, "b", 1))}
    )
    assert shelf.fitting("words", model)


def test_a_model_without_an_output_layer_of_its_own_says_so(shelf: Adapters, tmp_path: Path) -> None:
    tied = {name: shape for name, shape in SHAPES.items() if name != "output.weight"}
    model = identify(write_model(tmp_path / "tied.gguf", tied))
    write_gguf(shelf.folder / "head.gguf", {"output.weight": change((8, 20), 1, "x")})
    with pytest.raises(AdapterUnfit) as refused:
        shelf.fitting("head", model)
    assert refused.value.reason.key == "models.adapter.tied_output"


@pytest.mark.parametrize(
    ("metadata", "key"),
    [
        ({"general__type": "model"}, "models.adapter.no_lora"),
        ({"adapter__type": "control"}, "models.adapter.no_lora"),
        ({"adapter__alora__invocation_tokens": 5}, "models.adapter.activated"),
        ({"adapter__lora__alpha": math.nan}, "models.adapter.alpha"),
        ({"adapter__lora__alpha": math.inf}, "models.adapter.alpha"),
        ({"adapter__lora__alpha": 5}, "models.adapter.alpha"),
        ({"adapter__lora__alpha": "five"}, "models.adapter.alpha"),
    ],
)
def test_what_is_no_lora_is_listed_with_its_problem(
    shelf: Adapters, model: LocalModel, metadata: dict[str, Any], key: str
) -> None:
    write_gguf(shelf.folder / "odd.gguf", {VALUES: change((8, 4), 1, "x")}, **metadata)
    (found,) = shelf.list()
    assert found.problem.key == key
    with pytest.raises(AdapterUnusable):
        shelf.fitting("odd", model)


@pytest.mark.parametrize(
    ("type", "rank", "key"),
    [("I32", 1, "tensor_type"), ("I8", 1, "tensor_type"), ("F64", 1, "tensor_type"), ("F32", 0, "ranks")],
)
def test_numbers_that_would_end_the_engine_are_a_problem(
    shelf: Adapters, model: LocalModel, type: str, rank: int, key: str
) -> None:
    about = {"general.type": "adapter", "general.architecture": "llama", "adapter.type": "lora"}
    number, width = next((number, kind.size) for number, kind in TENSOR_TYPES.items() if kind.name == type)
    shapes = {VALUES + ".lora_a": (8, rank), VALUES + ".lora_b": (rank, 4)}
    sizes = {name: math.prod(shape) * width for name, shape in shapes.items()}
    with (shelf.folder / "odd.gguf").open("wb") as file:
        write(
            file,
            about,
            [Draft(n, s, number, sizes[n], lambda n=n: bytes(sizes[n])) for n, s in shapes.items()],
        )
    (found,) = shelf.list()
    assert found.problem.key == f"models.adapter.{key}"
    with pytest.raises(AdapterUnusable) as refused:
        shelf.fitting("odd", model)
    for language in LANGUAGES:
        assert "{" not in refused.value.sentence(language)


def test_a_damaged_file_is_listed_with_its_problem(shelf: Adapters) -> None:
    path = write_gguf(shelf.folder / "cut.gguf", {VALUES: change((8, 4), 1, "x")})
    path.write_bytes(path.read_bytes()[:-40])
    (shelf.folder / "empty.gguf").write_bytes(b"")
    assert [adapter.problem.key for adapter in shelf.list()] == [
        "models.problem.truncated",
        "models.problem.empty",
    ]


def test_an_adapter_among_the_models_is_found_too(tmp_path: Path) -> None:
    for folder in ("adapters", "models"):
        (tmp_path / folder).mkdir()
        write_gguf(tmp_path / folder / "style.gguf", {VALUES: change((8, 4), 1, folder)})
    shelf = Adapters(tmp_path / "adapters", lambda: [tmp_path / "models" / "style.gguf"])
    assert [adapter.name for adapter in shelf.list()] == ["models/style", "style"]
    assert shelf.find("STYLE").path.parent.name == "adapters"
    assert shelf.remove("models/style").name == "models/style"
    assert [adapter.name for adapter in shelf.list()] == ["style"]
    with pytest.raises(AdapterNotFound) as missing:
        shelf.find("other")
    assert missing.value.known == "style"


# ── attached ────────────────────────────────────────────────────────────────────────────────────────


def test_adapters_are_attached_and_detached_by_name() -> None:
    options = with_one(with_one(LoadOptions(), "a", 1), "b", 0.5)
    assert options.adapters == (("a", 1.0), ("b", 0.5))
    assert with_one(options, "a", 0).adapters == (("a", 0.0), ("b", 0.5))
    assert without(options, "a").adapters == (("b", 0.5),)
    assert without(without(options, "a"), "b") == LoadOptions()
    with pytest.raises(AdapterNotFound):
        without(options, "c")


def test_an_attached_adapter_that_is_gone_is_told_at_the_load(shelf: Adapters, model: LocalModel) -> None:
    options = LoadOptions(adapters=(("style", 0.5),))
    attached = Attached(shelf, lambda model: options)
    assert attached.usual(model) == {"style": 0.5}
    with pytest.raises(AdapterUnfit) as refused:
        attached.files(model, ["style"])
    assert refused.value.reason.key == "models.adapter.gone"
    path = write_gguf(shelf.folder / "style.gguf", {VALUES: change((8, 4), 1, "x")})
    assert attached.files(model, ["style"]) == [path]


# ── from PEFT ───────────────────────────────────────────────────────────────────────────────────────


def converted(tmp_path: Path, model: LocalModel, changes: Any, **settings: Any) -> Path:
    folder = write_peft(tmp_path / "trained", changes, **settings)
    convert(folder, model, tmp_path / "made.gguf")
    return tmp_path / "made.gguf"


def test_what_peft_has_saved_becomes_the_same_matrices(tmp_path: Path, model: LocalModel) -> None:
    a, b = change((8, 4), 2, "x")
    found = tensors_of(converted(tmp_path, model, {V_PROJ: (a, b)}))
    assert found == {f"{VALUES}.lora_a": ((8, 2), packed(a)), f"{VALUES}.lora_b": ((2, 4), packed(b))}
    assert describe(tmp_path / "made.gguf").problem is None


@pytest.mark.parametrize("type", ["F16", "BF16", "F64"])
def test_numbers_keep_their_values(tmp_path: Path, model: LocalModel, type: str) -> None:
    a, b = change((8, 4), 2, "x")
    path = converted(tmp_path, model, {V_PROJ: (a, b)}, type=type)
    (_, data), stored = tensors_of(path)[f"{VALUES}.lora_a"], numbers(a, type)
    wanted = {
        "F16": stored,
        "BF16": b"".join(b"\0\0" + stored[at : at + 2] for at in range(0, len(stored), 2)),
        "F64": packed(a),
    }
    assert data == wanted[type]


def test_the_scale_is_alpha_over_rank_or_over_its_root(tmp_path: Path, model: LocalModel) -> None:
    pair = {V_PROJ: change((8, 4), 4, "x")}
    assert describe(converted(tmp_path, model, pair, lora_alpha=16)).alpha == 16
    made = describe(converted(tmp_path, model, pair, lora_alpha=16, use_rslora=True))
    assert made.alpha / made.rank == pytest.approx(16 / math.sqrt(4))


def test_a_module_with_an_alpha_of_its_own_has_it_in_its_matrix(tmp_path: Path, model: LocalModel) -> None:
    names = ("v_proj", "o_proj", "q_proj")
    pairs = {
        f"model.layers.0.self_attn.{name}": change((8, 4 if name == "v_proj" else 8), 2, name)
        for name in names
    }
    path = converted(tmp_path, model, pairs, lora_alpha=2, alpha_pattern={"self_attn.v_proj": 6})
    _, b = pairs[V_PROJ]
    assert describe(path).alpha == 2
    _, data = tensors_of(path)[f"{VALUES}.lora_b"]
    assert struct.unpack("<8f", data) == pytest.approx([3 * number for row in b for number in row])


def test_query_rows_are_interleaved_as_in_the_models_gguf(tmp_path: Path, model: LocalModel) -> None:
    """Two heads of four rows: the first half of a head and the second are taken in turns."""
    a, _ = change((8, 8), 1, "x")
    b = [[float(row)] for row in range(8)]
    path = converted(tmp_path, model, {"model.layers.0.self_attn.q_proj": (a, b)})
    _, data = tensors_of(path)["blk.0.attn_q.weight.lora_b"]
    assert struct.unpack("<8f", data) == (0, 2, 1, 3, 4, 6, 5, 7)


def test_qwen_keeps_its_rows(tmp_path: Path) -> None:
    qwen = write_model(
        tmp_path / "qwen.gguf",
        SHAPES,
        general__architecture="qwen2",
        qwen2__attention__head_count=2,
        qwen2__embedding_length=8,
    )
    a, b = change((8, 8), 1, "x")
    path = converted(tmp_path, identify(qwen), {"model.layers.0.self_attn.q_proj": (a, b)})
    assert tensors_of(path)["blk.0.attn_q.weight.lora_b"] == ((1, 8), packed(b))


def test_fused_modules_of_phi3_are_fused_in_gguf_too(tmp_path: Path) -> None:
    shapes = {"blk.0.attn_qkv.weight": (8, 16), "blk.0.ffn_up.weight": (8, 32)}
    phi = identify(write_model(tmp_path / "phi.gguf", shapes, general__architecture="phi3"))
    pairs = {
        "model.layers.0.self_attn.qkv_proj": change((8, 16), 1, "x"),
        "model.layers.0.mlp.gate_up_proj": change((8, 32), 1, "y"),
    }
    path = converted(tmp_path, phi, pairs)
    assert {name.removesuffix(".lora_b") for name in tensors_of(path) if name.endswith("b")} == set(shapes)


def test_an_embedding_is_turned_round(tmp_path: Path, model: LocalModel) -> None:
    a, b = noise(2, 20, "a", 1), noise(8, 2, "b", 1)
    extra = {
        "base_model.model.model.embed_tokens.lora_embedding_A": a,
        "base_model.model.model.embed_tokens.lora_embedding_B": b,
    }
    path = converted(tmp_path, model, {V_PROJ: change((8, 4), 2, "x")}, extra=extra)
    turned = [list(row) for row in zip(*a, strict=True)]
    assert tensors_of(path)["token_embd.weight.lora_a"] == ((2, 20), packed(turned))
    assert tensors_of(path)["token_embd.weight.lora_b"] == ((2, 8), packed(b))


def test_turning_and_interleaving_lose_nothing() -> None:
    data = struct.pack("<6f", 1, 2, 3, 4, 5, 6)
    assert transposed(transposed(data, 2, 3, 4), 3, 2, 4) == data
    rows = bytes(range(8))
    assert sorted(interleaved(rows, 8, 4)) == list(rows)


@pytest.mark.parametrize(
    ("config", "key"),
    [
        ({"peft_type": "IA3"}, "method"),
        ({"use_dora": True}, "dora"),
        ({"modules_to_save": ["lm_head"]}, "whole_modules"),
        ({"bias": "all"}, "bias"),
        ({"lora_bias": True}, "bias"),
        ({"init_lora_weights": "pissa_niter_16"}, "changed_base"),
        ({"init_lora_weights": "loftq"}, "changed_base"),
        ({"layer_replication": [[0, 1]]}, "replicated"),
        ({"alora_invocation_tokens": [1]}, "activated"),
        ({"lora_alpha": None}, "config"),
        ({"lora_alpha": 0}, "config"),
        ({"lora_alpha": float("nan")}, "config"),
        ({"lora_alpha": 10**400}, "config"),
        ({"modules_to_save": 5}, "whole_modules"),
        ({"alpha_pattern": {"(": 1}}, "config"),
        ({"alpha_pattern": [1]}, "config"),
        ({"alpha_pattern": {"(a|aa)+$" * 8: 1}}, ""),
    ],
    ids=str,
)
def test_what_an_adapter_file_cannot_say_is_refused(
    tmp_path: Path, model: LocalModel, config: dict[str, Any], key: str
) -> None:
    if not key:
        converted(tmp_path, model, {V_PROJ: change((8, 4), 2, "x")}, **config)
        return
    with pytest.raises(AdapterUnusable) as refused:
        converted(tmp_path, model, {V_PROJ: change((8, 4), 2, "x")}, **config)
    assert refused.value.reason.key == f"models.adapter.{key}"
    for language in LANGUAGES:
        assert "{" not in refused.value.sentence(language).replace("{'", "")


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("base_model.model.lm_head.weight", "whole_modules"),
        ("base_model.model.model.layers.0.self_attn.v_proj.bias", "bias"),
        ("base_model.model.model.layers.0.self_attn.v_proj.lora_magnitude_vector", "dora"),
        ("base_model.model.model.layers.0.self_attn.o_proj.lora_A.weight", "half"),
    ],
)
def test_no_tensor_is_left_out_without_a_word(tmp_path: Path, model: LocalModel, name: str, key: str) -> None:
    with pytest.raises(AdapterUnusable) as refused:
        converted(tmp_path, model, {V_PROJ: change((8, 4), 2, "x")}, extra={name: [[1.0]]})
    assert refused.value.reason.key == f"models.adapter.{key}"


@pytest.mark.parametrize(
    ("module", "kind", "key"),
    [
        ("model.layers.0.block_sparse_moe.gate", AdapterUnusable, "unknown_module"),
        ("model.vision_tower.layers.0.mlp.fc1", AdapterUnusable, "unknown_module"),
        ("model.layers.9.self_attn.v_proj", AdapterUnfit, "missing_tensor"),
        ("model.layers.0.self_attn.k_proj.0", AdapterUnusable, "unknown_module"),
    ],
)
def test_a_module_without_a_certain_place_is_refused(
    tmp_path: Path, model: LocalModel, module: str, kind: type[Exception], key: str
) -> None:
    with pytest.raises(kind) as refused:
        converted(tmp_path, model, {module: change((8, 4), 2, "x")})
    assert refused.value.reason.key == f"models.adapter.{key}"  # type: ignore[attr-defined]


def test_another_size_of_model_is_refused(tmp_path: Path, model: LocalModel) -> None:
    with pytest.raises(AdapterUnfit) as refused:
        converted(tmp_path, model, {V_PROJ: change((16, 4), 2, "x")})
    assert "16 × 4" in refused.value.sentence()


def test_an_architecture_without_a_table_is_refused(tmp_path: Path) -> None:
    rwkv = identify(write_model(tmp_path / "rwkv.gguf", SHAPES, general__architecture="rwkv7"))
    with pytest.raises(AdapterUnusable) as refused:
        converted(tmp_path, rwkv, {V_PROJ: change((8, 4), 2, "x")})
    assert refused.value.reason.key == "models.adapter.unknown_architecture"


# ── taking one in ───────────────────────────────────────────────────────────────────────────────────


def test_a_folder_of_peft_appears_under_its_name(tmp_path: Path, model: LocalModel, shelf: Adapters) -> None:
    folder = write_peft(tmp_path / "my style", {V_PROJ: change((8, 4), 2, "x")})
    notes: list[str] = []
    errand = Errand(shelf.folder, lambda progress: notes.append(progress.note))
    assert take(str(folder), model, errand).name == "my style.gguf"
    assert take(str(folder / "adapter_config.json"), model, errand, "other").name == "other.gguf"
    assert [adapter.name for adapter in shelf.list()] == ["my style", "other"]
    assert "models.adapter.converting" in notes


def test_a_gguf_is_taken_once(tmp_path: Path, model: LocalModel, shelf: Adapters) -> None:
    path = write_gguf(tmp_path / "style.gguf", {VALUES: change((8, 4), 1, "x")})
    first = take(str(path), model, Errand(shelf.folder))
    again = take(str(path), model, Errand(shelf.folder))
    assert first == again == shelf.folder / "style.gguf"
    assert path.exists()


def test_what_does_not_fit_never_appears(tmp_path: Path, model: LocalModel, shelf: Adapters) -> None:
    wrong = write_gguf(tmp_path / "wrong.gguf", {VALUES: change((8, 6), 1, "x")})
    trained = write_peft(tmp_path / "trained", {V_PROJ: change((8, 6), 2, "x")})
    for source in (wrong, trained):
        with pytest.raises(AdapterUnfit):
            take(str(source), model, Errand(shelf.folder))
    with pytest.raises(AdapterUnusable):
        take(str(write_model(tmp_path / "model.gguf", SHAPES)), model, Errand(shelf.folder))
    assert shelf.list() == []
    assert not list(shelf.folder.rglob("*.part"))


def test_a_repository_of_peft_is_converted(
    tmp_path: Path, model: LocalModel, shelf: Adapters, hub: Shelf
) -> None:
    folder = write_peft(tmp_path / "trained", {V_PROJ: change((8, 4), 2, "x")})
    hub.add_to_hub("someone/my-style", {file.name: file.read_bytes() for file in folder.iterdir()})
    assert take("hf:someone/my-style", model, Errand(shelf.folder)).name == "my-style.gguf"
    assert shelf.fitting("my-style", model).changes == 1
    assert [path.name for path in shelf.folder.rglob("*") if path.is_file() and path.suffix != ".lock"] == [
        "my-style.gguf"
    ]


def test_a_repository_of_gguf_is_taken_as_it_is(
    tmp_path: Path, model: LocalModel, shelf: Adapters, hub: Shelf
) -> None:
    path = write_gguf(tmp_path / "style-F16.gguf", {VALUES: change((8, 4), 1, "x")})
    hub.add_to_hub("someone/style-GGUF", {path.name: path.read_bytes()})
    assert take("hf:someone/style-GGUF", model, Errand(shelf.folder)).read_bytes() == path.read_bytes()


def test_a_folder_without_an_adapter_is_told(tmp_path: Path, model: LocalModel, shelf: Adapters) -> None:
    with pytest.raises(AdapterUnusable) as empty:
        take(str(tmp_path / "adapters"), model, Errand(shelf.folder))
    assert empty.value.reason.key == "models.adapter.no_config"
    folder = write_peft(tmp_path / "pickled", {V_PROJ: change((8, 4), 2, "x")})
    (folder / "adapter_model.safetensors").rename(folder / "adapter_model.bin")
    with pytest.raises(AdapterUnusable) as refused:
        take(str(folder), model, Errand(shelf.folder))
    assert refused.value.reason.key == "models.adapter.pickle"
    (folder / "adapter_config.json").write_text(json.dumps([]))
    with pytest.raises(AdapterUnusable) as refused:
        take(str(folder), model, Errand(shelf.folder))
    assert refused.value.reason.key == "models.adapter.no_config"


def test_a_conversion_that_is_stopped_leaves_nothing(
    tmp_path: Path, model: LocalModel, shelf: Adapters
) -> None:
    folder = write_peft(tmp_path / "trained", {V_PROJ: change((8, 4), 2, "x")})

    class Stopped(Exception):
        pass

    def stop() -> bool:
        raise Stopped

    with pytest.raises(Stopped):
        take(str(folder), model, Errand(shelf.folder, cancelled=stop))
    assert [path for path in shelf.folder.rglob("*") if path.is_file()] == []
