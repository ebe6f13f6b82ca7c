"""Headers of models that are not here yet, from a server on this machine that speaks ranges."""

from __future__ import annotations

import json
import os
from collections.abc import Generator
from pathlib import Path

import pytest
from models_stand_ins import Shelf, serve, tiny_gguf

from fabula.cli.main import main
from fabula.core.errors import AccessDenied, DownloadBroken, NotAModel, Offline, SourceMissing
from fabula.models.fit.anatomy import anatomy
from fabula.models.formats.gguf import string_at
from fabula.models.sources.peek import peek

WORDS = [f"a word of some length, number {n}" for n in range(200_000)]


@pytest.fixture
def shelf() -> Generator[Shelf]:
    shelf = Shelf()
    server = serve(shelf)
    yield shelf
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def big() -> bytes:
    """A model with a vocabulary of 8 MB."""
    return tiny_gguf(tokenizer__ggml__tokens=WORDS)


def bytes_sent(shelf: Shelf) -> int:
    spans = (span.removeprefix("bytes=").split("-") for span in shelf.ranges_asked())
    return sum(int(last) - int(first) + 1 for first, last in spans)


def test_a_small_header_takes_one_request(shelf: Shelf, tmp_path: Path) -> None:
    shelf.files["/Tiny.gguf"] = tiny_gguf()
    found = peek(f"{shelf.address}/Tiny.gguf", tmp_path)
    assert (found.model.name, found.model.architecture, found.requests) == ("Tiny", "llama", 1)
    assert len(anatomy(found.headers).layers) == 2


def test_a_long_vocabulary_takes_few_and_never_the_weights(shelf: Shelf, tmp_path: Path, big: bytes) -> None:
    shelf.files["/Big.gguf"] = big + bytes(64 << 20)
    found = peek(f"{shelf.address}/Big.gguf", tmp_path)
    assert found.requests <= 4
    assert bytes_sent(shelf) < 40 << 20
    assert string_at(found.headers[0], "tokenizer.ggml.tokens", 123_456) == WORDS[123_456]
    assert found.model.size == len(big) + (64 << 20)


def test_a_header_that_was_read_is_only_asked_for_its_tag(shelf: Shelf, tmp_path: Path, big: bytes) -> None:
    shelf.files["/Big.gguf"] = big
    first = peek(f"{shelf.address}/Big.gguf", tmp_path)
    shelf.asked.clear()
    again = peek(f"{shelf.address}/Big.gguf", tmp_path)
    assert (again.requests, again.model) == (1, first.model)
    assert shelf.asked[0][1]["if-none-match"]


def test_another_file_under_the_same_address_is_read_anew(shelf: Shelf, tmp_path: Path) -> None:
    shelf.files["/Tiny.gguf"] = tiny_gguf()
    peek(f"{shelf.address}/Tiny.gguf", tmp_path)
    shelf.files["/Tiny.gguf"] = tiny_gguf(general__name="Other")
    assert peek(f"{shelf.address}/Tiny.gguf", tmp_path).model.title == "Other"


def test_redirects_are_followed(shelf: Shelf, tmp_path: Path) -> None:
    shelf.files["/cdn/x"], shelf.redirects["/Tiny.gguf"] = tiny_gguf(), "/cdn/x"
    assert peek(f"{shelf.address}/Tiny.gguf", tmp_path).model.title == "Tiny"


def test_a_server_without_ranges_is_read_from_the_start(shelf: Shelf, tmp_path: Path, big: bytes) -> None:
    shelf.files["/Big.gguf"], shelf.ranges = big, False
    assert peek(f"{shelf.address}/Big.gguf", tmp_path).model.title == "Tiny"


def test_all_parts_of_a_repositorys_model_are_read(
    shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(os.environ, "HF_ENDPOINT", shelf.address)
    parts = {f"Big-Q4_K_M-0000{n}-of-00002.gguf": tiny_gguf() for n in (1, 2)}
    shelf.add_to_hub("someone/Big-GGUF", parts)
    found = peek("hf:someone/Big-GGUF:Q4_K_M", tmp_path)
    assert (found.model.name, found.model.parameters, len(found.headers)) == ("Big-Q4_K_M", 2048, 2)


def test_what_is_no_model_is_told(shelf: Shelf, tmp_path: Path) -> None:
    shelf.files["/page.gguf"] = b"<!doctype html>"
    with pytest.raises(NotAModel):
        peek(f"{shelf.address}/page.gguf", tmp_path)
    with pytest.raises(SourceMissing):
        peek(f"{shelf.address}/nothing.gguf", tmp_path)
    shelf.statuses.append(403)
    with pytest.raises(AccessDenied):
        peek(f"{shelf.address}/page.gguf", tmp_path)
    with pytest.raises(Offline):
        peek("http://127.0.0.1:9/Tiny.gguf", tmp_path)


def test_a_broken_connection_is_no_half_header(shelf: Shelf, tmp_path: Path, big: bytes) -> None:
    shelf.files["/Big.gguf"] = big
    shelf.cuts.append(1000)
    with pytest.raises(DownloadBroken):
        peek(f"{shelf.address}/Big.gguf", tmp_path)
    assert not list(tmp_path.iterdir())


def test_what_is_in_a_repository_is_described_before_it_is_fetched(
    shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(os.environ, "HF_ENDPOINT", shelf.address)
    monkeypatch.setitem(os.environ, "FABULA_LANGUAGE", "en")
    shelf.add_to_hub("someone/Tiny-GGUF", {"Tiny-Q8_0.gguf": tiny_gguf()})
    with pytest.raises(SystemExit):
        main(["show", "hf:someone/Tiny-GGUF", "--home", str(tmp_path), "--json"])
    told = json.loads(capsys.readouterr().out)
    assert (told["kind"], told["types"][0]["name"]) == ("model", "F32")
    assert "Q8_0" in told["notes"][0]
