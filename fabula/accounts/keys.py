"""Keys: made, listed, removed, and recognised by their secret with no look into the database. Knows no HTTP.

A secret is shown once and kept as a digest. What keys a studio has lies in memory too: every request asks.
"""

from __future__ import annotations

import asyncio
import builtins  # in Keys, `list` lists keys
import re
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, delete, func, insert, select, update

from fabula.accounts import secret
from fabula.accounts.limits import Bucket, Rate
from fabula.core.errors import BadParameter, KeyExists, KeyExpired, KeyNotFound, RateLimited
from fabula.core.request import LOCAL_OWNER
from fabula.core.texts import phrase
from fabula.store.database import Database
from fabula.store.ids import new_id
from fabula.store.schema.accounts import keys, sessions

SCOPES = ("chat", "models", "admin")
"""chat: replies, embeddings, tokens, chats and what belongs to stories. models: load, unload, fetch, delete,
change them. admin: settings, keys, backups, engines, other servers."""
NAME = re.compile(r"[\w][\w .@-]{0,63}")
KEEP_S = 60.0  # between two writings of when keys were used
SESSION_S = 30 * 86_400.0  # a browser stays signed in
LINK_S = 600.0  # a login link waits for its first use
LONGEST_S = 100 * 365 * 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """Times are Unix seconds, 0 = never. `beginning` is what lists show of the secret."""

    id: str
    name: str
    beginning: str
    scopes: tuple[str, ...]
    requests: Rate | None = None
    tokens: Rate | None = None
    created_at: float = 0.0
    expires_at: float = 0.0
    used_at: float = 0.0
    owner_id: str = LOCAL_OWNER


