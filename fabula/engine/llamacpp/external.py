"""The program between the studio and a llama-server of the user's own: starts it, waits for it, ends with it.

To the studio it behaves as `child` does: one line of JSON on stdin ({program, arguments, key}), one line
`FABULA-READY {"address": …, "version": …, "pid": …}` on stdout, and the end of stdin is the end. Imports only
the standard library, so that it can be run by its path.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request

READY = "FABULA-READY "
LINUX_PARENT_DEATH_SIGNAL = 1  # prctl's PR_SET_PDEATHSIG
LOOK_S = 0.05
ANSWER_S = 5.0
VERSION_S = 10.0


def main() -> None:
    told = json.loads(sys.stdin.readline())
    _die_with_the_parent()
    port = _free_port()
    command = [told["program"], *told["arguments"], "--host", "127.0.0.1", "--port", str(port)]
    server = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=sys.stderr,
        env=os.environ | {"LLAMA_API_KEY": told["key"]},
        preexec_fn=_die_with_the_parent if sys.platform == "linux" else None,
    )
    signal.signal(signal.SIGTERM, lambda *_: server.terminate())
    threading.Thread(target=_end_with_the_studio, args=(server,), daemon=True).start()
    address = f"http://127.0.0.1:{port}"
    if _becomes_ready(server, address):
        version = version_of(told["program"])
        told = {"address": address, "version": version, "pid": server.pid}
        print(READY + json.dumps(told), flush=True)  # noqa: T201  # the handshake
    _leave_as(server.wait())


def _free_port() -> int:
    """It cannot be asked for "any": a port is chosen for it, which another program may take in between."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def _becomes_ready(server: subprocess.Popen[bytes], address: str) -> bool:
    while server.poll() is None:
        try:
            with urllib.request.urlopen(f"{address}/health", timeout=ANSWER_S) as answer:
                if answer.status == 200:
                    return True
        except (OSError, urllib.error.URLError):
            time.sleep(LOOK_S)  # 503 while it loads, refused before
    return False


def version_of(program: str) -> str:
    """The line in which it says its version; both streams are looked at, as it has used either."""
    try:
        done = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=VERSION_S)
    except (OSError, subprocess.SubprocessError):
        return ""
    lines = (done.stdout + done.stderr).splitlines()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("version")), "")


def _end_with_the_studio(server: subprocess.Popen[bytes]) -> None:
    sys.stdin.read()
    server.kill()


def _leave_as(code: int) -> None:
    """With the server's exit code, or killed by the signal that killed it."""
    if code < 0:
        signal.signal(-code, signal.SIG_DFL) if -code not in (signal.SIGKILL, signal.SIGSTOP) else None
        os.kill(os.getpid(), -code)
    os._exit(max(code, 0))


def _die_with_the_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(LINUX_PARENT_DEATH_SIGNAL, signal.SIGKILL)


if __name__ == "__main__":
    main()
