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

NAMES = ("startup", "proxy", "cache", "faults", "web_long_chat")


def main(arguments: list[str]) -> None:
    names = [word for word in arguments if word in NAMES]
    options = [word for word in arguments if word not in NAMES]
    if not names and set(options) - {"--quick"}:
        sys.exit(f"{__doc__}\nNames: {', '.join(NAMES)}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # homes and studios are cleared away then too
    for name in names or NAMES:
        importlib.import_module(f"bench.{name}").main(options)
        print()


if __name__ == "__main__":
    main(sys.argv[1:])
