"""A small slice of `python -m bench abuse`: requests made from the studio's own OpenAPI document."""

from __future__ import annotations

import pytest
from hypothesis import settings
from talking import Client

from bench.abuse import GENERATED, Asker, by_schema


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::hypothesis.errors.HypothesisWarning")
def test_nothing_that_the_document_allows_or_forbids_is_a_fault(client: Client) -> None:
    ask = Asker(client.address)
    document = client.http.get(f"{client.address}/openapi.json").json()
    by_schema(ask, document, 120, settings(GENERATED, derandomize=True), every=3, wrong=False)
    assert ask.seen.count >= 120
    assert ask.seen.faults == []
