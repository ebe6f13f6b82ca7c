"""All settings as one table, and their values: defaults < config.toml < environment < flags.

Knows nothing of what the settings do. Names are dotted (`engine.context`); in Python the dot is an underscore
(`settings.engine_context`), in the environment so is it, behind FABULA_ (`FABULA_ENGINE_CONTEXT`).

How one model is loaded stands in the file under `[models."NAME"]`, with the names of `core.load.LoadOptions`;
servers that run models stand under `[remotes."NAME"]`, and whoever reads those knows their names.
"""

from __future__ import annotations

import math
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, cast

from fabula.core import texts
from fabula.core.errors import BadParameter, SettingInvalid, SettingUnknown, StoreUnwritable
from fabula.core.load import KV_TYPES, LoadOptions, seconds_of
from fabula.store.files import write_atomic
from fabula.store.home import Home
from fabula.store.toml_lines import literal, render, replace, with_table

REMOTES = "remotes"
Value = str | int | float | bool
Origin = Literal["default", "file", "environment", "flag"]
Holds = Literal["now", "load", "start"]
"""When a change holds: at once, from a model's next load on, from the studio's next start on."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One row of the table. The type of `default` is the type of the setting; a time is kept in seconds and
    understood as `core.load.seconds_of` does."""

    name: str
    default: Value
    low: float = -math.inf
    high: float = math.inf
    choices: tuple[str, ...] = ()
    is_time: bool = False
    holds: Holds = "now"

    @property
    def attribute(self) -> str:
        return self.name.replace(".", "_")

    @property
    def environment(self) -> str:
        return f"FABULA_{self.attribute.upper()}"

    @property
    def key(self) -> str:
        """Of its description in the text catalogue."""
        return f"settings.{self.attribute}"

    def check(self, value: object) -> Value:
        """The value as it is kept. Raises SettingInvalid."""
        if self.is_time:
            return self._check_time(value)
        if isinstance(self.default, bool) and isinstance(value, bool):
            return value
        if (
            isinstance(self.default, str)
            and isinstance(value, str)
            and (value in self.choices or not self.choices)
        ):
            return value
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if is_number and not isinstance(self.default, bool | str):
            return self._check_number(cast(float, value))
        raise SettingInvalid(self.name, str(value), self.expected)

    def _check_time(self, value: Any) -> Value:
        try:
            return seconds_of(value)
        except BadParameter as wrong:
            raise SettingInvalid(self.name, str(value), self.expected) from wrong

    def _check_number(self, value: float) -> Value:
        if self.low <= value <= self.high:  # NaN is in no range
            if isinstance(self.default, float):
                return float(value)
            if value == int(value):
                return int(value)
        raise SettingInvalid(self.name, str(value), self.expected)

    def parse(self, text: str) -> Value:
        """The value from the environment, where everything is text."""
        if isinstance(self.default, bool):
            return self.check(_WORDS.get(text.strip().lower(), text))
        if isinstance(self.default, str) or self.is_time:
            return self.check(text)
        try:
            return self.check(float(text))
        except ValueError as error:
            raise SettingInvalid(self.name, text, self.expected) from error

    @property
    def expected(self) -> texts.Phrase:
        if self.choices:
            return texts.phrase("expected.one_of", names=", ".join(choice or '""' for choice in self.choices))
        if self.is_time:
            return texts.phrase("expected.keep_alive")
        if isinstance(self.default, bool):
            return texts.phrase("expected.bool")
        if isinstance(self.default, str):
            return texts.phrase("expected.text")
        kind = "range" if isinstance(self.default, float) else "whole_range"
        return texts.phrase(
            f"expected.{kind}", low=texts.as_number(self.low), high=texts.as_number(self.high)
        )


_WORDS = {
    "true": True,
    "1": True,
    "yes": True,
    "on": True,
    "false": False,
    "0": False,
    "no": False,
    "off": False,
}

