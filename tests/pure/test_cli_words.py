"""The command line speaks the language of the person at it, and its help fits a terminal."""

from __future__ import annotations

import subprocess
import sys

import pytest

from fabula.cli import pages, words
from fabula.cli.main import main, take_debug
from fabula.cli.verbs import VERBS

HEAVY = ("rich", "httpx", "sqlalchemy", "fastapi", "uvicorn", "pydantic", "huggingface_hub", "fabula.store")


@pytest.fixture(autouse=True)
def no_locale(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FABULA_LANGUAGE", *words.LOCALES):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(words, "_preferred", "")  # what the home of another test has left


@pytest.mark.parametrize(
    ("environment", "language"),
    [
        ({}, "en"),
        ({"LANG": "zh_TW.UTF-8"}, "zh-Hant"),
        ({"LANG": "zh_TW.UTF-8", "LC_ALL": "en_GB.UTF-8"}, "en"),
        ({"LANG": "en_US.UTF-8", "LANGUAGE": "zh_CN:en"}, "zh-Hans"),
        ({"LANG": "zh_TW.UTF-8", "FABULA_LANGUAGE": "zh-Hans"}, "zh-Hans"),
    ],
)
def test_the_locale_chooses_the_language(
    environment: dict[str, str], language: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert words.language() == language


def test_the_setting_of_a_home_comes_before_the_locale(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LANG", "en_US.UTF-8")
    words.prefer("zh-Hant")
    assert words.language() == "zh-Hant"
    words.prefer("")
    assert words.language() == "en"


def test_chinese_lines_are_measured_in_columns_and_broken_between_characters() -> None:
    text = "列出這台電腦上的模型，最新的在前。"
    lines = pages.wrap(text, 12)
    assert "".join(lines) == text
    assert all(pages.columns(line) <= 12 for line in lines)
    assert not any(line.startswith(("，", "。")) for line in lines)


def test_english_lines_are_broken_at_spaces() -> None:
    assert pages.wrap("List the models that are loaded.", 15) == ["List the models", "that are", "loaded."]


@pytest.mark.parametrize("language", ["en", "zh-Hant", "zh-Hans"])
def test_the_help_page_lists_every_verb_within_80_columns(language: str) -> None:
    page = help_page(language)
    assert [verb for verb in VERBS if f"  {verb} " not in page] == []
    assert max(pages.columns(line) for line in page.splitlines()) <= 80


def help_page(language: str) -> str:
    wanted = {"FABULA_LANGUAGE": language, "COLUMNS": "80", "PYTHONIOENCODING": "utf-8"}
    command = [sys.executable, "-m", "fabula", "--help"]
    return subprocess.run(command, env=wanted, capture_output=True, check=True).stdout.decode()


def test_help_imports_nothing_heavy() -> None:
    program = f"""
import sys
from fabula.cli.main import main
try:
    main(["--help"])
except SystemExit:
    print([name for name in sys.modules if name.startswith({HEAVY!r})])
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["lisst"], "Did you mean list?"),
        (["juggle"], "There is no command juggle."),
        (["list", "--fast"], "There is no option --fast."),
        (["run"], "MODEL is missing."),
        (["run", "m", "hello", "--temperature", "hot"], "--temperature"),
        (["run", "m", "hello", "--temperature", "900"], "must be a number from 0 to 100"),
        (["run", "m", "hello", "--set", "colour=red"], "colour is red"),
        (["run", "m"], "There is nothing to answer"),
    ],
)
def test_wrong_usage_is_told_in_a_sentence_with_status_2(
    arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as left:
        main(arguments)
    told = capsys.readouterr().err
    assert left.value.code == 2
    assert sentence in told
    assert "Traceback" not in told


def test_debug_is_understood_anywhere_but_not_in_a_prompt() -> None:
    assert take_debug(["run", "m", "--debug"]) == (["run", "m"], True)
    assert take_debug(["run", "m", "--", "--debug"]) == (["run", "m", "--", "--debug"], False)
