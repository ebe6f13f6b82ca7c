"""What the engine says while it runs: kept, bounded, and turned into the reason that a person is told.

Knows no process: lines come in, a sentence comes out.
"""

from __future__ import annotations

import contextlib
import re
from collections import deque
from io import FileIO
from pathlib import Path

from fabula.engine.llamacpp.settled import LINE
from fabula.engine.llamacpp.sizes import MARK

RING = 200  # lines kept in memory
FILE_BYTES = 2_000_000  # per file; one older file is kept beside it
LINE_BYTES = 4_000  # longer lines are cut

_LOAD = re.compile(re.escape(MARK.encode()) + b"|" + LINE.pattern)
# Python's traceback may have been written into the line: then its time stamp is elsewhere.
_ERROR = re.compile(r"^(?:[\d.]+ E |E (?=(?:\w+ +)?[\w~]+: ))(?P<text>.*)")
_ORIGIN = re.compile(r"^(?:\w+ +)?[\w~]+: +(?=\S)")  # "llama_model_load: ", "srv    load_model: "
_PREFIX = re.compile(r"^(?:error(?: loading model)?: +|[a-z]+_[a-z_]+: +(?=\S))+")  # functions within it, too
# What ggml prints before it aborts; the log's own thread may be in the middle of a line then.
_ASSERTION = re.compile(r"[\w/\\.-]+\.(?:cpp|cc|c|cu|h|hpp|m):\d+: (?P<text>.+)")
# The last line of a Python traceback.
_EXCEPTION = re.compile(r"^(?P<text>[A-Z]\w*(?:Error|Exception)(?:: .+|$))")
_EMPTY_WORDS = re.compile(
    r"^(failed to load model|failed to create.context|exiting due to|Failed to init server|Traceback)"
    r"|^encountered an error while trying to fit params"
    r"|RuntimeError: Failed to init server",
    re.IGNORECASE,
)


class LogFile:
    """Bytes in a file that never outgrows its bounds; one older file is kept beside it.

    What cannot be written is lost: an engine whose log nobody takes would wait for it, and serve nobody.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: FileIO | None = None
        self._size = 0

    def write(self, data: bytes) -> None:
        with contextlib.suppress(OSError):
            for at in range(0, len(data), FILE_BYTES):
                self._write(data[at : at + FILE_BYTES])

    def _write(self, data: bytes) -> None:
        file = self._file or self._opened()
        if self._size + len(data) > FILE_BYTES:
            self.close()
            self._path.replace(self._path.with_name(f"{self._path.name}.1"))
            file = self._opened()
        file.write(data)
        self._size += len(data)

    def _opened(self) -> FileIO:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._file = self._path.open("ab", buffering=0)
        self._size = self._file.tell()
        return self._file

    def close(self) -> None:
        file, self._file = self._file, None
        if file:
            file.close()


class EngineLog:
    """The last lines of one engine, and all of them in a file.

    Lines come by the hundred with each request (the engine lists every prompt that it keeps in RAM), and
    hardly any is ever looked at: they stay bytes until then.
    """

    def __init__(self, file: Path) -> None:
        self.told: list[str] = []  # what was said of the load: of memory, and of what the engine chose
        self.is_loading = True
        self._lines: deque[bytes] = deque(maxlen=RING)
        self._file = LogFile(file)
        self._rest = b""
        self.written = 0  # lines, also those that are kept no longer

    @property
    def lines(self) -> list[str]:
        return [_text(line) for line in self._lines]

    def since(self, mark: int) -> tuple[int, list[str]]:
        """How many lines were written, and those after the first `mark` of them, as far as they are kept."""
        newer = min(self.written - mark, len(self._lines))
        return self.written, self.lines[len(self._lines) - newer :]

    def feed(self, data: bytes) -> None:
        whole, found, self._rest = (self._rest + data).rpartition(b"\n")
        if found:
            self._take(whole.split(b"\n"))
        if len(self._rest) > LINE_BYTES:
            self.finish()

    def finish(self) -> None:
        """The stream has ended, perhaps in the middle of a line."""
        rest, self._rest = self._rest, b""
        if rest:
            self.add(rest)

    def add(self, line: bytes) -> None:
        self._take([line])

    def _take(self, lines: list[bytes]) -> None:
        cut = [line[:LINE_BYTES] for line in lines]
        self._lines.extend(cut)
        self.written += len(cut)
        told = b"\n".join(cut) + b"\n"
        if self.is_loading and _LOAD.search(told):
            self.told += [_text(line) for line in cut if _LOAD.search(line)][: RING - len(self.told)]
        self._file.write(told)

    def close(self) -> None:
        self.finish()
        self._file.close()

    def reason(self) -> str:
        return reason(self.lines)


def _text(line: bytes) -> str:
    return line.decode(errors="replace").rstrip()


def reason(lines: list[str]) -> str:
    """The most telling line: the first complaint, without its time stamp and function name."""
    for pattern, plain in ((_ERROR, _plain), (_ASSERTION, _inner), (_EXCEPTION, str)):
        complaints = [plain(match["text"]) for line in lines if (match := pattern.search(line))]
        telling = [text for text in complaints if not _EMPTY_WORDS.search(text)]
        if telling:
            return telling[0]
    return ""


_ADVICE = (
    ("missing", r"No such file|cannot find the (file|path)"),
    ("unreadable", r"Permission denied|Is a directory"),
    ("projector", r"mmproj|\bclip\b"),
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
    return _inner(_ORIGIN.sub("", text.strip(), count=1))


def _inner(text: str) -> str:
    return _PREFIX.sub("", text)
