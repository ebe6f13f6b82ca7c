"""Models that are another one with settings of their own: parameters, a system prompt, messages, adapters.

One small JSON file each; nothing of the weights is copied. Knows no dialect and no catalogue.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

from fabula.core.errors import BadParameter
from fabula.core.load import LoadOptions
from fabula.core.messages import ROLES, Message
from fabula.core.sampling import Sampling
from fabula.store.files import write_atomic, writing

VERSION = 1
LATEST = ":latest"


@dataclass(frozen=True, slots=True, kw_only=True)
class Derived:
    """`base` is the name of a model that is none of these. `sampling` and `load` hold checked values.

    `messages` stand before every conversation, after the `system` prompt, which one of the request's own
    replaces. `template` is Jinja, "" = the base's. `told` is what the maker's dialect shows again: it means
    nothing here.
    """

    name: str
    base: str
    sampling: Mapping[str, Any] = field(default_factory=dict)
    load: LoadOptions = field(default_factory=LoadOptions)
    system: str = ""
    messages: tuple[Message, ...] = ()
    template: str = ""
    told: Mapping[str, Any] = field(default_factory=dict)
    made_at: float = field(default_factory=time.time)  # Unix seconds

    @property
    def is_alone(self) -> bool:
        """Whether it needs an engine of its own: adapters would change the base for everybody."""
        return bool(self.load.adapters)

    def wishes(self) -> LoadOptions:
        """What each request asks of the engine that it shares with its base, or of its own."""
        return dataclasses.replace(self.load, adapters=None, chat_template=self.template or None)

    def as_row(self) -> dict[str, Any]:
        said = {"system": self.system, "template": self.template, "sampling": dict(self.sampling)}
        talk = [{"role": message.role, "text": message.text} for message in self.messages]
        more = {"load": self.load.said(), "messages": talk, "told": dict(self.told)}
        return {
            "version": VERSION,
            "name": self.name,
            "base": self.base,
            "made_at": self.made_at,
            **said,
            **more,
        }

    def digest(self, of_base: str) -> str:
        """SHA-256 of what it is; a mere other name has that of its base."""
        row = self.as_row()
        own = {name: row[name] for name in ("system", "template", "sampling", "load", "messages")}
        if not any(own.values()):
            return of_base
        return hashlib.sha256(json.dumps([of_base, own], sort_keys=True).encode()).hexdigest()

    @classmethod
    def of_row(cls, row: Mapping[str, Any]) -> Self:
        """Raises ValueError, KeyError, TypeError or BadParameter for what is none."""
        talk = tuple(Message(role=each["role"], text=str(each["text"])) for each in row["messages"])
        if row["version"] != VERSION or any(message.role not in ROLES for message in talk):
            raise ValueError("another version")
        checked = Sampling.of(dict(row["sampling"]))
        return cls(
            name=str(row["name"]),
            base=str(row["base"]),
            sampling={name: getattr(checked, name) for name in row["sampling"]},
            load=LoadOptions.of(row["load"]),
            system=str(row["system"]),
            messages=talk,
            template=str(row["template"]),
            told=row["told"],
            made_at=float(row["made_at"]),
        )


class DerivedModels:
    """Those of one home. Safe to use from several threads."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._where = str(folder)
        self._known: dict[str, tuple[tuple[int, int], Derived | None]] = {}
        self._seen: tuple[int, list[str]] = (-1, [])

    def all(self) -> list[Derived]:
        """By name. A file that is none, or damaged, is passed over."""
        with self._lock:
            found = [told for path in self._files() if (told := self._look(path))]
        return sorted(found, key=lambda told: told.name.lower())

    def find(self, name: str) -> Derived | None:
        """Exactly, or in other case; `:latest` may be there or not."""
        wanted = plain(name)
        known = self.all()
        for same in (str, str.lower):
            for told in known:
                if same(told.name) == same(wanted):
                    return told
        return None

    def of(self, base: str) -> list[str]:
        """Names of those that use the weights of a model."""
        return [told.name for told in self.all() if told.base == base]

    def save(self, told: Derived) -> None:
        """In place of one of that name. Raises StoreUnwritable."""
        with writing(self._folder):
            self._folder.mkdir(parents=True, exist_ok=True)
        text = json.dumps(told.as_row(), ensure_ascii=False, indent=1)
        before = self.find(told.name)
        write_atomic(self._folder / _file(before.name if before else told.name), text.encode())
        self._seen = (-1, [])

    def remove(self, name: str) -> None:
        if told := self.find(name):
            with writing(self._folder):
                (self._folder / _file(told.name)).unlink(missing_ok=True)

    def _files(self) -> list[str]:
        """Every request asks: the folder is read again only when it has changed."""
        try:
            changed = os.stat(self._where).st_mtime_ns  # `Path` takes three times as long
        except OSError:
            return []
        if changed != self._seen[0]:
            files = [f"{path}" for path in self._folder.glob("*.json") if not path.name.startswith(".")]
            self._seen = (changed, files)
        return self._seen[1]

    def _look(self, path: str) -> Derived | None:
        """Files are read once per state."""
        try:
            facts = os.stat(path)
        except OSError:
            return None
        stamp = (facts.st_size, facts.st_mtime_ns)
        known = self._known.get(path)
        if known is None or known[0] != stamp:
            known = self._known[path] = (stamp, _read(Path(path)))
        return known[1]


def plain(name: str) -> str:
    return name.strip().removesuffix(LATEST)


def _file(name: str) -> str:
    return f"{quote(name.lower(), safe='')}.json"


def _read(path: Path) -> Derived | None:
    try:
        return Derived.of_row(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, BadParameter):
        return None
