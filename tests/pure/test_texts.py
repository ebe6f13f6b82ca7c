"""The sentences: three languages in step, every error and every key in the code with its sentence."""

from __future__ import annotations

import ast
import dataclasses
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import fabula
from fabula.core import errors, texts
from fabula.core.errors import FabulaError
from fabula.store.settings import SETTINGS

ROOT = Path(fabula.__file__).parent
PLACEHOLDER = re.compile(r"\{(\w+)(?::(\w+))?\}")
CHINESE = [language for language in texts.LANGUAGES if language != "en"]


def error_classes(parent: type[FabulaError] = FabulaError) -> Iterator[type[FabulaError]]:
    """All classes of core's tree that are raised: those at its ends."""
    for child in parent.__subclasses__():
        if child.__module__ == errors.__name__:
            yield from error_classes(child) if child.__subclasses__() else [child]


@pytest.mark.parametrize("language", CHINESE)
def test_every_language_has_the_same_sentences(language: str) -> None:
    assert set(texts.catalogue(language)) == set(texts.catalogue("en"))


@pytest.mark.parametrize("language", CHINESE)
def test_a_sentence_says_the_same_numbers_and_names_in_every_language(language: str) -> None:
    english, other = texts.catalogue("en"), texts.catalogue(language)
    different = [
        key
        for key in english.keys() & other.keys()
        if set(PLACEHOLDER.findall(english[key])) != set(PLACEHOLDER.findall(other[key]))
    ]
    assert different == []


@pytest.mark.parametrize("language", texts.LANGUAGES)
def test_no_sentence_is_empty_and_every_format_is_known(language: str) -> None:
    for key, sentence in texts.catalogue(language).items():
        styles = {style for _, style in PLACEHOLDER.findall(sentence) if style}
        assert sentence.strip(), key
        assert styles <= set(texts.FORMATS), key


@pytest.mark.parametrize("kind", list(error_classes()), ids=lambda kind: kind.__name__)
def test_every_error_has_a_sentence_made_of_its_fields(kind: type[FabulaError]) -> None:
    code = re.sub(r"(?<!^)(?=[A-Z])", "_", kind.__name__).lower()
    sentence = texts.catalogue("en").get(f"errors.{code}")
    assert sentence, f"errors.{code} is missing"
    assert texts.placeholders(sentence) <= {field.name for field in dataclasses.fields(kind)}


def test_every_setting_is_described() -> None:
    assert [setting.key for setting in SETTINGS if setting.key not in texts.catalogue("en")] == []


def test_every_key_in_the_code_has_a_sentence() -> None:
    catalogue = texts.catalogue("en")
    unknown = [f"{file.name}: {key}" for file, key in keys_in_code() if not exists(key, catalogue)]
    assert unknown == []


def keys_in_code() -> Iterator[tuple[Path, str]]:
    """The first arguments of `say(…)`; of an f-string what stands before its first value, and a star."""
    for file in ROOT.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and node.args and name_of(node.func) == "say":
                yield from ((file, key) for key in literals(node.args[0]))


def name_of(function: ast.expr) -> str:
    return getattr(function, "attr", getattr(function, "id", ""))


def literals(node: Any) -> list[str]:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return [node.value] if "." in node.value else []
    if isinstance(node, ast.IfExp):
        return literals(node.body) + literals(node.orelse)
    if isinstance(node, ast.JoinedStr) and isinstance(node.values[0], ast.Constant):
        return [f"{node.values[0].value}*"]
    return []


def exists(key: str, catalogue: dict[str, str]) -> bool:
    if key.endswith("*"):
        return any(known.startswith(key[:-1]) for known in catalogue)
    return key in catalogue


def test_the_code_uses_keys() -> None:
    """So that the test above cannot pass because it found nothing."""
    found = {key for _, key in keys_in_code()}
    assert "cli.serve.ready" in found
    assert "cli.columns.*" in found


@pytest.mark.parametrize(
    ("wanted", "language"),
    [
        ("zh_TW.UTF-8", "zh-Hant"),
        ("zh_HK", "zh-Hant"),
        ("zh-Hans-CN", "zh-Hans"),
        ("zh", "zh-Hans"),
        ("fr:zh_TW:en", "zh-Hant"),
        ("C.UTF-8", "en"),
        ("", "en"),
    ],
)
def test_a_locale_or_a_browser_chooses_the_language(wanted: str, language: str) -> None:
    assert texts.choose_language(wanted) == language


def test_sizes_and_times_are_for_people() -> None:
    assert texts.as_bytes(9_771_050_598) == "9.1 GiB"
    assert texts.as_bytes(512) == "512 B"
    assert [texts.as_duration(seconds) for seconds in (0.42, 75, 3700)] == ["0.4 s", "1:15", "1:01:40"]


def test_an_unknown_key_is_shown_and_hides_nothing() -> None:
    assert texts.say("errors.no_such_sentence") == "errors.no_such_sentence"


def test_who_reads_a_message_file_while_it_is_written_sees_all_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from importlib.util import module_from_spec, spec_from_file_location

    spec = spec_from_file_location("text_script", ROOT.parent / "scripts" / "text.py")
    assert spec is not None
    assert spec.loader is not None
    script = module_from_spec(spec)
    spec.loader.exec_module(script)
    monkeypatch.setattr(script, "FOLDER", tmp_path / "a" / "b" / "texts")
    script.FOLDER.mkdir(parents=True)
    script.set_text("room.door", ("Door", "門", "门"))
    with (script.FOLDER / "en.json").open(encoding="utf-8") as reader:
        script.set_text("room.window", ("Window", "窗", "窗"))
        assert json.loads(reader.read()) == {"room": {"door": "Door"}}
    files = sorted(file.name for file in script.FOLDER.iterdir())
    assert files == [f"{language}.json" for language in sorted(script.LANGUAGES)]
