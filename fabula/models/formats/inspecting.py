"""Everything that a file or a folder says of the model in it, and where its name says something else.

GGUF (also in parts), safetensors (one file, or a folder with an index), adapters, projectors and control
vectors; what cannot be used is described too, with the way out. Only headers and small JSON files are read.
"""

from __future__ import annotations

import json
import math
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from fabula.core.model import LocalModel
from fabula.core.texts import Phrase, phrase
from fabula.models.formats.folders import CONFIG, TENSORS, identify_folder
from fabula.models.formats.gguf import MAGIC, OLD_MAGICS, Header
from fabula.models.formats.identify import ENCODERS, identify_with_headers, model_name, parts_of
from fabula.models.formats.safetensors import BadTensors, Stored, read_tensors
from fabula.models.formats.types import FILE_TYPES, TENSOR_TYPES

Kind = Literal["model", "adapter", "projector", "control vector", "statistics", "embedding model", "unknown"]

JSON_LIMIT = 16 << 20  # bytes; indexes of the largest models take about 2 MB
CARD_LIMIT = 64 << 10  # bytes of a model card that are looked at
TOLERANCE = 0.35  # by which a size in a name may miss the parameters: "7B" is said of 6.7 and of 8.0
INDEX = "model.safetensors.index.json"
_SIZE_IN_NAME = re.compile(r"(?<![\dA-Za-z.])(?:(?P<times>\d+)x)?(?P<count>\d+(?:\.\d+)?)[bB](?![a-zA-Z])")
_EXPERTS = re.compile(r"_exps\.|\.experts\.")

PACKED = {
    "gptq": (".qweight",),
    "awq": (".qweight",),
    "compressed-tensors": (".weight_packed",),
    "mxfp4": ("_blocks",),
}
"""What holds several numbers in one, by way of quantizing."""
BESIDE = (
    *(".scales", ".qzeros", ".g_idx", ".weight_scale", ".weight_scale_inv", ".weight_shape", "_scales"),
    *(".weight_zero_point", ".input_scale", ".absmax", ".quant_map", ".nested_absmax", ".nested_quant_map"),
    *(".q_scale", ".q_scale_max", ".q_groups", ".q_invperm", ".q_perm", ".suh", ".svh", ".mcg", ".su", ".sv"),
)
"""What belongs to packed weights and holds none."""


@dataclass(frozen=True, slots=True)
class Typed:
    """All tensors of one type. `parameters` counts numbers as the model has them, `size` is bytes."""

    name: str
    tensors: int
    parameters: int
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """`notes` are contradictions between names and headers; why it cannot be loaded is `model.problem`."""

    model: LocalModel
    kind: Kind
    active_parameters: int = 0  # that each token goes through
    types: tuple[Typed, ...] = ()  # most bytes first
    base_models: tuple[str, ...] = ()
    method: str = ""  # how weights are packed, as people know it
    bits: float = 0.0
    group_size: int = 0
    files: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    safe: bool = True  # False: opening it could run a program
    notes: tuple[Phrase, ...] = ()


def inspect(path: Path) -> Inspection:
    """What is in a file or a folder. Never raises for what is wrong with it."""
    if path.is_dir():
        return _folder(path)
    start = _start(path)
    if start == MAGIC or start in OLD_MAGICS or path.suffix.lower() == ".gguf":
        return _gguf(path)
    if path.name.endswith(".index.json") or path.name == CONFIG:
        return _folder(path.parent)
    if _is_pickle(start, path):
        return _unusable(path, "pickle", safe=False)
    return _loose(path)


