"""What text-generation-webui says of a load, as our load options. Pure; knows no engine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fabula.core.errors import BadParameter
from fabula.core.load import KV_TYPES
from fabula.core.texts import phrase
from fabula.server.bodies import get

NAMES: Mapping[str, str] = {
    "ctx_size": "context",
    "n_ctx": "context",
    "max_seq_len": "context",
    "gpu_layers": "gpu_layers",
    "n_gpu_layers": "gpu_layers",
    "threads": "threads",
    "n_threads": "threads",
    "batch_size": "batch",
    "n_batch": "batch",
    "parallel": "slots",
    "cache_type": "kv_type",
    "mlock": "mlock",
    "rope_freq_base": "rope_base",
}
SWITCHES: Mapping[str, tuple[str, Any, Any]] = {
    "no_mmap": ("mmap", False, None),
    "no_kv_offload": ("kv_offload", False, None),
    "row_split": ("split_mode", "row", None),
    "flash_attn": ("flash_attention", "on", "off"),
}
"""Names of yes-or-no arguments, the option, and its value for yes and for no (None: not said)."""
CACHES = {"fp16": "f16", "q8": "q8_0", "q4": "q4_0", "fp8": "q8_0"}
OURS = "settings"  # its answers to a load of the interface: what a chat would use, which is not the load's
NOT_SAID = (0, "", None)


def options_of(body: Mapping[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """(load options, names of what could not be heeded). Raises BadParameter."""
    asked, options, ignored = get(body, "args", dict, {}), {}, []
    for name, value in asked.items():
        if name in SWITCHES:
            option, yes, no = SWITCHES[name]
            options[option] = yes if value is True else no
        elif name in NAMES:
            options[NAMES[name]] = None if value in NOT_SAID and name != "gpu_layers" else _value(name, value)
        else:
            ignored.append(f"args.{name}")
    if template := get(body, "instruction_template_str", str, ""):
        options["chat_template"] = template
    ignored += [name for name in (OURS, "instruction_template") if body.get(name)]
    return {name: value for name, value in options.items() if value is not None}, tuple(ignored)


def _value(name: str, value: Any) -> Any:
    if name != "cache_type":
        return value
    found = CACHES.get(f"{value}", value)
    if found not in KV_TYPES:
        raise BadParameter(
            "args.cache_type", f"{value}", phrase("expected.one_of", names=", ".join(KV_TYPES))
        )
    return found
