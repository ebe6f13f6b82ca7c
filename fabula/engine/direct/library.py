"""The engine's shared object, opened and compared with what `abi` believes of it. Loads no model.

Three checks, each of which an engine of another version fails: all functions are there; the bytes that the
library writes into its default parameters are those that our fields cover, holes and size alike (only where
the hidden pointer to a returned structure is the first argument: x86-64 but for Windows); the defaults are
those of the pinned version. What they cannot see, two fields with equal defaults that were swapped, `proof`
sees.
"""

from __future__ import annotations

import ctypes
import importlib.util
import platform
import sys
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fabula.engine.direct import abi
from fabula.engine.direct.abi import Layout

PACKAGE = "xllamacpp"
ENDINGS = (".so", ".dylib", ".pyd")
PROBE_BYTES = 4096
FILLS = (0xAA, 0x55)
DEBUG, WARNING, ERROR = 1, 3, 4  # levels of ggml's log
LETTERS = {2: "I", WARNING: "W", ERROR: "E"}  # as the engine's server marks them; other lines go on
KEPT_LINES = 400


class Drifted(Exception):
    """The library is not what `abi` says. The message names what differs, for logs and reports."""


def find() -> Path:
    """The shared object inside the installed engine package. Raises Drifted."""
    spec = importlib.util.find_spec(PACKAGE)
    folders = list(spec.submodule_search_locations or ()) if spec else []
    for folder in folders:
        for file in sorted(Path(folder).glob(f"{PACKAGE}*")):
            if file.suffix in ENDINGS:
                return file
    raise Drifted(f"{PACKAGE} has no shared object")


class Library:
    """The functions of `abi`, without their `llama_`. Raises Drifted when anything differs.

    What the library logs is kept in `lines`, the latest `KEPT_LINES` of them; `echo` prints it too.
    """

    def __init__(self, path: Path | None = None, layout: Layout | None = None, *, echo: bool = False) -> None:
        self.path = path or find()
        self.layout = layout or abi.layout()
        self.lines: deque[tuple[int, str]] = deque(maxlen=KEPT_LINES)
        self._echo = echo
        try:
            self._dll = ctypes.CDLL(str(self.path))
        except OSError as broken:
            raise Drifted(f"{self.path.name} cannot be opened: {broken}") from broken
        self._bind()
        self._log = abi.LOG(self._on_log)
        self.log_set(ctypes.cast(self._log, ctypes.c_void_p), None)
        self._compare("llama_model_default_params", self.layout.model, self.layout.model_defaults)
        self._compare("llama_context_default_params", self.layout.context, self.layout.context_defaults)
        self.backend_init()

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(name)

    def complaint(self) -> str:
        """The first error that was logged since `lines` was cleared, else the first warning."""
        for wanted in (ERROR, WARNING):
            for level, line in self.lines:
                if level == wanted and line.strip():
                    return line.strip()
        return ""

    def said(self) -> str:
        return "".join(line for _, line in self.lines)

    def _bind(self) -> None:
        missing = [name for name in self.layout.functions if not hasattr(self._dll, name)]
        if missing:
            raise Drifted(f"functions are missing: {', '.join(missing)}")
        for name, (gives, takes) in self.layout.functions.items():
            function = getattr(self._dll, name)
            function.restype, function.argtypes = gives, takes
            setattr(self, name.removeprefix("llama_"), function)

    def _on_log(self, level: int, text: bytes, _: object) -> None:
        if level == DEBUG:  # thousands of lines on the compute graph
            return
        line = text.decode("utf-8", "replace")
        self.lines.append((level, line))
        if self._echo:
            sys.stderr.write(f"0 {LETTERS[level]} {line}" if level in LETTERS else line)

    def _compare(self, function: str, structure: Any, defaults: Mapping[str, float]) -> None:
        if sys.platform != "win32" and platform.machine().lower() in ("x86_64", "amd64"):
            self._compare_bytes(function, structure)
        found = getattr(self, function.removeprefix("llama_"))()
        wrong = {
            name: (getattr(found, name), value)
            for name, value in defaults.items()
            if getattr(found, name) != value
        }
        if wrong:
            raise Drifted(f"{structure.__name__}: defaults (found, expected) {wrong}")

    def _compare_bytes(self, function: str, structure: Any) -> None:
        """Which bytes the library writes: those that are equal whatever was in the buffer before."""
        writer = ctypes.CDLL(str(self.path))[function]
        writer.restype, writer.argtypes = ctypes.c_void_p, [ctypes.c_void_p]
        buffers = []
        for fill in FILLS:
            buffer = (ctypes.c_ubyte * PROBE_BYTES)(*([fill] * PROBE_BYTES))
            writer(buffer)
            buffers.append(bytes(buffer))
        written = {at for at, (one, other) in enumerate(zip(*buffers, strict=True)) if one == other}
        ours = covered(structure)
        if written != ours:
            raise Drifted(
                f"{structure.__name__}: {len(written)} bytes up to {max(written, default=-1) + 1} are"
                f" written, our fields are {len(ours)} up to {max(ours) + 1}"
            )


def covered(structure: Any) -> set[int]:
    """The bytes of a structure that belong to a field, without padding."""
    bytes_: set[int] = set()
    for name, *_ in structure._fields_:
        field = getattr(structure, name)
        bytes_.update(range(field.offset, field.offset + field.size))
    return bytes_
