"""A chat of 5,000 messages in the browser: opening it, its size, frames and keys while text streams in.

All times are taken inside the page, by its own clock; the browser is the system's Chromium.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import shutil
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.instant import piece
from bench.paired import Interval, mean, median, ratio
from bench.report import Report, at_least, at_most, reported
from bench.studio import Studio, fresh_home, hosted
from fabula.chats import changes, shelf
from fabula.core.messages import Role
from fabula.core.request import LOCAL_OWNER
from fabula.store.database import Database
from fabula.store.home import Home

if TYPE_CHECKING:
    from playwright.sync_api import Browser, CDPSession, Page
    from sqlalchemy import Connection

TITLE = "A long story"
MESSAGES = 5000
PACE_MS = 5  # between two of them: 200 tokens/s
KEYS = 30
KEY_PAUSE_S = 0.05
LONGEST_S = 60.0  # for anything on the page
REST_S = 1.5  # of frames without anything to do, as the bound
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


@dataclass(frozen=True, slots=True)
class Chats:
    """The ids of the chat that is measured and of one that any page could show."""

    short: str
    long: str


@dataclass(frozen=True, slots=True)
class Screen:
    """What the page is looked at with. `slowdown` is how many times slower the page's processor is made."""

    name: str
    width: int
    height: int
    slowdown: int


@dataclass(frozen=True, slots=True)
class Opening:
    """ms until the last message is seen; of the page by its address also the work of its thread (ms, made
    slower as the screen says), what it asked for, and its nodes."""

    by_address: float
    within: float
    work: float
    requests: int
    nodes: int


Of = Callable[[Opening], float]
SCREENS = (Screen("desktop", 1280, 800, 1), Screen("phone, processor 4 times slower", 390, 844, 4))

WATCH = """
window.bench = { shownAt: 0, frames: [], keys: [] };
const whole = () => {
    const last = [...document.querySelectorAll('article[aria-posinset]')].at(-1);
    if (!last || last.ariaPosInSet !== last.ariaSetSize || !last.textContent.includes('.')) return false;
    const { top, bottom } = last.getBoundingClientRect();
    return bottom > 0 && top < innerHeight;
};
const tick = (time) => {
    if (!bench.shownAt && whole()) bench.shownAt = performance.now();
    bench.frames.push([time, document.querySelector('[role=feed]')?.ariaBusy === 'true']);
    requestAnimationFrame(tick);
};
requestAnimationFrame(tick);
const painted = new MessageChannel();
const typed = [];
painted.port1.onmessage = () => bench.keys.push(performance.now() - typed.shift());
addEventListener('keydown', (event) => {
    typed.push(event.timeStamp);
    requestAnimationFrame(() => painted.port2.postMessage(null));
}, true);
"""


# ── the chat ────────────────────────────────────────────────────────────────────────────────────────


def write_chat(path: Path, count: int) -> str:
    """A chat of that many messages, straight into the database; its id."""
    home = Home(path)
    database = Database(home.database, home.backups)
    database.open()
    try:
        return database.write_sync(lambda connection: _write(connection, count))
    finally:
        database.close()


def _write(connection: Connection, count: int) -> str:
    fields = {"title": TITLE, "model": "smollm2", "system": "", "sampling": {}}
    chat = shelf.create(connection, LOCAL_OWNER, fields)
    revision = chat.revision
    for index in range(count):
        role: Role = "assistant" if index % 2 else "user"
        change = changes.add(connection, LOCAL_OWNER, chat.id, revision, role, _text(index), "", None)
        revision = change.chat.revision
    return chat.id


def _text(index: int) -> str:
    """Markdown as people and models write it: paragraphs, emphasis, now and then a list or some code."""
    words = "".join(piece(index * 7 + place) for place in range(60)).strip()
    parts = [f"**Message {index + 1}.** {words}.", f"*{words[:40]}* and then {words}."]
    if index % 10 == 3:
        parts.append("\n".join(f"- {word}" for word in words.split()[:5]))
    if index % 25 == 7:
        parts.append(f"```python\nprint({words[:30]!r})\n```")
    return "\n\n".join(parts)


# ── the page ────────────────────────────────────────────────────────────────────────────────────────


@contextlib.contextmanager
def window(browser: Browser, screen: Screen) -> Iterator[tuple[Page, CDPSession]]:
    """An empty one of its own, whose work is counted."""
    viewport = {"width": screen.width, "height": screen.height}
    context = browser.new_context(viewport=viewport, locale="en-GB")  # type: ignore[arg-type]
    context.set_default_timeout(LONGEST_S * 1000)
    page = context.new_page()
    page.add_init_script(WATCH)
    session = context.new_cdp_session(page)
    session.send("Performance.enable", {"timeDomain": "threadTicks"})
    session.send("Emulation.setCPUThrottlingRate", {"rate": screen.slowdown})
    try:
        yield page, session
    finally:
        context.close()


@contextlib.contextmanager
def opened(browser: Browser, screen: Screen, studio: Studio, fragment: str = "") -> Iterator[Page]:
    """The app in a window of its own."""
    with window(browser, screen) as (page, _):
        page.goto(f"http://127.0.0.1:{studio.port}/{fragment}")
        yield page


def worked(session: CDPSession) -> float:
    """ms of a processor that the page's thread has had so far: tells something on a busy machine, too."""
    rows = session.send("Performance.getMetrics")["metrics"]
    return float(next(row["value"] for row in rows if row["name"] == "TaskDuration")) * 1000


def shown_at(page: Page) -> float:
    _until(page, "bench.shownAt > 0")
    return float(page.evaluate("bench.shownAt"))


