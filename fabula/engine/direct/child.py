"""The program inside the direct child: a model through the engine library's C functions.

Native code can abort, so that it never runs in the studio itself.

    stdin    one line of JSON with the settings, then requests (`frames`); when it closes, the studio is gone
    stdout   one line `FABULA-READY {"version": …, …}`, then answers; the engine's own prints go to stderr
    stderr   the engine's log
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from fabula.engine.direct.serving import (
    READY,
    die_with_the_studio,
    leave_no_core_file,
    own_stdout,
    say,
    serve,
)


def main() -> None:
    answers = own_stdout()
    told = json.loads(sys.stdin.buffer.readline())
    die_with_the_studio()
    leave_no_core_file()
    if told["packages"]:  # those of another build of the engine
        sys.path.insert(0, told["packages"])
    import xllamacpp

    from fabula.engine.direct import proof
    from fabula.engine.direct.desk import Desk
    from fabula.engine.direct.library import Drifted, Library
    from fabula.engine.direct.weights import Refused, Settings

    try:
        library = Library(echo=True)
        proof.proven(library, xllamacpp.__version__, Path(told["proof"]))
    except Drifted as drifted:
        say(answers, READY + json.dumps({"drifted": f"{drifted}"}).encode() + b"\n")
        os._exit(0)
    names = Settings.__dataclass_fields__
    try:
        desk = Desk(library, Settings(**{name: told[name] for name in names}))
    except Refused as refused:
        sys.stderr.write(f"0 E {refused}\n")
        sys.stderr.flush()
        os._exit(1)
    facts = desk.facts() | {"version": xllamacpp.__version__}
    say(answers, READY + json.dumps(facts).encode() + b"\n")
    serve(desk, answers)


if __name__ == "__main__":
    main()
