"""The servers that a person has added, and the models that they have told. Knows no API of ours.

What is set stands in config.toml, a key in secrets.toml, and what a server said when it was asked last in
remotes.json: no server is asked for anything before a person wants something of it.
"""

from __future__ import annotations

import dataclasses
import fnmatch
import json
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fabula.core.errors import BadParameter, RemoteExists, RemoteNotFound
from fabula.core.load import LoadOptions
from fabula.core.model import Elsewhere, LocalModel, Reach
from fabula.core.plan import Note, Plan
from fabula.core.sampling import Sampling
from fabula.core.texts import phrase
from fabula.engine.choice import Choice
from fabula.engine.reload import EXACT, SPEED
from fabula.engine.remote import kinds
from fabula.engine.remote.address import Address, address, reach
from fabula.engine.remote.dialects.dialect import Dialect, Offered
from fabula.engine.remote.dialects.flavours import BY_KIND
from fabula.engine.remote.server import Patience, Refused, Server, refused
from fabula.engine.remote.worker import RemoteWorker
from fabula.store import secrets, settings
from fabula.store.files import write_atomic
from fabula.store.home import Home

TABLE = "remotes"
FORMAT = "remote"
VERSION = 1
AT_A_TIME = 4  # requests, where nothing else is set
MOST_AT_A_TIME = 64
NOBODY = "–"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,39}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Remote:
    """One server as it is set. `models` are patterns of the names that are shown; () = all."""

    name: str
    url: str
    kind: str
    models: tuple[str, ...] = ()
    at_a_time: int = AT_A_TIME

    @property
    def place(self) -> Address:
        return address(self.url)

    def values(self) -> dict[str, Any]:
        """For config.toml."""
        said: dict[str, Any] = {"url": self.url, "kind": self.kind}
        said |= {"models": list(self.models)} if self.models else {}
        return said | ({"at_a_time": self.at_a_time} if self.at_a_time != AT_A_TIME else {})


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """What a server said when it was asked last; `at` in Unix seconds, 0 = never."""

    reach: Reach = "internet"
    offers: tuple[Offered, ...] = ()
    at: float = 0.0


