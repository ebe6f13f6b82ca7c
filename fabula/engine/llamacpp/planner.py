"""The program of a child process that only plans: llama.cpp says what a load would take, then it is ended.

Knows nothing of the studio: it imports only the engine and `child`, whose settings it understands.

    stdin    one line of JSON (`child.Settings`)
    stderr   the engine's log with its table of memory, after which nobody waits for more
"""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from typing import Any

TALKATIVE = 5  # tells buffers to 0.01 MiB also while it plans


def main() -> None:
    child = _child()
    settings = child.Settings(**json.loads(sys.stdin.readline()))
    child._die_with_the_studio()
    child._leave_no_core_file()
    import xllamacpp

    params = child._params(settings, xllamacpp)
    params.fit_params = True
    params.no_extra_bufts = True  # rearranged copies are the studio's own sum
    params.verbosity = TALKATIVE
    xllamacpp.Server(params)


def _child() -> Any:
    """By its path: this program is run without the package, and by another Python perhaps."""
    spec = importlib.util.spec_from_file_location("child", Path(__file__).with_name("child.py"))
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["child"] = module
    spec.loader.exec_module(module)
    return module


if __name__ == "__main__":
    main()