SETTINGS = (
    Setting("host", "127.0.0.1", holds="start"),
    Setting("port", 7341, 0, 65_535, holds="start"),  # 0 = any free port
    Setting("open_browser", True, holds="start"),
    Setting("language", "", choices=("", *texts.LANGUAGES)),  # "" = the browser's or the system's
    Setting("server.names", ""),  # separated by commas, as the next but one
    Setting("server.key_on_loopback", False),
    Setting("server.cors_origins", ""),
    Setting("server.access_log", True),
    Setting("server.also", "", holds="start"),  # names of programs, separated by commas
    Setting("server.tls_cert", "", holds="start"),  # paths; "" = no TLS
    Setting("server.tls_key", "", holds="start"),
    Setting("engine.context", 0, 0, 100_000_000, holds="load"),  # tokens per slot; 0 = by the memory plan
    Setting("engine.slots", 0, 0, 256, holds="load"),  # 0 = by the memory plan
    Setting("engine.threads", 0, 0, 1024, holds="load"),  # 0 = cores − 1, at least 1
    Setting("engine.kv_type", "f16", choices=KV_TYPES, holds="load"),
    Setting("engine.gpu_layers", -1, -1, 10_000, holds="load"),  # −1 = by the memory plan
    Setting("engine.exact", "auto", choices=("auto", "never")),  # the exact engine, where only it honours all
    Setting("engine.build", "", holds="load"),  # of `fabula engine list`, or a llama-server; "" = ours
    Setting("engine.transformers_python", "", holds="load"),  # one that has torch; "" = ours
    Setting("engine.memory_limit", 0.0, 0, 1_000_000, holds="load"),  # GiB for all models; 0 = what is free
    Setting("engine.start_timeout", 120.0, 1, 86_400, holds="load"),  # seconds
    Setting("engine.keep_alive", 900.0, is_time=True),  # without use; −1 = for ever
    Setting("engine.queue_limit", 256, 0, 1_000_000),  # requests that wait
    Setting("engine.kv_budget", 4 << 30, 0, 1 << 50),  # bytes of kv/; 0 = nothing is saved
    Setting("engine.auto_tune", True),
    Setting("model.default", ""),
    Setting("download.limit", 0, 0, 1 << 50),  # bytes per second; 0 = as fast as it comes
    Setting("download.connections", 4, 1, 16),  # at a time to one server
)
BY_NAME = {setting.name: setting for setting in SETTINGS}


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The values in force. `origin(name)` tells where one comes from."""

    host: str
    port: int
    open_browser: bool
    language: str
    server_names: str
    server_key_on_loopback: bool
    server_cors_origins: str
    server_access_log: bool
    server_also: str
    server_tls_cert: str
    server_tls_key: str
    engine_context: int
    engine_slots: int
    engine_threads: int
    engine_kv_type: str
    engine_gpu_layers: int
    engine_exact: str
    engine_build: str
    engine_transformers_python: str
    engine_memory_limit: float
    engine_start_timeout: float
    engine_keep_alive: float
    engine_queue_limit: int
    engine_kv_budget: int
    engine_auto_tune: bool
    model_default: str
    download_limit: int
    download_connections: int
    origins: Mapping[str, Origin] = field(default_factory=dict, repr=False)
    models: Mapping[str, LoadOptions] = field(default_factory=dict)  # by the model's name

    def __getitem__(self, name: str) -> Any:
        """By dotted name. Raises SettingUnknown."""
        return getattr(self, find(name, "Fabula").attribute)

    def origin(self, name: str) -> Origin:
        return self.origins.get(name, "default")


def find(name: str, where: str) -> Setting:
    """The row of the table; `where` names the place that used it, for the error SettingUnknown."""
    if name not in BY_NAME:
        raise SettingUnknown(name, where)
    return BY_NAME[name]


def load(home: Home, flags: Mapping[str, object] | None = None) -> Settings:
    """The settings in force. Flags that are None were not given. Raises SettingUnknown or SettingInvalid."""
    layers: dict[Origin, dict[str, Value]] = {
        "file": _from_file(home),
        "environment": _from_environment(),
        "flag": _from_flags(flags or {}),
    }
    values: dict[str, Any] = {setting.attribute: setting.default for setting in SETTINGS}
    origins: dict[str, Origin] = {}
    for origin, layer in layers.items():
        for name, value in layer.items():
            values[BY_NAME[name].attribute] = value
            origins[name] = origin
    return Settings(**values, origins=origins, models=_models(_tree(_read(home), home), home))


def save(home: Home, changes: Mapping[str, object]) -> None:
    """Writes changes into config.toml and leaves its other lines alone. None returns one to its default.

    Nothing is written when one of them is unknown or wrong.
    """
    checked: dict[str, Value | None] = {}
    for name, value in changes.items():
        setting = find(name, "the request")
        checked[name] = None if value is None else setting.check(value)
    wanted = {name: value for name, value in (_from_file(home) | checked).items() if value is not None}
    before = _read(home)
    text = replace(before, checked)
    if not _reads_as(text, wanted, home):  # the file is in a form that lines cannot be replaced in
        text = render(wanted)
        for name, options in _models(_tree(before, home), home).items():
            text = with_table(text, _table(name), options.said())
        for name, values in remotes(home).items():
            text = with_table(text, f"{REMOTES}.{literal(name)}", values)
    write_atomic(home.config, text.encode())


def save_model(home: Home, name: str, options: LoadOptions) -> None:
    """How one model is loaded, from its next load on; its table in config.toml is written anew."""
    text = with_table(_read(home), _table(name), options.said())
    write_atomic(home.config, text.encode())


def remotes(home: Home) -> dict[str, dict[str, Any]]:
    """The tables of servers, by name, as they stand in the file."""
    rows = _tree(_read(home), home).get(REMOTES, {})
    if not isinstance(rows, dict) or not all(isinstance(row, dict) for row in rows.values()):
        raise SettingInvalid(REMOTES, f"{rows}"[:80], texts.phrase("expected.object"))
    return rows


def save_remote(home: Home, name: str, values: Mapping[str, Any]) -> None:
    """Writes the table of one server anew; none is left of it when there are no values."""
    text = with_table(_read(home), f"{REMOTES}.{literal(name)}", values)
    write_atomic(home.config, text.encode())


def _table(name: str) -> str:
    return f"models.{literal(name)}"


def _reads_as(text: str, wanted: dict[str, Value], home: Home) -> bool:
    try:
        return _parse(text, home) == wanted
    except (SettingInvalid, SettingUnknown):
        return False


def describe(settings: Settings, language: str = "en", began: Settings | None = None) -> list[dict[str, Any]]:
    """All settings for a page or a terminal. `began` is what held when the studio started."""
    return [
        {
            "name": setting.name,
            "value": settings[setting.name],
            "default": setting.default,
            "where": settings.origin(setting.name),
            "about": texts.say(setting.key, language),
            "choices": list(setting.choices),
            "is_time": setting.is_time,
            "expected": setting.expected.say(language),
            "environment": setting.environment,
            "holds": setting.holds,
            "waits": _waits(setting, settings, began),
        }
        for setting in SETTINGS
    ]


def _waits(setting: Setting, settings: Settings, began: Settings | None) -> bool:
    """Whether the studio still runs with another value than the one that is set."""
    return bool(began and setting.holds == "start" and began[setting.name] != settings[setting.name])


def _read(home: Home) -> str:
    try:
        return home.config.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        raise StoreUnwritable(str(home.config), str(error)) from error


def _from_file(home: Home) -> dict[str, Value]:
    return _parse(_read(home), home)


def _parse(text: str, home: Home) -> dict[str, Value]:
    where = str(home.config)
    tree = {name: value for name, value in _tree(text, home).items() if name not in ("models", REMOTES)}
    return {name: find(name, where).check(value) for name, value in _flatten(tree)}


def _tree(text: str, home: Home) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingInvalid(str(home.config), str(error), texts.phrase("expected.toml")) from error


def _models(tree: dict[str, Any], home: Home) -> dict[str, LoadOptions]:
    tables = tree.get("models", {})
    if not isinstance(tables, dict):
        raise SettingInvalid("models", f"{tables}", texts.phrase("expected.object"))
    return {name: _options(name, values, home) for name, values in tables.items()}


def _options(model: str, values: Any, home: Home) -> LoadOptions:
    if not isinstance(values, dict):
        raise SettingUnknown(_table(model), str(home.config))
    try:
        return LoadOptions.of(values)
    except BadParameter as wrong:
        name = f"{_table(model)}.{wrong.name}"
        if wrong.name not in LoadOptions.__slots__:
            raise SettingUnknown(name, str(home.config)) from wrong
        raise SettingInvalid(name, wrong.value, wrong.expected) from wrong


def _flatten(tree: dict[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    rows: list[tuple[str, Any]] = []
    for name, value in tree.items():
        nested = isinstance(value, dict)
        rows += _flatten(value, f"{prefix}{name}.") if nested else [(f"{prefix}{name}", value)]
    return rows


def _from_environment() -> dict[str, Value]:
    given = {setting: os.environ.get(setting.environment) for setting in SETTINGS}
    return {setting.name: setting.parse(text) for setting, text in given.items() if text is not None}


def _from_flags(flags: Mapping[str, object]) -> dict[str, Value]:
    given = {name: value for name, value in flags.items() if value is not None}
    return {name: find(name, "the command line").check(value) for name, value in given.items()}