class Remotes:
    """All of one home. `on_change` is called when models come or go."""

    def __init__(
        self, home: Home, *, patience: Patience | None = None, on_change: Callable[[], None] = lambda: None
    ) -> None:
        self._home, self._patience, self._on_change = home, patience, on_change
        self._answers: dict[str, Answered] | None = None

    # ── what a person does ──────────────────────────────────────────────────────────────────────────

    async def add(
        self,
        name: str,
        url: str,
        *,
        kind: str = "",
        key: str = "",
        models: Sequence[str] = (),
        at_a_time: int = 0,
    ) -> Remote:
        """Asks the server first: what cannot be reached is not added. Raises RemoteExists, RemoteUnknown,
        BadParameter, or why it cannot be asked."""
        if not _NAME.fullmatch(name):
            raise BadParameter("name", name[:80], phrase("expected.remote_name"))
        if name in self._set():
            raise RemoteExists(name)
        if not 0 <= at_a_time <= MOST_AT_A_TIME:
            raise BadParameter(
                "at_a_time", f"{at_a_time}", phrase("expected.whole_range", low=1, high=MOST_AT_A_TIME)
            )
        _check_key(key)
        place = address(url)
        far = await reach(place)
        kind = kinds.check(kind) if kind else await self._recognized(name, place, key, far)
        base = place.base if kind not in BY_KIND else place.api
        remote = Remote(
            name=name, url=base, kind=kind, models=tuple(models), at_a_time=at_a_time or AT_A_TIME
        )
        answer = await self._asked(remote, key, far)
        if key:
            secrets.keep(self._home, TABLE, name, {"key": key})
        settings.save_remote(self._home, name, remote.values())
        self._remember(name, answer)
        return remote

    async def check(self, name: str) -> Remote:
        """Asks it again for its models. Raises RemoteNotFound, or why it cannot be asked."""
        remote = self.get(name)
        self._remember(name, await self._asked(remote, self.key(name), await reach(remote.place)))
        return remote

    def set_key(self, name: str, key: str) -> None:
        """ "" = none. Raises RemoteNotFound."""
        self.get(name)
        _check_key(key)
        secrets.keep(self._home, TABLE, name, {"key": key} if key else {})

    def remove(self, name: str) -> None:
        """With its key. Raises RemoteNotFound."""
        self.get(name)
        settings.save_remote(self._home, name, {})
        secrets.keep(self._home, TABLE, name, {})
        self._remember(name, None)

    # ── what there is ───────────────────────────────────────────────────────────────────────────────

    def servers(self) -> list[Remote]:
        return list(self._set().values())

    def get(self, name: str) -> Remote:
        """Raises RemoteNotFound."""
        known = self._set()
        if name not in known:
            raise RemoteNotFound(name, ", ".join(known) or NOBODY)
        return known[name]

    def answer(self, name: str) -> Answered:
        return self._heard().get(name, Answered())

    def has_key(self, name: str) -> bool:
        return bool(self.key(name))

    def key(self, name: str) -> str:
        return f"{secrets.secrets(self._home, TABLE).get(name, {}).get('key', '')}"

    def models(self) -> list[LocalModel]:
        """All that are shown, by server."""
        found: list[LocalModel] = []
        for remote in self._set().values():
            answer = self.answer(remote.name)
            shown = (offered for offered in answer.offers if _is_shown(remote, offered))
            found += [described(remote, answer.reach, offered) for offered in shown]
        return found

    def find(self, name: str) -> LocalModel | None:
        """Only by its whole name, whatever its case: no text goes to a server by a slip."""
        if "/" not in name:
            return None
        models = self.models()
        exact = [model for model in models if model.name == name]
        return next(iter(exact or [model for model in models if model.name.lower() == name.lower()]), None)

    def worker(self, model: LocalModel) -> RemoteWorker:
        return RemoteWorker(self._connected, self._described)

    async def ignored(self, model: LocalModel, asked: Mapping[str, Sampling]) -> frozenset[str]:
        """Of parameters, each with a sampling that sets it, those that the model's server does not know."""
        dialect = self._connected(model)
        try:
            return frozenset(name for name, each in asked.items() if name in dialect.ignored(model, each))
        finally:
            await dialect.server.close()

    # ── servers ─────────────────────────────────────────────────────────────────────────────────────

    def _connected(self, model: LocalModel) -> Dialect:
        assert model.elsewhere, "only models of servers are given"
        remote = self.get(model.elsewhere.server)
        return self._dialect(remote, self.key(remote.name), model.elsewhere.reach)

    def _dialect(self, remote: Remote, key: str, far: Reach) -> Dialect:
        carried = kinds.headers(remote.kind, key)
        server = Server(remote.name, remote.place, carried, reach=far, patience=self._patience)
        return kinds.dialect(remote.kind, server)

    async def _recognized(self, name: str, place: Address, key: str, far: Reach) -> str:
        server = Server(name, place, kinds.headers("compatible", key), reach=far, patience=self._patience)
        try:
            return await kinds.recognized(server)
        finally:
            await server.close()

    async def _asked(self, remote: Remote, key: str, far: Reach) -> Answered:
        dialect = self._dialect(remote, key, far)
        try:
            offers = await dialect.offers()
        except Refused as failure:
            raise refused(remote.name, NOBODY, remote.name, failure) from None
        finally:
            await dialect.server.close()
        return Answered(reach=far, offers=tuple(offers), at=time.time())

    def _described(self, model: LocalModel, offered: Offered) -> LocalModel:
        """The model as its server tells it now; remembered where that is something new."""
        assert model.elsewhere, "only models of servers are given"
        name = model.elsewhere.server
        answer = self.answer(name)
        offers = tuple(offered if known.id == offered.id else known for known in answer.offers)
        if offers != answer.offers:
            self._remember(name, dataclasses.replace(answer, offers=offers))
        return described(self.get(name), model.elsewhere.reach, offered)

    # ── files ───────────────────────────────────────────────────────────────────────────────────────

    def _set(self) -> dict[str, Remote]:
        return {name: _remote(name, row) for name, row in settings.remotes(self._home).items()}

    def _heard(self) -> dict[str, Answered]:
        if self._answers is None:
            self._answers = _read(self._home)
        return self._answers

    def _remember(self, name: str, answer: Answered | None) -> None:
        kept = {known: heard for known, heard in self._heard().items() if known != name}
        self._answers = kept if answer is None else {**kept, name: answer}
        rows = {known: dataclasses.asdict(heard) for known, heard in self._answers.items()}
        text = json.dumps({"version": VERSION, "servers": rows}, ensure_ascii=False)
        write_atomic(self._home.remotes, text.encode())
        self._on_change()


