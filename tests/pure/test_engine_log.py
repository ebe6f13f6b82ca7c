"""The line of an engine's log that says what went wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from fabula.engine.llamacpp.log import FILE_BYTES, LINE_BYTES, RING, EngineLog, reason

FAREWELL = [
    "0.00.050.115 E llama_model_load_from_file_impl: failed to load model",
    "0.00.050.124 E srv    load_model: failed to load model, '/models/a.gguf'",
    "0.00.050.702 E srv          init: exiting due to model loading error",
    "RuntimeError: Failed to init server, please check the input params.",
]


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (
            "0.00.050.102 E llama_model_load: error loading model: tensor 'a' data is not within bounds",
            "tensor 'a' data is not within bounds",
        ),
        (
            "0.00.006.319 E gguf_init_from_reader: invalid magic characters: 'hell', expected 'GGUF'",
            "invalid magic characters: 'hell', expected 'GGUF'",
        ),
        (
            "0.17.524.375 E llama_init_from_model: failed to initialize: failed to allocate buffer",
            "failed to initialize: failed to allocate buffer",
        ),
        (
            "0.00.1 E llama_model_load: error loading model: check_tensor_dims: tensor 'a' has wrong shape",
            "tensor 'a' has wrong shape",
        ),
        ("0.00.1 E clip_init: error: mismatch of the two", "mismatch of the two"),
        ("/src/llama-batch.cpp:80: get_sub_batch: failed to add token 2", "failed to add token 2"),
        ("/src/ggml/ops.cpp:8922: GGML_ASSERT(v) failed", "GGML_ASSERT(v) failed"),
        ("0.00.1 I loader: [3, 3, /src/llama-model.cpp:1: GGML_ASSERT(n) failed", "GGML_ASSERT(n) failed"),
        ("TypeError: unknown setting", "TypeError: unknown setting"),
    ],
)
def test_the_inner_reason_is_told(line: str, told: str) -> None:
    assert reason(["0.00.1 I srv init: fine", line, *FAREWELL]) == told


def test_no_complaint_is_no_reason() -> None:
    assert reason(["0.00.1 I srv init: fine", *FAREWELL]) == ""


def test_the_log_is_bounded_in_memory_and_on_disk(tmp_path: Path) -> None:
    log = EngineLog(tmp_path / "logs" / "engine.log")
    for _ in range(3):
        log.feed(b"x" * LINE_BYTES * 2 + b"\n")
        log.feed((b"y" * 2000 + b"\n") * (FILE_BYTES // 2000))
    log.feed(b"no end")
    log.close()
    assert len(log.lines) == RING
    assert log.lines[-1] == "no end"
    files = list((tmp_path / "logs").iterdir())
    assert sorted(file.name for file in files) == ["engine.log", "engine.log.1"]
    assert all(file.stat().st_size <= FILE_BYTES for file in files)


def test_a_log_that_cannot_be_kept_is_still_read(tmp_path: Path) -> None:
    (tmp_path / "logs").write_text("no folder", encoding="utf-8")
    log = EngineLog(tmp_path / "logs" / "engine.log")
    log.feed(b"0.00.1 E srv init: no luck\n")
    assert log.reason() == "no luck"
    log.close()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no disk that is always full")
def test_a_full_disk_ends_no_reading(tmp_path: Path) -> None:
    (tmp_path / "engine.log").symlink_to("/dev/full")
    log = EngineLog(tmp_path / "engine.log")
    for number in range(3):
        log.feed(f"line {number}\n".encode() * (FILE_BYTES // 10))
    assert log.lines[-1] == "line 2"
    log.close()


def test_a_line_that_another_was_written_into_still_tells_its_reason() -> None:
    lines = [
        "0.00.003.518 E Traceback (most recent call last):",
        '  File "server.py", line 45, in <module>',
        "E gguf_init_from_file: failed to open GGUF file '/models/a.gguf' (No such file or directory)",
        "0.00.003.710 E common_fit_params: encountered an error while trying to fit params to free device "
        "memory: failed to load model",
        *FAREWELL,
    ]
    assert reason(lines) == "failed to open GGUF file '/models/a.gguf' (No such file or directory)"
    assert reason(["E is a letter", *FAREWELL]) == ""
