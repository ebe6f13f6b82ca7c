"""`python -m bench`: all of them, or those that are named. Knows no measurement.

python -m bench                    all, with every round
python -m bench --quick            all, with few rounds: to see that they work
python -m bench proxy faults       some
python -m bench proxy --help       what one of them can be told
"""

from __future__ import annotations

import importlib
import signal
import sys
import traceback

NAMES = (
    "startup",
    "proxy",
    "cache",
    "replay",
    "faults",
    "killing",
    "batch",
    "keeping",
    "soak",
    "web",
    "web_long_chat",
    "bans",
    "speculative",
    "prompt",
    "fit",
    "scoring",
    "quantize",
    "direction",
    "guard",
    "abuse",
)


def main(arguments: list[str]) -> None:
    names = [word for word in arguments if word in NAMES]
    options = [word for word in arguments if word not in NAMES]
    if not names and set(options) - {"--quick"}:
        sys.exit(f"{__doc__}\nNames: {', '.join(NAMES)}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # homes and studios are cleared away then too
    broken = [name for name in names or NAMES if not _runs(name, options)]
    if broken:
        sys.exit(f"could not measure: {', '.join(broken)}")


def _runs(name: str, options: list[str]) -> bool:
    """One that breaks is told, and does not keep the others from being measured."""
    try:
        importlib.import_module(f"bench.{name}").main(options)
    except Exception:  # noqa: BLE001
        traceback.print_exc()
        return False
    print()
    return True


if __name__ == "__main__":
    main(sys.argv[1:])
