"""What the engine says while it runs: kept, bounded, and turned into the reason that a person is told.

Knows no process: lines come in, a sentence comes out.
"""

from __future__ import annotations

import logging
import re
from collections import deque
from logging.handlers import RotatingFileHandler
from pathlib import Path

from fabula.engine.llamacpp.sizes import MARK

RING = 200  # lines kept in memory
FILE_BYTES = 2_000_000  # per file; one older file is kept beside it
LINE_BYTES = 4_000  # longer lines are cut

_ERROR = re.compile(r"^[\d.]+ E (?P<text>.*)")
_ORIGIN = re.compile(r"^(?:\w+ +)?[\w~]+: +(?=\S)")  # "llama_model_load: ", "srv    load_model: "
_PREFIX = re.compile(r"^(?:error loading model: +|llama_model_loader: +)+")
# What ggml prints before it aborts; the log's own thread may be in the middle of a line then.
_ASSERTION = re.compile(r"[\w/\\.-]+\.(?:cpp|cc|c|cu|h|hpp|m):\d+: (?P<text>.+)")
# The last line of a Python traceback.
_EXCEPTION = re.compile(r"^(?P<text>[A-Z]\w*(?:Error|Exception)(?:: .+|$))")
_EMPTY_WORDS = re.compile(
    r"^(failed to load model|failed to create.context|exiting due to|Failed to init server)"
    r"|RuntimeError: Failed to init server",
    re.IGNORECASE,
)


class EngineLog:
    """The last lines of one engine, and all of them in a file that never outgrows its bounds."""

    def __init__(self, file: Path) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        self.lines: deque[str] = deque(maxlen=RING)
        self.buffers: list[str] = []  # what was said of memory while the model was loaded
        self._file = RotatingFileHandler(file, maxBytes=FILE_BYTES, backupCount=1, encoding="utf-8")
        self._rest = b""
        self.written = 0  # lines, also those that are kept no longer

    def since(self, mark: int) -> tuple[int, list[str]]:
        """How many lines were written, and those after the first `mark` of them, as far as they are kept."""
        newer = min(self.written - mark, len(self.lines))
        return self.written, list(self.lines)[len(self.lines) - newer :]

    def feed(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self.add(line)
        if len(self._rest) > LINE_BYTES:
            self.finish()

    def finish(self) -> None:
        """The stream has ended, perhaps in the middle of a line."""
        rest, self._rest = self._rest, b""
        if rest:
            self.add(rest)

    def add(self, line: bytes) -> None:
        text = line[:LINE_BYTES].decode(errors="replace").rstrip()
        self.lines.append(text)
        if MARK in text and len(self.buffers) < RING:
            self.buffers.append(text)
        self.written += 1
        self._file.emit(logging.makeLogRecord({"msg": text}))

    def close(self) -> None:
        self.finish()
        self._file.close()

    def reason(self) -> str:
        return reason(list(self.lines))


def reason(lines: list[str]) -> str:
    """The most telling line: the first complaint, without its time stamp and function name."""
    for pattern, plain in ((_ERROR, _plain), (_ASSERTION, str), (_EXCEPTION, str)):
        complaints = [plain(match["text"]) for line in lines if (match := pattern.search(line))]
        telling = [text for text in complaints if not _EMPTY_WORDS.search(text)]
        if telling:
            return telling[0]
    return ""


_ADVICE = (
    ("missing", r"No such file|cannot find the (file|path)"),
    ("unreadable", r"Permission denied|Is a directory"),
    ("template", r"chat template|jinja|failed to parse.*template|Expected .*(block|token|endfor|statement)"),
    (
        "memory",  # a system that runs out of it kills
        r"alloc|out of memory|OutOfMemory|OutOfDeviceMemory|vector::|length_error|buffer of size"
        r"|MemoryError|\(SIGKILL\)",
    ),
    ("flash", r"flash"),
    ("adapter", r"lora|adapter"),
    ("newer", r"unknown (model )?architecture|unknown pre-tokenizer|unknown model|not supported"),
    ("options", r"n_seq_max|n_parallel|n_u?batch|n_ctx|cache.type|KV.type|GGML_TYPE"),
    (
        "damaged",
        r"magic|failed to read|file bounds|corrupted|incomplete|invalid|wrong|missing tensor|not found"
        r"|exceeds maximum|duplicate|tensor|n_head|hparams|vocab|key|ftell|fseek",
    ),
    ("crashed", r"^the engine (aborted|crashed)"),
)
"""What to do about a failed load, by what its reason says; the first that matches."""


def advice(reason: str) -> str:
    """A text key; there is always one."""
    for name, pattern in _ADVICE:
        if re.search(pattern, reason, re.IGNORECASE):
            return f"models.advice.{name}"
    return "models.advice.other"


def _plain(text: str) -> str:
    return _PREFIX.sub("", _ORIGIN.sub("", text.strip(), count=1))
