"""kill -9 of a whole studio while a novel is written: what was shown or acknowledged is there afterwards."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROUNDS = (
    "import json; from bench.novel_killing import one_round;"
    " print(json.dumps([one_round(n) for n in range(5)]))"
)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the rounds are forks of one process")
def test_nothing_of_a_novel_that_was_shown_is_lost_or_there_twice() -> None:
    done = subprocess.run(
        [sys.executable, "-c", ROUNDS], cwd=ROOT, capture_output=True, text=True, check=True
    )
    rounds = json.loads(done.stdout.splitlines()[-1])
    assert [problems for _, problems in rounds] == [[]] * 5
    assert sum(acknowledged for acknowledged, _ in rounds) > 20
