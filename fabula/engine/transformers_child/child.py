"""The program inside the transformers child. Its words are those of the direct child.

stdin    one line of JSON with the settings, then requests; when it closes, the studio is gone
stdout   one line `FABULA-READY {"version": …, …}`, then answers; libraries' own prints go to stderr
stderr   the log
"""

from __future__ import annotations

import importlib.util
import json
import os
import sys
from pathlib import Path

if importlib.util.find_spec("fabula") is None:  # another Python's: what it lacks comes from ours
    sys.path.append(str(Path(__file__).parents[3]))

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
    # A model is in its folder or nowhere: nothing is asked of a hub, and no code of a folder is run.
    os.environ |= {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}

    from fabula.engine.transformers_child.desk import TransformersDesk
    from fabula.engine.transformers_child.library import CannotLoad, Settings

    names = Settings.__dataclass_fields__
    try:
        desk = TransformersDesk(Settings(**{name: told[name] for name in names}))
    except CannotLoad as refused:
        sys.stderr.write(f"0 E {refused}\n")
        sys.stderr.flush()
        os._exit(1)
    say(answers, READY + json.dumps(desk.facts()).encode() + b"\n")
    serve(desk, answers)


if __name__ == "__main__":
    main()
