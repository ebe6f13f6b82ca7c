"""The engine library's own routines that pack and unpack weights, called directly. Knows no file.

They are found as the direct worker finds them, and checked before use: all functions are there, the library's
names and sizes of types are ours, and each type that is wanted gives back about what was put into it.
A call lets go of Python's lock, so threads pack at the same time.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterable
from ctypes import c_bool, c_char_p, c_int32, c_int64, c_size_t, c_void_p
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fabula.engine.direct.abi import Signature
from fabula.engine.direct.library import Drifted, find
from fabula.models.formats.types import TENSOR_TYPES

Floats = NDArray[np.float32]
Bytes = NDArray[np.uint8]

F32, F16, BF16 = 0, 1, 30
TRIAL = (4, 512)  # rows and row length of the numbers with which a type is tried
OFF = {
    "F32": 0.0,
    "F16": 0.0002,
    "BF16": 0.0017,
    "Q8_0": 0.0053,
    "Q6_K": 0.0172,
    "Q5_K": 0.0352,
    "Q5_1": 0.0337,
    "Q5_0": 0.0397,
    "Q4_1": 0.0699,
    "Q4_K": 0.0707,
    "Q4_0": 0.0798,
    "MXFP4": 0.1163,
    "IQ4_NL": 0.073,
    "IQ4_XS": 0.0737,
    "IQ3_S": 0.1385,
    "Q3_K": 0.1438,
    "IQ3_XXS": 0.1827,
    "IQ2_S": 0.2522,
    "Q2_K": 0.2661,
    "IQ2_XS": 0.3016,
    "IQ2_XXS": 0.3483,
    "IQ1_M": 0.4522,
    "IQ1_S": 0.4807,
    "Q1_0": 0.6056,
    "Q2_0": 0.6986,
    "TQ1_0": 0.8021,
    "TQ2_0": 0.8021,
}
"""How far normally distributed numbers come back from a type: root mean square, measured."""
LEEWAY = 1.25

_NUMBERS = [c_void_p, c_void_p, c_int64]
_FUNCTIONS: dict[str, Signature] = {
    "ggml_type_name": (c_char_p, [c_int32]),
    "ggml_row_size": (c_size_t, [c_int32, c_int64]),
    "ggml_quantize_init": (None, [c_int32]),
    "ggml_quantize_chunk": (c_size_t, [c_int32, c_void_p, c_void_p, c_int64, c_int64, c_int64, c_void_p]),
    "ggml_validate_row_data": (c_bool, [c_int32, c_void_p, c_size_t]),
    "ggml_fp16_to_fp32_row": (None, _NUMBERS),
    "ggml_bf16_to_fp32_row": (None, _NUMBERS),
}


class Kernels:
    """Raises Drifted when the library is not as expected."""

    def __init__(self, path: Path | None = None) -> None:
        self.path = path or find()
        try:
            self._dll = ctypes.CDLL(str(self.path))
        except OSError as broken:
            raise Drifted(f"{self.path.name} cannot be opened: {broken}") from broken
        self._functions = {name: self._bound(name, *signature) for name, signature in _FUNCTIONS.items()}
        self._unpackers: dict[int, Any] = {}

    def prepare(self, sources: Iterable[int], targets: Iterable[int]) -> None:
        """Checks the types that are read and written, and builds the library's tables. Raises Drifted."""
        for type_ in sources:
            self._unpackers[type_] = self._unpacker(type_)
        for type_ in targets:
            self._compare(type_)
            self._functions["ggml_quantize_init"](type_)
            self._try(type_)

    def unpack(self, type_: int, data: Bytes, values: Floats) -> None:
        """Whole blocks of `data` into as many `values`."""
        if type_ == F32:
            values.view(np.uint8)[:] = data[: values.nbytes]
        else:
            self._unpackers[type_](data.ctypes.data, values.ctypes.data, values.size)

    def pack(self, type_: int, values: Floats, made: Bytes, importance: Floats | None = None) -> int:
        """Rows [rows, width] of numbers into `made`; answers its bytes. `importance` is one row's [width]."""
        rows, width = values.shape
        weights = importance.ctypes.data if importance is not None else None
        chunk = self._functions["ggml_quantize_chunk"]
        return int(chunk(type_, values.ctypes.data, made.ctypes.data, 0, rows, width, weights))

    def is_valid(self, type_: int, made: Bytes) -> bool:
        """Whether all numbers in it are finite."""
        return bool(self._functions["ggml_validate_row_data"](type_, made.ctypes.data, made.nbytes))

    def row_size(self, type_: int, width: int) -> int:
        return int(self._functions["ggml_row_size"](type_, width))

    # ── checks ──────────────────────────────────────────────────────────────────────────────────────

    def _bound(self, name: str, gives: Any, takes: list[Any]) -> Any:
        if not hasattr(self._dll, name):
            raise Drifted(f"functions are missing: {name}")
        function = getattr(self._dll, name)
        function.restype, function.argtypes = gives, takes
        return function

    def _unpacker(self, type_: int) -> Any:
        self._compare(type_)
        if type_ == F32:
            return None  # a plain copy
        if type_ in (F16, BF16):
            return self._functions["ggml_fp16_to_fp32_row" if type_ == F16 else "ggml_bf16_to_fp32_row"]
        name = TENSOR_TYPES[type_].name.lower().replace("_k", "_K")
        return self._bound(f"dequantize_row_{name}", None, _NUMBERS)

    def _compare(self, type_: int) -> None:
        """The library's name and block of a type with ours."""
        known = TENSOR_TYPES[type_]
        name = self._functions["ggml_type_name"](type_)
        size = self.row_size(type_, known.block)
        if (name or b"").decode().lower() != known.name.lower() or size != known.size:
            raise Drifted(f"type {type_} is {name!r} with blocks of {size} bytes, not {known.name}")

    def _try(self, type_: int) -> None:
        rows, width = TRIAL
        values = np.random.default_rng(5).standard_normal(TRIAL, np.float32)
        made = np.empty(rows * self.row_size(type_, width), np.uint8)
        written = self.pack(type_, values, made, np.ones(width, np.float32))
        self._unpackers.setdefault(type_, self._unpacker(type_))
        back = np.empty(rows * width, np.float32)
        self.unpack(type_, made, back)
        error = float(np.sqrt(np.mean((back - values.ravel()) ** 2)))
        name = TENSOR_TYPES[type_].name
        if written != made.nbytes or not error <= OFF[name] * LEEWAY:
            raise Drifted(f"{name} gives back numbers that are {error:.4f} off")