def _start(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(4)
    except OSError:
        return b""


def _is_pickle(start: bytes, path: Path) -> bool:
    """Torch's zip files, and bare pickles. A name proves nothing, except of what a zip is for."""
    if start[:1] == b"\x80" and start[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05"):
        return True
    return start == b"PK\x03\x04" and path.suffix.lower() not in (".whl", ".zip", ".npz")


def _unusable(path: Path, reason: str, *, safe: bool = True) -> Inspection:
    size = path.stat().st_size if path.is_file() else 0
    model = LocalModel(
        name=path.stem, path=path, size=size, format="unknown", problem=f"models.problem.{reason}"
    )
    return Inspection(model=model, kind="unknown", files=(path.name,), safe=safe)


# ── GGUF ────────────────────────────────────────────────────────────────────────────────────────────


def _gguf(path: Path) -> Inspection:
    model, headers = identify_with_headers(path)
    missing = tuple(part.name for part in parts_of(path) if not part.is_file())
    if not headers:
        return Inspection(model=model, kind="unknown", files=(path.name,), missing=missing)
    return inspected(model, headers, missing)


def inspected(model: LocalModel, headers: Sequence[Header], missing: tuple[str, ...] = ()) -> Inspection:
    """From headers that were read, wherever their files are."""
    types = _gguf_types(headers)
    return Inspection(
        model=model,
        kind=_gguf_kind(model, headers[0]),
        active_parameters=_active(headers, model),
        types=types,
        base_models=_base_models(headers[0]),
        method="GGUF",
        bits=_bits(types),
        files=tuple(header.path.name for header in headers),
        missing=missing,
        notes=(*contradictions(model), *_split_contradiction(headers)),
    )


def _gguf_kind(model: LocalModel, header: Header) -> Kind:
    told = header.text("general.type")
    kinds: dict[str, Kind] = {
        "adapter": "adapter",
        "mmproj": "projector",
        "imatrix": "statistics",
        "controlvector": "control vector",
    }
    if told in kinds:
        return kinds[told]
    if model.architecture in ("clip", "controlvector"):
        return "projector" if model.architecture == "clip" else "control vector"
    return "embedding model" if model.architecture in ENCODERS else "model"


def _gguf_types(headers: Sequence[Header]) -> tuple[Typed, ...]:
    rows: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0])
    for header in headers:
        for tensor in header.tensors:
            known = TENSOR_TYPES.get(tensor.type)
            row = rows[known.name if known else f"type {tensor.type}"]
            row[0], row[1], row[2] = row[0] + 1, row[1] + tensor.elements, row[2] + (tensor.size or 0)
    return _sorted(rows)


def _sorted(rows: Mapping[str, Sequence[int]]) -> tuple[Typed, ...]:
    return tuple(sorted((Typed(name, *row) for name, row in rows.items()), key=lambda row: -row.size))


def _bits(types: Sequence[Typed]) -> float:
    """Bits per weight of the whole."""
    parameters = sum(row.parameters for row in types)
    return sum(row.size for row in types) * 8 / parameters if parameters else 0.0


def _active(headers: Sequence[Header], model: LocalModel) -> int:
    used = headers[0].number(f"{model.architecture}.expert_used_count")
    if not model.experts or not used:
        return model.parameters
    tensors = [tensor for header in headers for tensor in header.tensors]
    experts = sum(tensor.elements for tensor in tensors if _EXPERTS.search(tensor.name))
    return model.parameters - experts + experts * used // model.experts


def _base_models(header: Header) -> tuple[str, ...]:
    found = []
    for number in range(min(header.number("general.base_model.count"), 16)):
        at = f"general.base_model.{number}."
        name = header.text(f"{at}repo_url").removeprefix("https://huggingface.co/")
        found.append(name or header.text(f"{at}name"))
    return tuple(name for name in found if name)


# ── names against headers ───────────────────────────────────────────────────────────────────────────


def contradictions(model: LocalModel) -> list[Phrase]:
    """What the name of its file says otherwise than its header."""
    name, notes = model_name(model.path), list[Phrase]()
    words = re.split(r"[-.]", name.upper())
    said = [kind for kind in FILE_TYPES.values() if kind in words]
    if said and model.quantization and model.quantization not in said and not model.problem:
        notes.append(phrase("models.hint.quantization", said=said[0], found=model.quantization))
    count = 0 if model.problem or not model.parameters else _size_said(name)
    if count and abs(count / model.parameters - 1) > TOLERANCE:
        billions = model.parameters / 1e9
        notes.append(phrase("models.hint.parameters", said=f"{count / 1e9:g}B", found=billions))
    return notes


def _size_said(name: str) -> int:
    """Parameters that a name tells; of "8x7B" experts share a part, so that nothing is concluded from it."""
    match = _SIZE_IN_NAME.search(name)
    return int(float(match["count"]) * 1e9) if match and not match["times"] else 0


def _split_contradiction(headers: Sequence[Header]) -> list[Phrase]:
    told = headers[0].number("split.count")
    parts = len(parts_of(headers[0].path))
    if told <= 1 or told == parts:
        return []
    return [phrase("models.hint.parts", said=parts, found=told)]


