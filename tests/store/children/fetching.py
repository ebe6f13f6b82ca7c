"""Fetches a source into a folder, each time in a fork of its own: prints its pid, then how it ended."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from fabula.models.sources import fetch, hub, huggingface

assert hub, huggingface  # read once, before the forks

for _ in sys.stdin:
    fork = os.fork()
    if fork == 0:
        fetch(sys.argv[1], Path(sys.argv[2]))
        os._exit(0)
    print(fork, flush=True)  # noqa: T201
    print(os.waitpid(fork, 0)[1], flush=True)  # noqa: T201
