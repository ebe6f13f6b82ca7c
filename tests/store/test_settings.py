"""Settings: defaults, the file, the environment, flags; and writing the file without losing its comments."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from fabula.core import texts
from fabula.core.errors import FabulaError, SettingInvalid, SettingUnknown
from fabula.store.home import Home
from fabula.store.settings import SETTINGS, Settings, describe, load, save

FILE = """# my own words
port = 8000  # not the usual one

[engine]
# as large as it goes
context = 4096
kv_type = 'q8_0'
"""


def test_the_table_and_the_dataclass_name_the_same_settings() -> None:
    about = ("origins", "models")
    fields = {field.name: field.type for field in dataclasses.fields(Settings) if field.name not in about}
    assert fields == {setting.attribute: type(setting.default).__name__ for setting in SETTINGS}


def test_each_setting_is_described_in_all_languages() -> None:
    for language in texts.LANGUAGES:
        assert all(setting.key in texts.catalogue(language) for setting in SETTINGS)


def test_each_default_is_allowed() -> None:
    assert all(setting.check(setting.default) == setting.default for setting in SETTINGS)


def test_flags_go_before_the_environment_before_the_file_before_defaults(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.config.write_text("port = 1\nengine.context = 2\nengine.slots = 3\n")
    monkeypatch.setenv("FABULA_PORT", "10")
    monkeypatch.setenv("FABULA_ENGINE_CONTEXT", "20")
    settings = load(home, {"port": 100, "host": None})
    assert (settings.port, settings.engine_context, settings.engine_slots) == (100, 20, 3)
    assert settings.host == "127.0.0.1"
    origins = [settings.origin(name) for name in ("port", "engine.context", "engine.slots", "host")]
    assert origins == ["flag", "environment", "file", "default"]
    assert settings["engine.context"] == settings.engine_context


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("'5m'", 300), ("'1h30m'", 5400), ("90", 90), ("'90'", 90), ("0", 0), ("-1", -1), ("'-5m'", -1)],
)
def test_how_long_a_model_stays_is_said_as_in_a_request(
    home: Home, monkeypatch: pytest.MonkeyPatch, text: str, seconds: float
) -> None:
    home.config.write_text(f"engine.keep_alive = {text}  # my own words\n")
    assert load(home).engine_keep_alive == seconds
    save(home, {"port": 8000})
    assert f"engine.keep_alive = {text}  # my own words" in home.config.read_text()
    monkeypatch.setenv("FABULA_ENGINE_KEEP_ALIVE", text.strip("'"))
    assert load(home).engine_keep_alive == seconds
    save(home, {"engine.keep_alive": text.strip("'")})
    monkeypatch.delenv("FABULA_ENGINE_KEEP_ALIVE")
    assert load(home).engine_keep_alive == seconds


@pytest.mark.parametrize(("text", "value"), [("true", True), ("0", False), ("YES", True), ("off", False)])
def test_words_of_the_environment_are_read(
    home: Home, monkeypatch: pytest.MonkeyPatch, text: str, value: bool
) -> None:
    monkeypatch.setenv("FABULA_OPEN_BROWSER", text)
    assert load(home).open_browser is value


def test_an_unknown_setting_is_refused_and_the_file_is_named(home: Home) -> None:
    home.config.write_text("[engine]\ncontxt = 1\n")
    with pytest.raises(SettingUnknown) as told:
        load(home)
    assert (told.value.name, told.value.where) == ("engine.contxt", str(home.config))


@pytest.mark.parametrize(
    "line",
    [
        'port = "7341"',
        "port = 70000",
        "port = 1.5",
        "port = nan",
        "port = true",
        "open_browser = 1",
        "host = 5",
        'language = "fr"',
        "engine.keep_alive = 'soon'",
        "engine.start_timeout = inf",
        "port = [1]",
        "port = ",
    ],
)
def test_a_wrong_value_is_refused(home: Home, line: str) -> None:
    home.config.write_text(line)
    with pytest.raises(SettingInvalid):
        load(home)


@pytest.mark.parametrize("text", ["", "many", "nan", "inf", "1e99"])
def test_a_wrong_number_in_the_environment_is_refused(
    home: Home, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setenv("FABULA_PORT", text)
    with pytest.raises(SettingInvalid):
        load(home)


def test_saving_keeps_comments_and_other_lines(home: Home) -> None:
    home.config.write_text(FILE)
    save(home, {"port": 9000, "engine.slots": 2, "engine.kv_type": None, "model.default": 'a "b"'})
    assert home.config.read_text() == (
        "# my own words\nport = 9000  # not the usual one\n\n[engine]\n# as large as it goes\n"
        'context = 4096\nslots = 2\n\n[model]\ndefault = "a \\"b\\""\n'
    )
    settings = load(home)
    assert (settings.port, settings.engine_slots, settings.model_default) == (9000, 2, 'a "b"')


@pytest.mark.parametrize(
    "text",
    ["", "engine.context = 5\n", "engine = {context = 5}\n", '["engine"]\ncontext = 5\n', "[engine]\n"],
)
def test_saving_works_on_every_form_of_the_file(home: Home, text: str) -> None:
    home.config.write_text(text)
    save(home, {"engine.context": 6, "host": "0.0.0.0", "engine.keep_alive": -1})
    settings = load(home)
    assert (settings.engine_context, settings.host, settings.engine_keep_alive) == (6, "0.0.0.0", -1.0)


def test_saving_keeps_comments_beside_dotted_names(home: Home) -> None:
    home.config.write_text("# mine\nengine.context = 5 # much\n\n[model]\ndefault = 'x'\n")
    save(home, {"engine.slots": 2})
    assert home.config.read_text() == (
        "# mine\nengine.context = 5 # much\nengine.slots = 2\n\n[model]\ndefault = 'x'\n"
    )


def test_nothing_is_saved_when_one_change_is_wrong(home: Home) -> None:
    home.config.write_text(FILE)
    for changes in ({"port": 1, "host": 2}, {"port": 1, "nonsense": 2}):
        with pytest.raises(FabulaError):
            save(home, changes)
    assert home.config.read_text() == FILE


def test_the_description_says_what_holds_and_why(home: Home) -> None:
    rows = {row["name"]: row for row in describe(load(home, {"port": 1}), "zh-Hant")}
    assert len(rows) == len(SETTINGS)
    row = rows["port"]
    assert (row["value"], row["default"], row["where"]) == (1, 7341, "flag")
    assert "連接埠" in row["about"]


def test_the_home_is_where_it_was_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FABULA_HOME", str(tmp_path / "environment"))
    assert Home.locate(tmp_path / "argument").path == tmp_path / "argument"
    assert Home.locate().path == tmp_path / "environment"
    monkeypatch.delenv("FABULA_HOME")
    assert Home.locate().path.name == "fabula"
