"""Start a child process, hear when it is ready, notice when it dies, leave nothing of it behind.

A child is told a configuration as one line of JSON on stdin, and says `FABULA-READY {…}` on stdout; what else
it says there is read by whoever derives. Its stderr is a log as llama.cpp writes it. Knows no model, no
request.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any, Self

from fabula.core.errors import EngineDied, EngineTimeout, ModelLoadFailed
from fabula.core.texts import Phrase, phrase
from fabula.engine.llamacpp.log import EngineLog, advice

READY = b"FABULA-READY "
POLITE_S = 3.0  # how long SIGTERM may take before SIGKILL
LAST_WORDS_S = 1.0  # how long a dead child's log may still be read
READ_BYTES = 65_536

ENVIRONMENT = {
    # Spinning threads collapse when cores are shared: measured 200 times slower.
    "OMP_WAIT_POLICY": "passive",
    "GOMP_SPINCOUNT": "0",
    # An aborting engine would start a debugger and keep us waiting.
    "GGML_NO_BACKTRACE": "1",
}


class ChildProcess:
    """One running child; `program` is what it runs where nothing else is said."""

    program: Path
    version = ""

    def __init__(self, process: asyncio.subprocess.Process, name: str, log: EngineLog) -> None:
        self._process = process
        self._name = name
        self._log = log
        self._ready: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._pumps = [asyncio.create_task(self._read_stdout()), asyncio.create_task(self._read_stderr())]
        self._unloaded = False
        self._marks = 0

    @classmethod
    async def start(
        cls,
        name: str,
        config: dict[str, Any],
        log: Path,
        timeout_s: float,
        python: str = "",
        program: Path | None = None,
    ) -> Self:
        """A child that is ready. Raises ModelLoadFailed or EngineTimeout; then nothing is left of it."""
        process = await asyncio.create_subprocess_exec(
            python or sys.executable,
            "-P",  # the program's own folder must not shadow modules
            str(program or cls.program),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=os.environ | ENVIRONMENT,
            start_new_session=True,  # Ctrl-C in the terminal is for the studio, which then ends its children
        )
        child = cls(process, name, EngineLog(log))
        try:
            await child._load(config, timeout_s)
        except BaseException:
            await child.stop()
            raise
        return child

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process.returncode is None

    async def gone(self) -> None:
        """Returns when the process has ended."""
        await self._process.wait()

    def lines_since(self, mark: int) -> tuple[int, list[str]]:
        """How many lines the engine's log has had, and those after number `mark`."""
        return self._log.since(mark)

    def mark(self) -> str:
        """A text that the log will have behind all that the engine has said so far, where it can do that."""
        self._marks += 1
        mark = f"fabula-mark {self._marks};"
        self._write(mark)
        return mark

    @property
    def told(self) -> list[str]:
        """What the engine's log said of the load: of memory, and of what the engine chose."""
        return self._log.told

    def end_of_load(self) -> list[str]:
        """The same, as far as it will ever be known: nobody listens for more of it."""
        self._log.is_loading = False
        return self._log.told

    async def death(self) -> EngineDied:
        """Why a request's connection broke: waits a moment for the process to be seen dead."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.gone(), LAST_WORDS_S)
            await self._last_words()
        if self._unloaded:
            return EngineDied(self._name, phrase("reasons.unloaded"))
        return EngineDied(self._name, phrase("reasons.closed_connection") if self.alive else self._cause())

    async def stop(self) -> None:
        """Ends the process, politely first, and reaps it. May be called at any time, more than once."""
        self._unloaded = self._unloaded or self.alive
        await self._end(self._process.terminate, POLITE_S)
        await self._end(self._process.kill, None)
        await self._last_words()
        self._close_pipes()
        self._log.close()

    # ── the start ───────────────────────────────────────────────────────────────────────────────────

    async def _load(self, config: dict[str, Any], timeout_s: float) -> None:
        try:
            async with asyncio.timeout(timeout_s):
                self._tell(config)
                handshake = await asyncio.shield(self._ready)
                if not handshake:
                    await self.gone()
        except TimeoutError:
            raise EngineTimeout(self._name, timeout_s) from None
        if not handshake:
            await self._last_words()
            reason = self._cause()
            raise ModelLoadFailed(self._name, reason, advice=advice(f"{reason}"))
        self._understand(json.loads(handshake))

    def _understand(self, handshake: dict[str, Any]) -> None:
        self.version = handshake["version"]

    def _tell(self, config: dict[str, Any]) -> None:
        self._write(json.dumps(config))

    def _write(self, line: str) -> None:
        """One that has died just now is noticed elsewhere, with its reason."""
        assert self._process.stdin
        with contextlib.suppress(OSError, RuntimeError):
            self._process.stdin.write(f"{line}\n".encode())

    # ── what it says ────────────────────────────────────────────────────────────────────────────────

    async def _read_stdout(self) -> None:
        """Waits for the handshake; all else on stdout is log, as when ggml aborts."""
        assert self._process.stdout
        rest = b""
        while data := await self._process.stdout.read(READ_BYTES):
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                if line.startswith(READY) and not self._ready.done():
                    self._ready.set_result(line.removeprefix(READY))
                else:
                    self._log.add(line)
        if not self._ready.done():
            self._ready.set_result(b"")

    async def _read_stderr(self) -> None:
        assert self._process.stderr
        while data := await self._process.stderr.read(READ_BYTES):
            self._log.feed(data)
        self._log.finish()

    async def _last_words(self) -> None:
        """The rest of the log of an ended process; a grandchild may hold the pipes, so not for ever."""
        await asyncio.wait(self._pumps, timeout=LAST_WORDS_S)

    def _cause(self) -> Phrase | str:
        """Like "the engine aborted (SIGABRT): unsupported V-type"; only the reason if it exited by itself."""
        code, reason = self._process.returncode or 0, self._log.reason()
        if code >= 0:
            return reason or phrase("reasons.engine_exit", code=code)
        name = signal.Signals(-code).name if -code in set(signal.Signals) else f"{-code}"
        how = phrase(f"reasons.engine_{_MANNERS.get(name, 'killed')}", signal=name)
        return phrase("reasons.because", what=how, reason=reason) if reason and name in _MANNERS else how

    # ── the end ─────────────────────────────────────────────────────────────────────────────────────

    async def _end(self, how: Any, patience_s: float | None) -> None:
        if not self.alive:
            return
        with contextlib.suppress(ProcessLookupError):
            how()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.gone(), patience_s)

    def _close_pipes(self) -> None:
        for pump in self._pumps:
            pump.cancel()
        if self._process.stdin:
            self._process.stdin.close()


_MANNERS = {
    "SIGABRT": "aborted",
    "SIGSEGV": "crashed",
    "SIGBUS": "crashed",
    "SIGFPE": "crashed",
    "SIGILL": "instruction",
}
"""Signals that the engine brings upon itself, and the ends of the text keys for them."""
