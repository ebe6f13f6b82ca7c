"""Say what a model folder of Hugging Face's kind is, from its config and its headers. Loads and runs nothing.

A folder that cannot be used is described too: `LocalModel.problem` is then a text key (`models.problem.…`).
Sources: the config files of transformers and the `quantization_config` of the formats that it knows; what a
file is, is told by its first bytes, never by its name.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fabula.core.model import LocalModel
from fabula.models.formats.safetensors import BadTensors, Stored, read_tensors

CONFIG = "config.json"
TENSORS = ".safetensors"
PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl")
JSON_LIMIT = 64 << 20  # bytes; tokenizers of large vocabularies take 20 MB
FORMAT = "safetensors"

LOADABLE = {
    "gptq": "GPTQ",
    "awq": "AWQ",
    "compressed-tensors": "compressed-tensors",
    "bitsandbytes": "bitsandbytes",
    "fp8": "FP8",
    "fbgemm_fp8": "FP8",
    "mxfp4": "MXFP4",
}
"""Ways of quantizing that transformers loads, as people know them."""
REFUSED = {"exl2": "exl", "exl3": "exl", "mlx": "mlx"}
WRITERS = ("CausalLM", "LMHeadModel", "ConditionalGeneration")
"""How the classes of models that write text are named."""

_TOKENIZER_FILES = ("tokenizer.json", "vocab.json", "merges.txt", "tokenizer.model")


def is_model_folder(names: Sequence[str]) -> bool:
    """By the names of its files: it has a config, and weights of some kind."""
    weights = (TENSORS, *PICKLES)
    return CONFIG in names and any(name.lower().endswith(weights) for name in names)


def files_of(folder: Path) -> list[Path]:
    """What belongs to the model: all plain files of the folder itself."""
    try:
        return sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
    except OSError:
        return []


def identify_folder(folder: Path) -> LocalModel:
    """The model in a folder. Never raises for what is wrong with it: see `problem`."""
    config = _json(folder / CONFIG)
    files = files_of(folder)
    shards = [file for file in files if file.name.lower().endswith(TENSORS)]
    tensors, problem = _tensors(shards, files)
    inner = config.get("text_config")  # of models that see or hear as well
    text = inner if isinstance(inner, dict) else config
    method = _method(config)
    return LocalModel(
        name=folder.name,
        path=folder,
        size=sum(file.stat().st_size for file in shards),
        format=FORMAT,
        title=folder.name,
        architecture=f"{config.get('model_type') or ''}",
        parameters=_parameters(tensors),
        quantization=_label(config, method, tensors),
        packed=method,
        trained_context=_number(text, "max_position_embeddings", "n_positions", "seq_length"),
        layers=_number(text, "num_hidden_layers", "n_layer"),
        embedding=_number(text, "hidden_size", "n_embd"),
        heads=_number(text, "num_attention_heads", "n_head"),
        kv_heads=_number(text, "num_key_value_heads", "num_attention_heads", "n_head"),
        key_length=_head_length(text),
        value_length=_head_length(text),
        vocabulary=_number(text, "vocab_size"),
        tokenizer=_hash(folder),
        problem=problem or _problem(config, method, folder),
        **_templates(folder),
    )


def _json(file: Path) -> dict[str, Any]:
    try:
        if file.stat().st_size > JSON_LIMIT:
            return {}
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _tensors(shards: Sequence[Path], files: Sequence[Path]) -> tuple[list[Stored], str]:
    """What the headers list, and what is wrong with them."""
    found: list[Stored] = []
    if not shards:
        kind = "pickle" if any(is_pickle(file) for file in files) else "no_weights"
        return [], f"models.problem.{kind}"
    for shard in shards:
        try:
            found += read_tensors(shard).values()
        except BadTensors as bad:
            reason = "pickle" if is_pickle(shard) else bad.reason
            return found, f"models.problem.{reason}"
    return found, ""


def is_pickle(file: Path) -> bool:
    """Torch's zip files, and bare pickles."""
    try:
        with file.open("rb") as opened:
            start = opened.read(4)
    except OSError:
        return False
    return file.name.lower().endswith((TENSORS, *PICKLES)) and (
        start == b"PK\x03\x04" or (start[:1] == b"\x80" and start[1:2] in b"\x02\x03\x04\x05")
    )


