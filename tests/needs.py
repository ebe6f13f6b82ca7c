"""Needs of tests that not every machine meets. Knows no test."""

from __future__ import annotations

import os
import re
from typing import NoReturn

import pytest

REQUIRED = frozenset(filter(None, os.environ.get("FABULA_REQUIRE", "").split(",")))
_SKIPPED_FOR = re.compile(r"needs (\w+): ")


def need(name: str, reason: str) -> NoReturn:
    """Skip the test because the machine lacks `name`: an engine, a browser (`web`) …

    Where FABULA_REQUIRE lists the name, the hook in conftest makes it a failure.
    """
    pytest.skip(f"needs {name}: {reason}")


def is_required(skip_message: str) -> bool:
    found = _SKIPPED_FOR.search(skip_message)
    return bool(found) and found[1] in REQUIRED
