"""Keys: shown once, kept as digests, recognised without the database, gone when they are removed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from sqlalchemy import text

from fabula.accounts.keys import KEEP_S, LINK_S, SESSION_S, Keys, count
from fabula.core.errors import BadParameter, KeyExists, KeyExpired, KeyNotFound, RateLimited
from fabula.store.database import Database
from fabula.store.home import Home


class Clock:
    now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest_asyncio.fixture
async def keys(database: Database, clock: Clock) -> AsyncIterator[Keys]:
    keys = Keys(database, clock, clock)
    await keys.open()
    yield keys
    await keys.close()


async def test_a_key_is_shown_once_and_only_its_digest_is_kept(keys: Keys, home: Home) -> None:
    key, shown = await keys.add("phone")
    assert keys.known(shown) == key
    assert shown.startswith(key.beginning)
    assert len(shown) > 40
    files = [path.read_bytes() for path in Path(home.path).rglob("*") if path.is_file()]
    assert not any(shown[len(key.beginning) :].encode() in content for content in files)


async def test_another_text_is_no_key(keys: Keys) -> None:
    _, shown = await keys.add("phone")
    for other in ("", shown[:-1], shown + "x", shown.swapcase(), "\ud800", "fab_" + "A" * 43):
        assert keys.known(other) is None


async def test_keys_are_known_after_a_restart(keys: Keys, database: Database, clock: Clock) -> None:
    key, shown = await keys.add("phone", ["admin", "chat"], requests="60/min", tokens="9/s", expires_in=90)
    again = Keys(database, clock, clock)
    await again.open()
    assert again.known(shown) == key
    assert key.scopes == ("chat", "admin")
    assert (f"{key.requests}", f"{key.tokens}", key.expires_at) == ("60/min", "9/s", clock.now + 90)


async def test_a_removed_key_opens_nothing_and_ends_its_sessions(keys: Keys, database: Database) -> None:
    key, shown = await keys.add("phone")
    session, _ = await keys.sign_in(key)
    await keys.remove("phone")
    assert (keys.known(shown), keys.of_session(session), keys.list()) == (None, None, [])
    assert database.read_sync(count) == 0
    assert database.read_sync(lambda c: c.scalar(text("SELECT count(*) FROM key_sessions"))) == 0


async def test_a_key_ends_when_its_time_has_come(keys: Keys, clock: Clock) -> None:
    key, shown = await keys.add("guest", expires_in=60)
    session, seconds = await keys.sign_in(key)
    assert seconds == 60
    clock.now += 60
    with pytest.raises(KeyExpired):
        keys.known(shown)
    assert keys.of_session(session) is None


async def test_names_are_taken_once(keys: Keys) -> None:
    await keys.add("phone")
    with pytest.raises(KeyExists):
        await keys.add("phone")
    with pytest.raises(KeyNotFound) as told:
        await keys.remove("laptop")
    assert told.value.known == "phone"


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": ""},
        {"name": "a/b"},
        {"name": "x" * 65},
        {"name": "a", "scopes": []},
        {"name": "a", "scopes": ["root"]},
        {"name": "a", "requests": "many"},
        {"name": "a", "expires_in": -5},
        {"name": "a", "expires_in": 1e12},
    ],
)
async def test_what_makes_no_key_is_refused(keys: Keys, wrong: dict[str, object]) -> None:
    with pytest.raises(BadParameter):
        await keys.add(**wrong)  # type: ignore[arg-type]
    assert keys.list() == []


async def test_requests_beyond_the_limit_are_told_when_to_come_again(keys: Keys, clock: Clock) -> None:
    key, _ = await keys.add("phone", requests="2/min")
    keys.enter(key)
    keys.enter(key)
    with pytest.raises(RateLimited) as told:
        keys.enter(key)
    assert (told.value.limit, told.value.seconds) == ("2/min", 30)
    clock.now += 30
    keys.enter(key)


async def test_tokens_are_counted_when_they_are_known(keys: Keys, clock: Clock) -> None:
    key, _ = await keys.add("phone", tokens="100/min")
    keys.enter(key)
    keys.spend(key.id, 160)
    with pytest.raises(RateLimited) as told:
        keys.enter(key)
    assert told.value.seconds == 37
    clock.now += 37
    keys.enter(key)


async def test_when_a_key_was_used_is_kept(keys: Keys, database: Database, clock: Clock) -> None:
    key, _ = await keys.add("phone")
    clock.now += KEEP_S + 1
    keys.enter(key)
    assert keys.list()[0].used_at == clock.now
    await keys.close()
    again = Keys(database, clock, clock)
    await again.open()
    assert again.list()[0].used_at == clock.now


async def test_a_browser_stays_signed_in_over_a_restart_until_it_signs_out(
    keys: Keys, database: Database, clock: Clock
) -> None:
    key, _ = await keys.add("phone")
    session, seconds = await keys.sign_in(key)
    assert seconds == SESSION_S
    again = Keys(database, clock, clock)
    await again.open()
    assert again.of_session(session) == key
    await again.sign_out(session)
    assert again.of_session(session) is None


async def test_a_session_ends_after_a_month(keys: Keys, clock: Clock) -> None:
    key, _ = await keys.add("phone")
    session, _ = await keys.sign_in(key)
    clock.now += SESSION_S
    assert keys.of_session(session) is None


async def test_a_link_signs_in_once_and_not_for_long(keys: Keys, clock: Clock) -> None:
    key, _ = await keys.add("phone")
    link, _ = keys.link("phone")
    assert keys.follow(link) == key
    assert keys.follow(link) is None
    late, _ = keys.link("phone")
    clock.now += LINK_S
    assert keys.follow(late) is None
    with pytest.raises(KeyNotFound):
        keys.link("laptop")


async def test_a_link_is_no_key_and_a_key_no_session(keys: Keys) -> None:
    _, shown = await keys.add("phone")
    link, _ = keys.link("phone")
    assert (keys.known(link), keys.of_session(link), keys.of_session(shown), keys.follow(shown)) == (
        None,
    ) * 4
