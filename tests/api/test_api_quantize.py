"""Quantizing over HTTP and on the command line, with real children."""

from __future__ import annotations

from typing import Any

import pytest
from talking import Client
from test_cli_verbs import Fabula, fabula

from fabula.cli import quantize
from fabula.core.errors import NoDiskSpace
from fabula.store.home import Home

__all__ = ["fabula"]

MADE: dict[str, Any] = {
    "name": "tiny-Q8_0",
    "type": "Q8_0",
    "source": "tiny",
    "size": 1 << 20,
    "bits": 8.5,
    "source_size": 4 << 20,
    "source_bits": 32.0,
    "types": {"Q8_0": 3, "F32": 1},
    "narrow": 2,
    "from_quantized": "Q4_0",
    "seconds": 1.5,
}
MEASURED: dict[str, Any] = {"tokens": 400, "kl": 0.25, "largest_kl": 1.5, "same_top": 0.75}
MEASURED |= {"perplexity": 11.5, "source_perplexity": 10.0}
MEASURED |= {"texts": [{"text": name, **MEASURED} for name in ("en", "zh-Hant")]}


def test_a_model_is_quantized_in_a_child_and_lies_on_the_shelf(client: Client, home: Home) -> None:
    job = client.post("/models/tiny/quantize", {"type": "q8_0", "measure": False}, 202)
    assert (job["kind"], job["title"]) == ("quantize", "tiny → Q8_0")
    *_, end = client.hear(f"/jobs/{job['id']}/events")
    assert (end.data["state"], end.data["result"]["name"]) == ("done", "tiny-Q8_0")
    assert client.get("/models/tiny-Q8_0")["quantization"] == "Q8_0"
    assert (home.models / "tiny-Q8_0.gguf").stat().st_size == end.data["result"]["file_size"]


def test_a_job_that_would_overwrite_a_model_is_refused_before_it_begins(client: Client) -> None:
    refused = client.post("/models/tiny/quantize", {"type": "F32", "name": "tiny"}, 409)
    assert refused["error"]["code"] == "model_exists"
    assert client.get("/jobs")["jobs"] == []


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ({"type": "Q9"}, "bad_parameter"),
        ({"type": "Q4_0", "imatrix": "/no/such/file"}, "importance_unusable"),
        ({"type": "Q4_0", "imatrix_from": "/no/such/file"}, "bad_parameter"),
        ({"type": "Q4_0", "imatrix": "/one", "imatrix_from": "/other"}, "importance_unusable"),
        ({"type": "Q4_0", "text": "/no/such/file"}, "bad_parameter"),
        ({"type": "Q4_0", "split": 1000}, "bad_parameter"),
        ({"type": "Q4_0", "threads": -1}, "bad_parameter"),
        ({"type": "Q4_0", "unknown": 1}, "bad_parameter"),
    ],
)
def test_what_cannot_be_done_is_told_at_once(client: Client, asked: dict[str, Any], code: str) -> None:
    assert client.post("/models/tiny/quantize", asked, 400)["error"]["code"] == code


@pytest.mark.parametrize("asked", [{"text": "/no/such/file"}, {"text": "/etc/hostname", "chunks": -1}, {}])
def test_an_importance_matrix_needs_a_text(client: Client, asked: dict[str, Any]) -> None:
    assert client.post("/models/tiny/imatrix", asked, 400)["error"]["code"] == "bad_parameter"


def test_all_types_are_listed_with_their_sizes(client: Client) -> None:
    types = client.get("/models/tiny/quantize")["types"]
    sizes = [row["size"] for row in types]
    assert sizes == sorted(sizes, reverse=True)
    assert {"Q4_K_M", "IQ4_XS", "F16", "TQ1_0"} <= {row["type"] for row in types}


def test_the_result_is_shown_with_what_it_cost(capsys: pytest.CaptureFixture[str]) -> None:
    quantize.show(MADE | {"measured": MEASURED})
    told = capsys.readouterr()
    assert "tiny-Q8_0 is here: 1.0 MiB, 8.50 bits per weight" in told.out
    rows = [line.split() for line in told.out.splitlines()[-3:]]
    assert rows[0] == ["en", "400", "11.500", "10.000", "0.2500", "75.0%"]
    assert [row[0] for row in rows] == ["en", "zh-Hant", "all"]
    assert "tiny was Q4_0 before" in told.err


def test_that_it_could_not_be_measured_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    quantize.show(MADE | {"measured": {"error": NoDiskSpace(2 << 30, 1 << 30, "/home").kept()}})
    assert "could not be measured: " in (told := capsys.readouterr().err)
    assert "2.0 GiB" in told


def test_types_are_shown_as_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    offer = {"type": "IQ2_XS", "size": 1 << 20, "bits": 2.3125, "needs_importance": True}
    quantize.list_types([offer], json=False)
    assert "IQ2_XS" in (told := capsys.readouterr().out)
    assert "2.31" in told
    assert "needs --imatrix" in told


def test_an_option_that_would_not_be_heard_is_named(fabula: Fabula) -> None:
    """They were left out without a word."""
    for asked, unheard in (
        (("Q8_0", "--no-measure", "--measure", "FILE"), "--measure would not be heard beside --no-measure"),
        (("--name", "new", "--threads", "2"), "--name, --threads would not be heard"),
    ):
        ran = fabula("quantize", "tiny", *asked)
        assert (ran.status, unheard in " ".join(ran.err.split())) == (2, True)
