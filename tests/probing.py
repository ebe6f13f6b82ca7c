"""A bank of a few probes, for tests in which a model is asked."""

from __future__ import annotations

import pytest

from fabula.evals.probes import bank


def ask_only(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    """Only these probes are asked in this test; the rest stay known by their names.

    `by_id` keeps what it found first for the whole process: it is read here before the bank is made small,
    or the tests that come later in this process would know these few alone.
    """
    few = tuple(bank.by_id()[name] for name in names)
    monkeypatch.setattr(bank, "probes", lambda: few)