def described(remote: Remote, far: Reach, offered: Offered) -> LocalModel:
    """A model of a server as the rest of the house sees models."""
    return LocalModel(
        name=f"{remote.name}/{offered.id}",
        path=Path(),
        size=offered.size,
        format=FORMAT,
        title=offered.title,
        architecture=offered.architecture,
        parameters=offered.weights,
        quantization=offered.quantization,
        trained_context=offered.context,
        vocabulary=offered.vocabulary,
        chat_template=offered.chat_template,
        bos_token=offered.bos_token,
        eos_token=offered.eos_token,
        adds_bos=offered.adds_bos,
        tokenizer=offered.tokenizer,
        elsewhere=Elsewhere(
            server=remote.name,
            kind=remote.kind,
            host=remote.place.host,
            reach=far,
            model=offered.id,
            abilities=offered.abilities,
            parameters=offered.parameters,
            reply_limit=offered.reply_limit,
        ),
    )


def choice(model: LocalModel) -> Choice:
    assert model.elsewhere, "only models of servers are given"
    kind = kinds.LABELS[model.elsewhere.kind]
    return Choice(FORMAT, phrase("models.engine.remote", server=model.elsewhere.server, kind=kind))


def plan(model: LocalModel, options: LoadOptions, at_a_time: int = AT_A_TIME) -> Plan:
    """It takes no memory here."""
    assert model.elsewhere, "only models of servers are given"
    note = Note(f"models.elsewhere.{model.elsewhere.reach}", {"host": model.elsewhere.host})
    return Plan(
        model=model.name,
        tier="engine",
        verdict="fits",
        devices=(),
        context=options.context or model.trained_context,
        slots=options.slots or at_a_time,
        gpu_layers=0,
        threads=0,
        reasons=(note,),
        options=options,
        idle=(*EXACT, *SPEED),
    )


def _is_shown(remote: Remote, offered: Offered) -> bool:
    return not remote.models or any(fnmatch.fnmatchcase(offered.id, pattern) for pattern in remote.models)


def _remote(name: str, row: Mapping[str, Any]) -> Remote:
    """From a table that a person may have written. Raises BadParameter."""
    patterns, at_a_time = row.get("models", []), row.get("at_a_time", AT_A_TIME)
    if not isinstance(patterns, list) or not all(isinstance(item, str) for item in patterns):
        raise BadParameter(f"{TABLE}.{name}.models", f"{patterns}"[:80], phrase("expected.texts"))
    if not isinstance(at_a_time, int) or not 1 <= at_a_time <= MOST_AT_A_TIME:
        expected = phrase("expected.whole_range", low=1, high=MOST_AT_A_TIME)
        raise BadParameter(f"{TABLE}.{name}.at_a_time", f"{at_a_time}"[:80], expected)
    url = f"{row.get('url', '')}"
    address(url)
    kind = kinds.check(f"{row.get('kind', 'compatible')}")
    return Remote(name=name, url=url, kind=kind, models=tuple(patterns), at_a_time=at_a_time)


def _read(home: Home) -> dict[str, Answered]:
    """A missing or damaged file only means that the servers have to be asked again."""
    try:
        content = json.loads(home.remotes.read_text(encoding="utf-8"))
        rows = content["servers"] if content["version"] == VERSION else {}
        return {name: _answered(row) for name, row in rows.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def _answered(row: Mapping[str, Any]) -> Answered:
    offers = tuple(
        Offered(**{**offered, **{name: tuple(offered[name]) for name in ("abilities", "parameters")}})
        for offered in row["offers"]
    )
    return Answered(reach=row["reach"], offers=offers, at=float(row["at"]))


def _check_key(key: str) -> None:
    """It has to fit into a header. Raises BadParameter, which does not tell it."""
    if not (key.isascii() and key.isprintable()):
        raise BadParameter("key", "…", phrase("expected.text"))