class _Held:
    """A key in memory: what is left of its limits, and when it was used."""

    def __init__(self, key: Key, clock: Callable[[], float]) -> None:
        self.key, self._clock = key, clock
        self.used_at = key.used_at
        now = clock()
        self._requests = Bucket(key.requests, now) if key.requests else None
        self._tokens = Bucket(key.tokens, now) if key.tokens else None

    def enter(self) -> None:
        """One more request. Raises RateLimited, and then takes nothing."""
        now = self._clock()
        for bucket, rate in ((self._requests, self.key.requests), (self._tokens, self.key.tokens)):
            if bucket and (wait := bucket.wait(now)):
                raise RateLimited(self.key.name, str(rate), max(1, -int(-wait // 1)))
        if self._requests:
            self._requests.take(now)

    def spend(self, tokens: int) -> None:
        if self._tokens:
            self._tokens.take(self._clock(), tokens)


class Keys:
    """`open` before use, `close` at the end."""

    def __init__(
        self,
        database: Database,
        clock: Callable[[], float] = time.time,
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database, self._clock, self._steady = database, clock, steady
        self._held: dict[str, _Held] = {}  # by id
        self._ids: dict[str, str] = {}  # digest → id
        self._sessions: dict[str, tuple[str, float]] = {}  # digest → the key's id, when it ends
        self._links: dict[str, tuple[str, float]] = {}  # the same, of links; not kept over a restart
        self._kept_at = clock()
        self._keeping: asyncio.Task[None] | None = None

    async def open(self) -> None:
        rows, signed_in = await self._database.read(_all)
        self._held = {row.id: _Held(_as_key(row), self._steady) for row in rows}
        self._ids = {row.digest: row.id for row in rows}
        self._sessions = {row.digest: (row.key_id, row.expires_at) for row in signed_in}

    async def close(self) -> None:
        if self._keeping:
            await asyncio.gather(self._keeping, return_exceptions=True)
        await self._keep()

    # ── made, listed, removed ───────────────────────────────────────────────────────────────────────

    def list(self) -> builtins.list[Key]:
        return sorted((self._now(held) for held in self._held.values()), key=lambda key: key.name)

    async def add(
        self,
        name: str,
        scopes: Iterable[str] = ("chat",),
        *,
        requests: str = "",
        tokens: str = "",
        expires_in: float = 0.0,
    ) -> tuple[Key, str]:
        """The key and its secret, which nobody is told again. `requests` and `tokens` are like "60/min";
        `expires_in` is seconds, 0 = never. Raises BadParameter or KeyExists."""
        shown, now = secret.new(secret.MARK), self._clock()
        key = Key(
            id=new_id(),
            name=_name(name),
            beginning=shown[: secret.SHOWN],
            scopes=_scopes(scopes),
            requests=Rate.of(requests, "requests"),
            tokens=Rate.of(tokens, "tokens"),
            created_at=now,
            expires_at=now + _lasting(expires_in) if expires_in else 0.0,
        )
        digest = secret.digest(shown)
        await self._database.write(lambda c: _add(c, key, digest))
        self._held[key.id], self._ids[digest] = _Held(key, self._steady), key.id
        return key, shown

    async def remove(self, name: str) -> None:
        """With everybody who signed in with it. Raises KeyNotFound."""
        gone = self._named(name)
        await self._database.write(lambda c: c.execute(delete(keys).where(keys.c.id == gone)))
        self._held.pop(gone, None)
        self._ids = {digest: id for digest, id in self._ids.items() if id != gone}
        for waiting in (self._sessions, self._links):
            for digest in [digest for digest, (id, _) in waiting.items() if id == gone]:
                del waiting[digest]

    # ── recognised ──────────────────────────────────────────────────────────────────────────────────

    def known(self, shown: str) -> Key | None:
        """The key of a secret. Raises KeyExpired."""
        return self._valid(self._ids.get(secret.digest(shown), ""))

    def of_session(self, shown: str) -> Key | None:
        """The key that a browser signed in with. Raises KeyExpired."""
        return self._valid(self._of(self._sessions, secret.digest(shown)))

    def enter(self, key: Key) -> None:
        """One more request with a key. Raises RateLimited."""
        held = self._held.get(key.id)
        if held is None:
            return
        held.enter()
        now = held.used_at = self._clock()
        if now - self._kept_at >= KEEP_S:
            self._kept_at = now
            self._keeping = asyncio.get_running_loop().create_task(self._keep())

    def spend(self, key_id: str, tokens: int) -> None:
        """What a request with a key has cost; the key may be gone by then."""
        if held := self._held.get(key_id):
            held.spend(tokens)

    # ── browsers ────────────────────────────────────────────────────────────────────────────────────

    async def sign_in(self, key: Key) -> tuple[str, float]:
        """A new session's secret, and how many seconds it is good for."""
        shown, now = secret.new(), self._clock()
        ends = min(filter(None, (now + SESSION_S, key.expires_at)))
        digest = secret.digest(shown)
        row: dict[str, Any] = {"digest": digest, "key_id": key.id, "owner_id": key.owner_id}
        row |= {"created_at": now, "expires_at": ends}
        await self._database.write(lambda c: _sign_in(c, row, now))
        self._sessions[digest] = (key.id, ends)
        return shown, ends - now

    async def sign_out(self, shown: str) -> None:
        digest = secret.digest(shown)
        self._sessions.pop(digest, None)
        await self._database.write(lambda c: c.execute(delete(sessions).where(sessions.c.digest == digest)))

    def link(self, name: str) -> tuple[str, float]:
        """The secret of a link that signs in once, and how many seconds it waits. Raises KeyNotFound."""
        now = self._clock()
        self._links = {found: row for found, row in self._links.items() if row[1] > now}
        shown = secret.new()
        self._links[secret.digest(shown)] = (self._named(name), now + LINK_S)
        return shown, LINK_S

    def follow(self, shown: str) -> Key | None:
        """The key of a link, which is used up by that. Raises KeyExpired."""
        digest = secret.digest(shown)
        id = self._of(self._links, digest)
        self._links.pop(digest, None)
        return self._valid(id)

    # ── inside ──────────────────────────────────────────────────────────────────────────────────────

    def _of(self, rows: dict[str, tuple[str, float]], digest: str) -> str:
        id, ends = rows.get(digest, ("", 0.0))
        return id if ends > self._clock() else ""

    def _valid(self, id: str) -> Key | None:
        held = self._held.get(id)
        if held is None:
            return None
        if held.key.expires_at and held.key.expires_at <= self._clock():
            raise KeyExpired(held.key.name)
        return held.key

    def _named(self, name: str) -> str:
        for id, held in self._held.items():
            if held.key.name == name:
                return id
        raise KeyNotFound(name, ", ".join(key.name for key in self.list()) or "–")

    def _now(self, held: _Held) -> Key:
        fields = {name: getattr(held.key, name) for name in Key.__slots__}
        return Key(**fields | {"used_at": held.used_at})

    async def _keep(self) -> None:
        used = {held.key.id: held.used_at for held in self._held.values() if held.used_at}
        if used:
            await self._database.write(lambda c: _keep(c, used))


def count(connection: Connection) -> int:
    """How many keys there are."""
    return connection.scalar(select(func.count()).select_from(keys)) or 0


def _name(name: str) -> str:
    if not NAME.fullmatch(name.strip()):
        raise BadParameter("name", name[:80], phrase("expected.key_name"))
    return name.strip()


def _scopes(scopes: Iterable[str]) -> tuple[str, ...]:
    wanted = set(scopes)
    if not wanted or wanted - set(SCOPES):
        odd = ", ".join(sorted(wanted - set(SCOPES)))
        raise BadParameter("scopes", odd[:80], phrase("expected.one_of", names=", ".join(SCOPES)))
    return tuple(scope for scope in SCOPES if scope in wanted)


def _lasting(seconds: float) -> float:
    if not 1 <= seconds <= LONGEST_S:
        raise BadParameter("expires_in", f"{seconds:g}", phrase("expected.lifetime"))
    return seconds


def _all(connection: Connection) -> tuple[builtins.list[Row[Any]], builtins.list[Row[Any]]]:
    return list(connection.execute(select(keys))), list(connection.execute(select(sessions)))


def _add(connection: Connection, key: Key, digest: str) -> None:
    taken = select(keys.c.id).where(keys.c.owner_id == key.owner_id, keys.c.name == key.name)
    if connection.scalar(taken):
        raise KeyExists(key.name)
    row = {name: getattr(key, name) for name in Key.__slots__}
    row |= {name: str(row[name] or "") for name in ("requests", "tokens")}
    connection.execute(insert(keys).values(**row | {"scopes": list(key.scopes), "digest": digest}))


def _sign_in(connection: Connection, row: dict[str, Any], now: float) -> None:
    connection.execute(delete(sessions).where(sessions.c.expires_at <= now))
    connection.execute(insert(sessions).values(**row))


def _keep(connection: Connection, used: dict[str, float]) -> None:
    for key_id, used_at in used.items():
        connection.execute(update(keys).where(keys.c.id == key_id).values(used_at=used_at))


def _as_key(row: Row[Any]) -> Key:
    fields = {name: getattr(row, name) for name in Key.__slots__}
    fields |= {name: Rate.of(fields[name]) for name in ("requests", "tokens")}
    return Key(**fields | {"scopes": tuple(row.scopes)})
