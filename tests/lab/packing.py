"""Packs the linear layers of a folder into 4 bits, as GPTQ, AWQ and compressed-tensors store them, without
their makers.

Sources: AutoGPTQ's checkpoint format (8 rows of input per number, zero points less one) and AWQ's GEMM format
(8 columns of output per number, in the order 0 2 4 6 1 3 5 7), and compressed-tensors' pack-quantized one (8
columns of input per number). The same folder with the rounded weights as
plain floats says what the packed one has to give.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np

GROUP = 32
ZERO = 8
ORDER = (0, 2, 4, 6, 1, 3, 5, 7)


def packed(folder: Path, method: str) -> tuple[Path, Path]:
    """(packed, plain): both beside the folder."""
    from safetensors.numpy import load_file, save_file

    pair = (folder.with_name(f"{folder.name}-{method}"), folder.with_name(f"{folder.name}-{method}-plain"))
    for place in pair:
        shutil.copytree(folder, place)
    small: dict[str, Any] = {}
    plain: dict[str, Any] = {}
    for name, weight in load_file(folder / "model.safetensors").items():
        if not name.endswith("_proj.weight"):
            small[name] = plain[name] = weight
            continue
        values, scales = _rounded(weight.T)  # [in, out]
        stored = STORED[method](values, scales)
        small |= {f"{name.removesuffix('weight')}{part}": array for part, array in stored.items()}
        whole = (values.astype(np.float32) - ZERO) * np.repeat(scales.astype(np.float32), GROUP, axis=0)
        plain[name] = np.ascontiguousarray(whole.T)
    save_file(small, pair[0] / "model.safetensors", {"format": "pt"})
    save_file(plain, pair[1] / "model.safetensors", {"format": "pt"})
    config = json.loads((folder / "config.json").read_text())
    config |= {"dtype": "bfloat16"}  # what packed weights are calculated with
    (pair[0] / "config.json").write_text(json.dumps(config | {"quantization_config": TOLD[method]}))
    (pair[1] / "config.json").write_text(json.dumps(config))
    return pair


TOLD = {
    "gptq": {
        "quant_method": "gptq",
        "bits": 4,
        "group_size": GROUP,
        "desc_act": False,
        "sym": True,
        "checkpoint_format": "gptq",
    },
    "awq": {"quant_method": "awq", "bits": 4, "group_size": GROUP, "zero_point": True, "version": "gemm"},
    "compressed-tensors": {
        "quant_method": "compressed-tensors",
        "format": "pack-quantized",
        "quantization_status": "compressed",
        "ignore": ["lm_head"],
        "config_groups": {
            "group_0": {
                "targets": ["Linear"],
                "weights": {
                    "num_bits": 4,
                    "type": "int",
                    "symmetric": True,
                    "strategy": "group",
                    "group_size": GROUP,
                },
            }
        },
    },
}


def _rounded(weight: Any) -> tuple[Any, Any]:
    """Numbers from 0 to 15 [in, out], and a scale for each group of rows [in / GROUP, out]."""
    weight = np.ascontiguousarray(weight)  # safetensors writes what lies in memory, whatever its order
    groups = weight.reshape(-1, GROUP, weight.shape[1])
    scales = (np.abs(groups).max(axis=1) / 7).astype(np.float16)
    values = np.round(groups / scales[:, None].astype(np.float32)) + ZERO
    return np.clip(values, 0, 15).reshape(weight.shape).astype(np.uint32), scales


def _gptq(values: Any, scales: Any) -> dict[str, Any]:
    rows, columns = values.shape
    zeros = np.full((rows // GROUP, columns), ZERO - 1, np.uint32)
    return {
        "qweight": _joined(values.reshape(rows // 8, 8, columns), axis=1),
        "qzeros": _joined(zeros.reshape(-1, columns // 8, 8), axis=2),
        "scales": scales,
        "g_idx": (np.arange(rows) // GROUP).astype(np.int32),
    }


def _awq(values: Any, scales: Any) -> dict[str, Any]:
    rows, columns = values.shape
    zeros = np.full((rows // GROUP, columns), ZERO, np.uint32)
    return {
        "qweight": _joined(values.reshape(rows, columns // 8, 8)[:, :, ORDER], axis=2),
        "qzeros": _joined(zeros.reshape(-1, columns // 8, 8)[:, :, ORDER], axis=2),
        "scales": scales,
    }


def _compressed(values: Any, scales: Any) -> dict[str, Any]:
    rows, columns = values.shape
    return {
        "weight_packed": _joined(values.T.reshape(columns, rows // 8, 8), axis=2),
        "weight_scale": np.ascontiguousarray(scales.T),
        "weight_shape": np.array([columns, rows], np.int64),
    }


STORED = {"gptq": _gptq, "awq": _awq, "compressed-tensors": _compressed}


def _joined(parts: Any, axis: int) -> Any:
    """Eight numbers of four bits as one of 32, the first in the lowest bits."""
    shifts = (4 * np.arange(8, dtype=np.uint32)).reshape([8 if at == axis else 1 for at in range(parts.ndim)])
    return np.ascontiguousarray((parts << shifts).sum(axis=axis, dtype=np.uint32)).view(np.int32)