# ── safetensors ─────────────────────────────────────────────────────────────────────────────────────


def _folder(folder: Path) -> Inspection:
    if (folder / "adapter_config.json").is_file():
        return _adapter(folder)
    model, config = identify_folder(folder), _json(folder / CONFIG)
    tensors, files, missing = _shards(folder)
    method, bits, group = _packing(config, folder, tensors)
    types = _types(tensors, method, bits)
    parameters = sum(row.parameters for row in types)
    if missing and model.problem in ("", "models.problem.no_weights"):
        model = replace(model, problem="models.problem.parts_missing")
    model = replace(model, parameters=parameters or model.parameters)
    inner = config.get("text_config")
    text = inner if isinstance(inner, dict) else config
    card = _model_card(folder)
    return Inspection(
        model=replace(model, licence=card.get("license", "")),
        kind="model" if config else "unknown",
        active_parameters=_active_of(tensors, text, parameters, method, bits),
        types=types,
        base_models=card.get("base_model", ()),
        method=method,
        bits=bits or _bits(types),
        group_size=group,
        files=files,
        missing=missing,
        safe=model.problem != "models.problem.pickle",
        notes=tuple(contradictions(model)),
    )


def _loose(path: Path) -> Inspection:
    """A file of safetensors without its folder's config, or something that is none."""
    try:
        tensors = list(read_tensors(path).values())
    except BadTensors as bad:
        reason = bad.reason if path.suffix.lower() == TENSORS else "not_gguf"
        return _unusable(path, reason)
    if (path.parent / CONFIG).is_file():
        return _folder(path.parent)
    types = _types(tensors, "", 0)
    lora = any(".lora_A." in tensor.name for tensor in tensors)
    model = LocalModel(
        name=path.stem,
        path=path,
        size=path.stat().st_size,
        format="safetensors",
        parameters=sum(row.parameters for row in types),
        quantization=types[0].name if types else "",
        problem=f"models.problem.{'adapter' if lora else 'no_config'}",
    )
    kind: Kind = "adapter" if lora else "unknown"
    return Inspection(model=model, kind=kind, types=types, bits=_bits(types), files=(path.name,))


def _adapter(folder: Path) -> Inspection:
    told = _json(folder / "adapter_config.json")
    tensors, files, missing = _shards(folder)
    types, base = _types(tensors, "", 0), told.get("base_model_name_or_path")
    model = LocalModel(
        name=folder.name,
        path=folder,
        size=sum(row.size for row in types),
        format="safetensors",
        parameters=sum(row.parameters for row in types),
        quantization=types[0].name if types else "",
        problem="models.problem.adapter",
    )
    bases = (base,) if isinstance(base, str) and base else ()
    return Inspection(
        model=model, kind="adapter", types=types, base_models=bases, files=files, missing=missing
    )


def _shards(folder: Path) -> tuple[list[Stored], tuple[str, ...], tuple[str, ...]]:
    """(tensors, names of files, names of files that the index tells and that are not there)"""
    weights = _json(folder / INDEX).get("weight_map")
    told = (
        {name for name in weights.values() if isinstance(name, str)} if isinstance(weights, dict) else set()
    )
    here = {file.name: file for file in sorted(folder.glob(f"*{TENSORS}")) if file.is_file()}
    tensors: list[Stored] = []
    for file in here.values():
        try:
            tensors += read_tensors(file).values()
        except BadTensors:
            continue  # `identify_folder` has told why
    return tensors, tuple(here), tuple(sorted(told - here.keys()))


def _packing(config: Mapping[str, Any], folder: Path, tensors: Sequence[Stored]) -> tuple[str, int, int]:
    """(way of quantizing, bits, group size); bits 0 where it is none or they differ.

    Older folders have a file of their own for it, the oldest of ExLlama only its kind of tensors.
    """
    told = config.get("quantization_config")
    if not isinstance(told, dict):
        plain = config.get("quantization")
        told = _json(folder / "quantize_config.json") or (plain if isinstance(plain, dict) else {})
        named = "gptq" if (folder / "quantize_config.json").is_file() else "mlx" if told else ""
        told = {"quant_method": named, **told} if named else {}
    method = f"{told.get('quant_method') or ''}".lower()
    if not method and any(tensor.name.endswith(".q_weight") for tensor in tensors):
        method = "exl2"
    bits = told.get("bits") or (4 if told.get("load_in_4bit") else 8 if told.get("load_in_8bit") else 0)
    if method == "compressed-tensors":
        return (method, *_of_groups(told))
    return method, _whole(bits), _whole(told.get("group_size"))