def _method(config: Mapping[str, Any]) -> str:
    """How the weights are packed; "" = they are not."""
    told = config.get("quantization_config")
    if isinstance(told, dict) and told.get("quant_method"):
        return f"{told['quant_method']}".lower()
    return "mlx" if isinstance(config.get("quantization"), dict) else ""


def _label(config: Mapping[str, Any], method: str, tensors: Sequence[Stored]) -> str:
    """As people know it: "GPTQ 4-bit", "BF16"."""
    if method:
        told = config.get("quantization_config")
        told = told if isinstance(told, dict) else {}
        bits = told.get("bits") or (4 if told.get("load_in_4bit") else 8 if told.get("load_in_8bit") else 0)
        return f"{LOADABLE.get(method, method)}{f' {bits}-bit' if bits else ''}"
    sizes: dict[str, int] = {}
    for tensor in tensors:
        sizes[tensor.type] = sizes.get(tensor.type, 0) + tensor.end - tensor.start
    return max(sizes, key=sizes.__getitem__) if sizes else ""


def _parameters(tensors: Sequence[Stored]) -> int:
    """Of packed weights, numbers of 32 bits count as eight."""
    return sum(
        math.prod(tensor.shape) * (8 if tensor.name.endswith((".qweight", ".weight_packed")) else 1)
        for tensor in tensors
        if not tensor.name.endswith((".scales", ".qzeros", ".g_idx", ".weight_scale", ".weight_shape"))
    )


def _problem(config: Mapping[str, Any], method: str, folder: Path) -> str:
    if not config.get("model_type"):
        return "models.problem.no_config"
    if method in REFUSED:
        return f"models.problem.{REFUSED[method]}"
    if method and method not in LOADABLE:
        return "models.problem.unknown_packing"
    classes = config.get("architectures")
    classes = classes if isinstance(classes, list) else []
    if classes and not any(f"{name}".endswith(WRITERS) for name in classes):
        return "models.problem.no_writer"
    if not (folder / "tokenizer.json").is_file() and not (folder / "tokenizer.model").is_file():
        return "" if (folder / "vocab.json").is_file() else "models.problem.no_tokenizer"
    return ""


def _templates(folder: Path) -> dict[str, Any]:
    """The chat template and the special tokens by name."""
    told = _json(folder / "tokenizer_config.json")
    template = told.get("chat_template")
    if isinstance(template, list):  # several, by name
        named = {row.get("name"): row.get("template") for row in template if isinstance(row, dict)}
        template = named.get("default") or next(iter(named.values()), "")
    try:
        template = (folder / "chat_template.jinja").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        template = template if isinstance(template, str) else ""
    return {
        "chat_template": template,
        "bos_token": _token(told.get("bos_token")),
        "eos_token": _token(told.get("eos_token")),
        "adds_bos": _adds_bos(folder, told),
    }


def _token(told: Any) -> str:
    found = told.get("content") if isinstance(told, dict) else told
    return found if isinstance(found, str) else ""


def _adds_bos(folder: Path, told: Mapping[str, Any]) -> bool:
    """Where the tokenizer puts one in front: its post-processor says so, or its settings."""
    post = _json(folder / "tokenizer.json").get("post_processor")
    bos = _token(told.get("bos_token"))
    if post:
        return bool(bos) and json.dumps(bos) in json.dumps(post)
    return told.get("add_bos_token") is True


def _hash(folder: Path) -> str:
    """Of what decides about tokens."""
    digest = hashlib.sha256()
    for name in _TOKENIZER_FILES:
        try:
            digest.update(name.encode() + (folder / name).read_bytes())
        except OSError:
            continue
    return digest.hexdigest()


def _number(config: Mapping[str, Any], *names: str) -> int:
    for name in names:
        if type(value := config.get(name)) is int and value > 0:
            return value
    return 0


def _head_length(config: Mapping[str, Any]) -> int:
    heads = _number(config, "num_attention_heads", "n_head")
    return _number(config, "head_dim") or (_number(config, "hidden_size", "n_embd") // heads if heads else 0)
