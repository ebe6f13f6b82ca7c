"""A draft may guess for a model whose tokens it shares; small differences of padding do not matter."""

from __future__ import annotations

from pathlib import Path

import pytest
from models_stand_ins import tiny_gguf

from fabula.core.model import LocalModel
from fabula.models.drafts import PADDING, obstacle

TOKENS = ["<s>", "</s>", *(f"t{number}" for number in range(2000))]


def model(folder: Path, name: str, **changes: object) -> LocalModel:
    path = folder / f"{name}.gguf"
    path.write_bytes(tiny_gguf(**{"tokenizer__ggml__tokens": TOKENS, **changes}))
    return LocalModel(name=name, path=path, size=path.stat().st_size, tokenizer=name)


def said(folder: Path, **changes: object) -> str:
    why = obstacle(model(folder, "large"), model(folder, "small", **changes))
    return why.key if why else ""


def test_the_same_vocabulary_fits(tmp_path: Path) -> None:
    assert said(tmp_path) == ""


def test_a_vocabulary_that_is_padded_at_its_end_fits(tmp_path: Path) -> None:
    padded = [*TOKENS, *(f"<unused{number}>" for number in range(PADDING))]
    assert said(tmp_path, tokenizer__ggml__tokens=padded) == ""


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"tokenizer__ggml__tokens": [*TOKENS[:-1], "other"]}, "models.draft.other_tokens"),
        ({"tokenizer__ggml__tokens": TOKENS[:1000]}, "models.draft.vocabulary"),
        ({"tokenizer__ggml__model": "llama"}, "models.draft.vocabulary"),
        ({"tokenizer__ggml__tokens": ["a", "b"]}, "models.draft.vocabulary"),
    ],
)
def test_other_tokens_do_not(tmp_path: Path, changes: dict[str, object], key: str) -> None:
    assert said(tmp_path, **changes) == key


def test_equal_hashes_need_no_look_at_the_files(tmp_path: Path) -> None:
    one = LocalModel(name="one", path=tmp_path / "none", size=1, tokenizer="hash")
    assert obstacle(one, one) is None


def test_what_writes_no_text_cannot_guess(tmp_path: Path) -> None:
    embeds = LocalModel(name="embeds", path=tmp_path, size=1, pooling="mean", tokenizer="hash")
    why = obstacle(embeds, embeds)
    assert why
    assert why.key == "models.draft.writes_nothing"


def test_a_file_that_is_no_gguf_is_told(tmp_path: Path) -> None:
    (tmp_path / "broken.gguf").write_bytes(b"nothing")
    broken = LocalModel(name="broken", path=tmp_path / "broken.gguf", size=7)
    why = obstacle(model(tmp_path, "large"), broken)
    assert why
    assert why.key == "models.draft.unreadable"
