"""Read a LoRA adapter as PEFT saves it: a folder with its configuration and its weights in safetensors.

Whatever an adapter file cannot express is refused with a sentence. Knows GGUF only by the names of `names`.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import regex

from fabula.core.errors import AdapterUnusable
from fabula.core.texts import Phrase, phrase
from fabula.models.adapters.adapter import file_problem
from fabula.models.formats.safetensors import BadTensors, Stored, read_tensors

CONFIG, WEIGHTS, PICKLE = "adapter_config.json", "adapter_model.safetensors", "adapter_model.bin"
CONFIG_LIMIT = 4 << 20  # bytes
LARGEST_ALPHA = 1e6
PATTERN_S = 0.1  # that one of a configuration's own patterns may take; they are regular expressions

PLAIN_STARTS = (True, False, None, "gaussian", "eva", "orthogonal")
"""Ways to start training that leave the base model as it is (`init_lora_weights`)."""

_HALF = re.compile(r"(?P<module>.+)\.lora_(?P<embedding>embedding_)?(?P<half>[AB])(\.default)?(\.weight)?")
_LIMIT = 80  # characters of foreign names in sentences


@dataclass(frozen=True, slots=True)
class Change:
    """What is added to one module: B·A times `scale`. An embedding's A has a column for each token."""

    module: str
    a: Stored
    b: Stored
    scale: float
    embeds: bool

    @property
    def rank(self) -> int:
        return self.a.shape[0]


@dataclass(frozen=True, slots=True)
class PeftAdapter:
    weights: Path
    changes: tuple[Change, ...]


def is_peft(folder: Path) -> bool:
    return (folder / CONFIG).is_file()


def read_peft(folder: Path) -> PeftAdapter:
    """Raises AdapterUnusable."""
    try:
        return _read(folder)
    except BadTensors as bad:
        raise AdapterUnusable(folder.name, file_problem(bad.reason, folder / WEIGHTS)) from bad
    except _Refused as refused:
        raise AdapterUnusable(folder.name, refused.reason) from refused


class _Refused(Exception):
    def __init__(self, key: str, **fields: Any) -> None:
        super().__init__(key)
        shown = {name: f"{value}"[:_LIMIT] for name, value in fields.items()}
        self.reason: Phrase = phrase(f"models.adapter.{key}", **shown)


def _read(folder: Path) -> PeftAdapter:
    config = _config(folder / CONFIG)
    _refuse_other_methods(config)
    weights = folder / WEIGHTS
    if not weights.is_file():
        raise _Refused("pickle" if (folder / PICKLE).is_file() else "no_weights")
    halves = _halves(read_tensors(weights))
    changes = [_change(module, found, config) for module, found in sorted(halves.items())]
    if not changes:
        raise _Refused("no_lora")
    return PeftAdapter(weights, tuple(changes))


# ── the configuration ───────────────────────────────────────────────────────────────────────────────


def _config(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > CONFIG_LIMIT:
            raise _Refused("no_config")
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise _Refused("no_config") from error
    if not isinstance(config, dict):
        raise _Refused("no_config")
    return config


def _refuse_other_methods(config: Mapping[str, Any]) -> None:
    """What would be lost, or wrong, in an adapter file."""
    method = config.get("peft_type", "LORA")
    if method != "LORA":
        raise _Refused("method", method=method)
    if config.get("use_dora"):
        raise _Refused("dora")
    if modules := config.get("modules_to_save"):
        raise _Refused("whole_modules", names=_listed(modules))
    if config.get("bias", "none") != "none":
        raise _Refused("bias", name=f"bias = {config['bias']}")
    if config.get("lora_bias"):
        raise _Refused("bias", name="lora_bias")
    if config.get("layer_replication"):
        raise _Refused("replicated")
    if config.get("alora_invocation_tokens"):
        raise _Refused("activated")
    if (start := config.get("init_lora_weights", True)) not in PLAIN_STARTS:
        raise _Refused("changed_base", name=start)


def _listed(names: Any) -> str:
    return ", ".join(map(str, names)) if isinstance(names, list) else f"{names}"


def _scale(module: str, rank: int, config: Mapping[str, Any]) -> float:
    """What B·A is multiplied by: alpha / r, or with rank-stabilized LoRA alpha / √r."""
    alpha = config.get("lora_alpha")
    for pattern, own in _patterns(config):
        if _names(pattern, module):
            alpha = own
            break
    if isinstance(alpha, bool) or not isinstance(alpha, int | float) or not 0 < abs(alpha) < LARGEST_ALPHA:
        raise _Refused("config", name="lora_alpha", value=alpha)
    return alpha / (math.sqrt(rank) if config.get("use_rslora") else rank)


def _patterns(config: Mapping[str, Any]) -> list[tuple[str, Any]]:
    patterns = config.get("alpha_pattern") or {}
    if not isinstance(patterns, dict):
        raise _Refused("config", name="alpha_pattern", value=patterns)
    return list(patterns.items())


def _names(pattern: str, module: str) -> bool:
    """As PEFT understands it: the end of the module's name, or all of it."""
    try:
        return bool(regex.fullmatch(rf"(?:.*\.)?(?:{pattern})", module, timeout=PATTERN_S))
    except (regex.error, TimeoutError) as error:
        raise _Refused("config", name="alpha_pattern", value=pattern) from error


# ── the weights ─────────────────────────────────────────────────────────────────────────────────────


def _halves(tensors: Mapping[str, Stored]) -> dict[str, dict[str, Stored]]:
    """The tensors of each module as A, B, and "embedding" where it is one. Nothing is left out."""
    found: dict[str, dict[str, Stored]] = {}
    for name, tensor in tensors.items():
        match = _HALF.fullmatch(name)
        if match is None:
            raise _unexpected(name)
        module = found.setdefault(match["module"], {})
        if match["half"] in module:
            raise _Refused("half", tensor=name)
        module[match["half"]] = tensor
        if match["embedding"]:
            module["embedding"] = tensor
    return found


def _unexpected(name: str) -> _Refused:
    if name.endswith("lora_magnitude_vector") or ".lora_magnitude_vector." in name:
        return _Refused("dora")
    return _Refused("bias", name=name) if name.endswith("bias") else _Refused("whole_modules", names=name)


def _change(module: str, found: Mapping[str, Stored], config: Mapping[str, Any]) -> Change:
    a, b = found.get("A"), found.get("B")
    if a is None or b is None:
        raise _Refused("half", tensor=module)
    if len(a.shape) != 2 or len(b.shape) != 2 or a.shape[0] != b.shape[1] or 0 in (*a.shape, *b.shape):
        raise _Refused("ranks", tensor=module)
    for tensor in (a, b):
        if tensor.type not in ("F32", "F16", "BF16", "F64"):
            raise _Refused("number_type", tensor=tensor.name, type=tensor.type)
    plain = module.removeprefix("base_model.model.")
    return Change(module, a, b, _scale(plain, a.shape[0], config), "embedding" in found)
