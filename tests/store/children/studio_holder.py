"""Is the studio of a home until it is killed."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from fabula.store.home import Home
from fabula.store.studio import claim

with claim(Home(Path(sys.argv[1]))) as held:
    held.announce("http://127.0.0.1:1")
    sys.stdout.write("held\n")
    time.sleep(600)
