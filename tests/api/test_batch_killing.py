"""kill -9 of a studio in the middle of a batch; `python -m bench batch` does it for twenty batches."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROUND = "import json; from bench.batch import one_batch; print(json.dumps(one_batch(7, kills=10)))"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the studios are forks of one process")
def test_killed_ten_times_every_line_is_answered_once_and_none_asked_again_that_was() -> None:
    done = subprocess.run([sys.executable, "-c", ROUND], cwd=ROOT, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout.splitlines()[-1]) == []
