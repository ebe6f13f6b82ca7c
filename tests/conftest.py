"""What tests of every folder share: the starter model, and needs that a checked machine must have."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from fabula.core.errors import FabulaError
from fabula.models import starter

CACHE = Path(__file__).parent.parent / ".cache"
REQUIRED = frozenset(filter(None, os.environ.get("FABULA_REQUIRE", "").split(",")))


def need(name: str, reason: str) -> None:
    """Skip the test because the machine lacks `name`; fail where FABULA_REQUIRE lists it."""
    if name in REQUIRED:
        pytest.fail(f"{name} is required here, but {reason}", pytrace=False)
    pytest.skip(f"needs {name}: {reason}")


@pytest.fixture(scope="session")
def starter_model() -> Path:
    """The GGUF of the starter model: FABULA_TEST_MODEL, or fetched once into `.cache`."""
    given = os.environ.get("FABULA_TEST_MODEL")
    if given:
        return Path(given)
    try:
        return starter.ensure(CACHE)
    except FabulaError as error:
        need("engine", str(error))
        raise
