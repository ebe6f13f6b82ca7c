"""Safetensors files are read by their header; what a header claims is compared with the file first."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import pytest
from adapter_making import write_safetensors

from fabula.models.formats.safetensors import HEADER_LIMIT, BadTensors, read_data, read_tensors


def whole(tmp_path: Path, header: Any, body: bytes = b"\0" * 8) -> Path:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path = tmp_path / "file.safetensors"
    path.write_bytes(struct.pack("<Q", len(text)) + text + body)
    return path


def one(**changes: Any) -> dict[str, Any]:
    return {"t": {"dtype": "F32", "shape": [2, 1], "data_offsets": [0, 8]} | changes}


def test_tensors_are_found_by_name_with_their_bytes(tmp_path: Path) -> None:
    path = tmp_path / "file.safetensors"
    write_safetensors(path, {"a": [[1.0, 2.0]], "b": [[3.0], [4.0]]})
    tensors = read_tensors(path)
    assert {name: tensor.shape for name, tensor in tensors.items()} == {"a": (1, 2), "b": (2, 1)}
    assert read_data(path, tensors["b"]) == struct.pack("<2f", 3.0, 4.0)


def test_an_empty_tensor_is_a_tensor(tmp_path: Path) -> None:
    path = whole(tmp_path, one(shape=[0, 4], data_offsets=[0, 0]))
    assert read_data(path, read_tensors(path)["t"]) == b""


@pytest.mark.parametrize(
    "header",
    [
        b"{",
        b"[]",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"t": 1, "t": 2}',
        {"t": []},
        {"t": {"dtype": "F32", "shape": [2]}},
        one(dtype="F3"),
        one(dtype=["F32"]),
        one(shape="2"),
        one(shape=[-2, -1]),
        one(shape=[2.0, 1]),
        one(shape=[True, 2]),
        one(shape=[1 << 62, 1 << 62]),
        one(shape=[1] * 9),
        one(shape=[3, 1]),
        one(data_offsets=[8, 0]),
        one(data_offsets=[0]),
        {"t" * 2000: one()["t"]},
        one() | {"u": one()["t"]},
    ],
    ids=lambda header: str(header)[:40],
)
def test_a_header_that_makes_no_sense_is_damaged(tmp_path: Path, header: Any) -> None:
    with pytest.raises(BadTensors) as refused:
        read_tensors(whole(tmp_path, header))
    assert refused.value.reason == "damaged"


@pytest.mark.parametrize("claim", [HEADER_LIMIT, HEADER_LIMIT + 1, 1 << 63])
def test_an_absurd_header_is_refused_before_it_is_read(tmp_path: Path, claim: int) -> None:
    path = tmp_path / "file.safetensors"
    path.write_bytes(struct.pack("<Q", claim) + b"{}")
    with pytest.raises(BadTensors) as refused:
        read_tensors(path)
    assert refused.value.reason in ("damaged", "truncated")


@pytest.mark.parametrize("kept", [0, 4, 20, -1])
def test_a_file_that_was_cut_off_is_told_as_such(tmp_path: Path, kept: int) -> None:
    path = whole(tmp_path, one())
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(BadTensors) as refused:
        read_tensors(path)
    assert refused.value.reason == ("empty" if kept == 0 else "truncated")


def test_a_file_that_is_not_there_is_unreadable(tmp_path: Path) -> None:
    with pytest.raises(BadTensors) as refused:
        read_tensors(tmp_path / "none")
    assert refused.value.reason == "unreadable"
