"""What tests of every folder share: the starter model, and skips that count as failures where required."""

from __future__ import annotations

import os
from collections.abc import Generator
from pathlib import Path

import hypothesis
import pytest
from needs import is_required, need

from fabula.core.errors import FabulaError
from fabula.models import starter

# A machine that is busy is slow, not wrong: no example is held against the clock.
hypothesis.settings.register_profile(
    "patient", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("patient")

CACHE = Path(__file__).parent.parent / ".cache"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.skipped and isinstance(report.longrepr, tuple) and is_required(report.longrepr[2]):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid}: {report.longrepr[2]}, and FABULA_REQUIRE lists it"
    return report


@pytest.fixture(scope="session")
def starter_model() -> Path:
    """The GGUF of the starter model: FABULA_TEST_MODEL, or fetched once into `.cache`."""
    given = os.environ.get("FABULA_TEST_MODEL")
    if given:
        return Path(given)
    CACHE.mkdir(exist_ok=True)
    try:
        return starter.ensure(CACHE)
    except FabulaError as error:
        need("engine", f"the starter model could not be fetched ({error})")
