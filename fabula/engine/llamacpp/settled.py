"""What the engine says while it loads a model: what it took where nothing was wished. Pure; knows no process.

print_info: rope scaling          = linear
print_info: freq_base_train       = 100000.0
llama_context: flash_attn            = auto
resolve_fused_ops: Flash Attention enabled
load_tensors: loading model tensors, this can take a while... (load_mode = mmap)
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

from fabula.core.load import CHOICES, RANGES, LoadOptions

LINE = re.compile(
    rb"rope scaling +=|freq_(base|scale)_train +=|n_ctx_orig_yarn +=|n_ubatch +=|flash_attn +="
    rb"|Flash Attention|\(load_mode ="
)
"""Lines of the log that tell something of it."""

_Read = Callable[[str], dict[str, Any]]
_ON = {"enabled": "on", "disabled": "off"}


def _stretched(freq_scale: str) -> dict[str, Any]:
    return {"rope_scale": float(f"{1 / float(freq_scale):.5g}")}


def _mapped(mode: str) -> dict[str, Any]:
    parts = mode.split("+")
    return {"mmap": "mmap" in parts, "mlock": "mlock" in parts} if {*parts} <= _MODES else {}


_MODES = {"none", "mmap", "mlock"}
_TOLD: tuple[tuple[re.Pattern[str], _Read], ...] = (
    (re.compile(r"rope scaling += (\w+)"), lambda kind: {"rope_scaling": kind}),
    (re.compile(r"freq_base_train += ([\d.]+)"), lambda base: {"rope_base": float(base)}),
    (re.compile(r"freq_scale_train += ([\d.e+-]*[1-9][\d.e+-]*)"), _stretched),
    (re.compile(r"n_ctx_orig_yarn += (\d+)"), lambda tokens: {"rope_original": int(tokens)}),
    (re.compile(r"n_ubatch += (\d+)"), lambda tokens: {"batch": int(tokens)}),
    (re.compile(r"flash_attn += (enabled|disabled)"), lambda how: {"flash_attention": _ON[how]}),
    (
        re.compile(r"Flash Attention (?:.*set to )?(enabled|disabled)"),
        lambda how: {"flash_attention": _ON[how]},
    ),
    (re.compile(r"\(load_mode = ([\w+]+)\)"), _mapped),
)


def settled(lines: Iterable[str]) -> LoadOptions:
    """By the first line that tells of each: what is loaded beside a model is loaded after it."""
    found: dict[str, Any] = {}
    for line in lines:
        for pattern, read in _TOLD:
            if match := pattern.search(line):
                found = read(match[1]) | found
    return LoadOptions(**{name: value for name, value in found.items() if _is_known(name, value)})


def _is_known(name: str, value: Any) -> bool:
    """An engine may know more words than we do, and 0 may be its word for nothing."""
    low, high = RANGES.get(name, (value, value))
    return value in CHOICES[name] if name in CHOICES else low <= value <= high
