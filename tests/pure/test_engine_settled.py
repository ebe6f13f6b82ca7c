"""What the engine's log says that it took where nothing was wished."""

from __future__ import annotations

from pathlib import Path

import pytest

from fabula.core.load import NOTHING, LoadOptions
from fabula.engine.llamacpp.log import EngineLog
from fabula.engine.llamacpp.settled import settled

LOG = """\
0.00.175.062 I print_info: rope scaling          = yarn
0.00.175.064 I print_info: freq_base_train       = 1000000.0
0.00.175.064 I print_info: freq_scale_train      = 0.25
0.00.175.064 I print_info: n_ctx_orig_yarn       = 32768
0.00.175.078 I load_tensors: loading model tensors, this can take a while... (load_mode = mmap)
0.00.185.711 I llama_context: n_ubatch              = 512
0.00.185.712 I llama_context: flash_attn            = auto
0.00.218.794 I resolve_fused_ops: Flash Attention enabled
"""
TOOK = LoadOptions(
    batch=512,
    flash_attention="on",
    rope_scaling="yarn",
    rope_base=1e6,
    rope_scale=4.0,
    rope_original=32768,
    mmap=True,
    mlock=False,
)
DRAFT = [
    "print_info: freq_base_train       = 10000.0",
    "llama_context: n_ubatch              = 64",
    "resolve_fused_ops: Flash Attention not supported, set to disabled",
]


def test_all_that_it_says_is_read_whatever_else_it_says(tmp_path: Path) -> None:
    log = EngineLog(tmp_path / "engine.log")
    for line in ("print_info: arch = llama", *LOG.splitlines(), "srv init: model loaded"):
        log.feed(f"{line}\n".encode())
    log.is_loading = False
    log.feed(f"{DRAFT[0]}\n".encode())
    assert log.told == LOG.splitlines()
    assert settled(log.told) == TOOK


def test_what_is_loaded_beside_it_is_told_after_it() -> None:
    assert settled([*LOG.splitlines(), *DRAFT]) == TOOK


@pytest.mark.parametrize(
    ("line", "took"),
    [
        ("llama_context: flash_attn            = disabled", LoadOptions(flash_attention="off")),
        ("llama_context: flash_attn            = auto", NOTHING),
        (
            "resolve_fused_ops: Flash Attention not supported, set to disabled",
            LoadOptions(flash_attention="off"),
        ),
        ("llama_context: Flash Attention was auto, set to enabled", LoadOptions(flash_attention="on")),
        ("print_info: rope scaling          = longrope", NOTHING),
        ("print_info: freq_scale_train      = 0", NOTHING),
        ("print_info: n_ctx_orig_yarn       = 0", NOTHING),
        ("load_tensors: … (load_mode = mmap+mlock)", LoadOptions(mmap=True, mlock=True)),
        ("load_tensors: … (load_mode = dio)", NOTHING),
    ],
)
def test_what_it_does_not_know_is_left_open(line: str, took: LoadOptions) -> None:
    assert settled([line]) == took