def _of_groups(told: Mapping[str, Any]) -> tuple[int, int]:
    groups = told.get("config_groups")
    rows = groups.values() if isinstance(groups, dict) else ()
    weights = [row.get("weights") for row in rows if isinstance(row, dict)]
    found = [row for row in weights if isinstance(row, dict)]
    if not found:
        return 0, 0
    return _whole(found[0].get("num_bits")), _whole(found[0].get("group_size"))


def _whole(value: Any) -> int:
    return value if type(value) is int and 0 < value < 1 << 20 else 0


def _types(tensors: Sequence[Stored], method: str, bits: int) -> tuple[Typed, ...]:
    packed = _packed_names(tensors, method)
    rows: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0])
    for tensor in tensors:
        name = f"{method} {tensor.type}" if tensor.name in packed else tensor.type
        row = rows[name]
        row[0], row[2] = row[0] + 1, row[2] + tensor.end - tensor.start
        row[1] += _numbers(tensor, tensor.name in packed, method, bits)
    return _sorted(rows)


def _packed_names(tensors: Sequence[Stored], method: str) -> frozenset[str]:
    names = {tensor.name for tensor in tensors}
    if method in PACKED:
        return frozenset(name for name in names if name.endswith(PACKED[method]))
    beside = {"bitsandbytes": ".absmax", "mlx": ".scales"}.get(method)
    if beside is None:
        return frozenset()
    stem = {name: name if method == "bitsandbytes" else name.removesuffix(".weight") for name in names}
    return frozenset(name for name in names if name.endswith(".weight") and f"{stem[name]}{beside}" in names)


def _numbers(tensor: Stored, is_packed: bool, method: str, bits: int) -> int:
    """Of the model's own; a packed number holds as many as its bits have room for."""
    count = math.prod(tensor.shape)
    if is_packed:
        width = 8 if tensor.type == "U8" else 32
        return count * width // (bits or 4)
    if tensor.name.endswith(BESIDE) or ".quant_state." in tensor.name:
        return 0
    return 0 if method == "mlx" and tensor.name.endswith(".biases") else count


def _active_of(
    tensors: Sequence[Stored], config: Mapping[str, Any], parameters: int, method: str, bits: int
) -> int:
    total = _whole(
        config.get("num_local_experts") or config.get("num_experts") or config.get("n_routed_experts")
    )
    used = _whole(config.get("num_experts_per_tok"))
    if not total or not used:
        return parameters
    packed = _packed_names(tensors, method)
    found = (tensor for tensor in tensors if _EXPERTS.search(tensor.name))
    experts = sum(_numbers(tensor, tensor.name in packed, method, bits) for tensor in found)
    return parameters - experts + experts * used // total


def _json(file: Path) -> dict[str, Any]:
    try:
        if file.stat().st_size > JSON_LIMIT:
            return {}
        found = json.loads(file.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _model_card(folder: Path) -> dict[str, Any]:
    """Licence and base models as the README's front matter tells them."""
    try:
        with (folder / "README.md").open("rb") as file:
            text = file.read(CARD_LIMIT).decode("utf-8", "replace")
    except OSError:
        return {}
    match = re.match(r"---\s*\n(.*?)\n---\s*\n", text, re.DOTALL)
    return _front_matter(match[1]) if match else {}


def _front_matter(text: str) -> dict[str, Any]:
    """Only the two lines that are of use: a whole YAML of unknown origin is not needed for them."""
    found: dict[str, Any] = {}
    if licence := re.search(r"^license: *['\"]?([\w.-]+)", text, re.MULTILINE):
        found["license"] = licence[1]
    base = re.search(r"^base_model:(?: *(?P<one>\S+)|(?P<many>(?:\n *- *\S+)+))", text, re.MULTILINE)
    if base:
        names = [base["one"]] if base["one"] else re.findall(r"- *(\S+)", base["many"])
        found["base_model"] = tuple(name.strip("'\"") for name in names)
    return found