def _until(page: Page, condition: str) -> None:
    """Asked from outside: the page's content policy forbids Playwright's own waiting."""
    ends = time.perf_counter() + LONGEST_S
    while not page.evaluate(condition):
        if time.perf_counter() > ends:
            raise TimeoutError(condition)
        time.sleep(0.05)


def opening(browser: Browser, screen: Screen, studio: Studio, chat: str) -> Opening:
    with window(browser, screen) as (page, session):
        page.goto(f"http://127.0.0.1:{studio.port}/#/chat/{chat}")
        by_address, work = shown_at(page), worked(session)
        requests = int(page.evaluate("performance.getEntriesByType('resource').length")) + 1
        time.sleep(0.3)  # what is drawn after the text
        nodes = int(page.evaluate("document.querySelectorAll('*').length"))
    with opened(browser, screen, studio) as page:
        page.get_by_role("link", name=TITLE).first.wait_for(state="attached")
        time.sleep(0.3)
        began = page.evaluate(f"(location.hash = '#/chat/{chat}', performance.now())")
        within = shown_at(page) - float(began)
    return Opening(by_address, within, work, requests, nodes)


def streaming(page: Page, *, typing: bool) -> dict[str, Any]:
    """Frames (and keys) while a reply is written."""
    composer = page.get_by_role("textbox", name="Your message")
    composer.fill("Go on, please.")
    page.evaluate("bench.frames.length = bench.keys.length = 0")
    composer.press("Enter")
    _until(page, "document.querySelector('[role=feed]').ariaBusy === 'true'")
    if typing:
        page.evaluate("bench.keys.length = 0")
        for _ in range(KEYS):
            page.keyboard.press("a")
            time.sleep(KEY_PAUSE_S)
    _until(page, "document.querySelector('[role=feed]').ariaBusy === 'false'")
    found = dict(page.evaluate("({ frames: bench.frames, keys: bench.keys })"))
    composer.fill("")
    return found


def gaps(frames: list[list[Any]], *, busy: bool) -> list[float]:
    """ms between frames, of those while a reply is (or is not) written."""
    times = [time for time, written in frames if written == busy]
    return [later - earlier for earlier, later in itertools.pairwise(times)]


def rate(found: list[float]) -> float:
    return 1000 / statistics.fmean(found)


# ── the measurement ─────────────────────────────────────────────────────────────────────────────────


def look(report: Report, browser: Browser, screen: Screen, studio: Studio, chats: Chats, rounds: int) -> None:
    report.heading(f"{screen.name}: {screen.width} × {screen.height}")
    both = (chats.short, chats.long)
    pairs = [[opening(browser, screen, studio, one) for one in both] for _ in range(rounds)]
    short, openings = zip(*pairs, strict=True)
    by_address, within = attrgetter("by_address"), attrgetter("within")
    whole = _median(openings, by_address)
    report.measure("opening, the whole page by its address", whole, "ms", at_most(1000))
    report.measure("processor time of the page's thread for it", _median(openings, attrgetter("work")), "ms")
    report.measure("what it has asked for until then", max(one.requests for one in openings), "")
    report.measure("opening, from within the app", _median(openings, within), "ms", at_most(1000))
    report.measure("by address / a chat of 10 messages (bound)", _against(openings, short, by_address), "")
    report.measure("within the app / a chat of 10 messages (bound)", _against(openings, short, within), "")
    report.measure("DOM nodes", max(one.nodes for one in openings), "", at_most(999))
    with opened(browser, screen, studio, f"#/chat/{chats.long}") as page:
        shown_at(page)
        page.evaluate("bench.frames.length = 0")
        time.sleep(REST_S)
        rest = gaps(page.evaluate("bench.frames"), busy=False)
        written = [gaps(streaming(page, typing=False)["frames"], busy=True) for _ in range(rounds)]
        keys = [streaming(page, typing=True)["keys"] for _ in range(rounds)]
        nodes = int(page.evaluate("document.querySelectorAll('*').length"))
    report.measure("frames/s at rest (bound)", rate(rest), "1/s")
    rates = mean([rate(one) for one in written])
    least = at_least(58 if screen.slowdown == 1 else 30)
    report.measure("frames/s while 200 tokens/s are written", rates, "1/s", least)
    report.measure("longest time between two frames", max(max(one) for one in written), "ms")
    pressed = [ms for one in keys for ms in one]
    report.measure("from a key to its frame, median", median(pressed), "ms", at_most(50))
    report.measure("from a key to its frame, longest", max(pressed), "ms")
    report.measure("DOM nodes after all that", nodes, "", at_most(999))


def _against(rows: Sequence[Opening], others: Sequence[Opening], of: Of) -> Interval:
    return ratio([of(row) for row in rows], [of(row) for row in others])


def _median(rows: Sequence[Opening], of: Of) -> Interval:
    return median([of(row) for row in rows])


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m bench web_long_chat", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="twice each: to see that it works")
    parser.add_argument("--messages", type=int, default=MESSAGES)
    given = parser.parse_args(arguments)
    executable = next(filter(None, map(shutil.which, BROWSERS)), None)
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        executable = None
    if not executable:
        print("== web_long_chat: left out, it needs Chromium and the Python package playwright")
        return
    settings = {"bench_pace_ms": PACE_MS, "engine_context": 8192}
    about = f"a chat of {given.messages:,} messages in the browser"
    with reported("web_long_chat", about) as report, fresh_home() as home:
        chats = Chats(write_chat(home, 10), write_chat(home, given.messages))
        with hosted(home, settings, "scripted") as studio, sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
            report.note(f"Chromium {browser.version}")
            for screen in SCREENS:
                look(report, browser, screen, studio, chats, 2 if given.quick else 5)
            browser.close()


if __name__ == "__main__":
    main()
