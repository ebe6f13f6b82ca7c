"""The studio in the browser: the first page, the gallery, long chats, and a day of use in fast-forward.

All times are taken inside the page, by its own clock; the browser is the system's Chromium. The long chat is
measured as in `web_long_chat`.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import shutil
import statistics
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench import library, web_long_chat
from bench.paired import mean, median
from bench.report import Report, at_least, at_most, reported
from bench.studio import Studio, fresh_home, hosted
from bench.web_long_chat import BROWSERS, LONGEST_S, SCREENS, Screen
from fabula.chats import changes, shelf
from fabula.core.request import LOCAL_OWNER
from fabula.store.database import Database
from fabula.store.home import Home

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, CDPSession, Page
    from sqlalchemy import Connection

PARTS = ("first", "long", "gallery", "day")
DESK = SCREENS[0]
WARM_UP = 0.1  # of the day, before the heap is looked at for the first time
TEXTS = ("Good evening.", "*She looks up.* You are **late**.", "The tide was out.", "Then we have an hour.")
VALUES = ("object", "closure", "array", "string", "concatenated string", "sliced string", "regexp", "number")
STYLE_OF_DAY = "short"  # an engine that says one sentence

# Nothing of the bench's own goes on once the page is there: it would be counted as the page's.
WATCH = """
window.shownAt = 0;
const tick = () => {
    const title = document.querySelector('main h1');
    const waits = /Loading…/.test(document.querySelector('main')?.textContent ?? 'Loading…');
    if (title && !waits) shownAt = performance.now();
    else requestAnimationFrame(tick);
};
requestAnimationFrame(tick);
"""

# Down the longest thing that scrolls, so many pixels a second, for so many milliseconds.
SCROLL = """([speed, ms]) => new Promise((done) => {
    const all = [...document.querySelectorAll('main, main *')];
    const room = (node) => node.scrollHeight - node.clientHeight;
    const long = all.reduce((one, other) => (room(other) > room(one) ? other : one));
    const began = performance.now(), times = [];
    let nodes = 0, before = began;
    const step = (time) => {
        times.push(time);
        long.scrollTop += (speed * (time - before)) / 1000;
        before = time;
        if (times.length % 20 === 0) nodes = Math.max(nodes, document.querySelectorAll('*').length);
        if (time - began < ms) requestAnimationFrame(step);
        else done({ times, nodes, reached: long.scrollTop });
    };
    requestAnimationFrame(step);
})"""

# A stretch of the day: chats are opened one after the other, and in each some messages are said and answered.
DAY = """async ([ids, messages]) => {
    const until = async (holds, what) => {
        const ends = performance.now() + 60000;
        while (!holds()) {
            if (performance.now() > ends) throw new Error(what);
            await new Promise((done) => setTimeout(done, 10));
        }
    };
    const last = () => [...document.querySelectorAll('article[aria-posinset]')].at(-1);
    const field = () => document.getElementById('composer');
    const quiet = () => document.querySelector('[role=feed]')?.ariaBusy === 'false';
    const settled = () => quiet() && last()?.ariaPosInSet === last()?.ariaSetSize;
    const say = async () => {
        const before = Number(last()?.ariaSetSize ?? 0), composer = field();
        composer.value = 'Go on.';
        composer.dispatchEvent(new InputEvent('input', { bubbles: true }));
        await until(() => !composer.form.querySelector('[type=submit]')?.disabled, 'no text is taken');
        composer.form.requestSubmit();
        await until(() => settled() && Number(last().ariaSetSize) >= before + 2, 'no reply');
    };
    let seen = '';
    for (const id of ids) {
        location.hash = `#/chat/${id}`;
        await until(() => field() && settled() && last() && last().dataset.id !== seen, 'no chat');
        for (let count = 0; count < messages; count += 1) await say();
        seen = last().dataset.id;
    }
    location.hash = '#/';
    await until(() => document.querySelector('main h1') && !field(), 'home does not open');
}"""


@dataclass(frozen=True, slots=True)
class Load:
    """How much of everything."""

    rounds: int
    messages: int  # of the long chat
    cards: int
    chats: int  # opened on the day
    replies: int  # streamed on the day


WHOLE = Load(rounds=5, messages=5000, cards=20_000, chats=1000, replies=10_000)
QUICK = Load(rounds=2, messages=5000, cards=20_000, chats=60, replies=120)


# ── windows ─────────────────────────────────────────────────────────────────────────────────────────


@contextlib.contextmanager
def window(browser: Browser, screen: Screen) -> Iterator[BrowserContext]:
    viewport = {"width": screen.width, "height": screen.height}
    context = browser.new_context(viewport=viewport, locale="en-GB")  # type: ignore[arg-type]
    context.set_default_timeout(LONGEST_S * 1000)
    context.add_init_script(WATCH)
    try:
        yield context
    finally:
        context.close()


def opened(context: BrowserContext, screen: Screen, address: str) -> tuple[Page, list[str]]:
    """A page, and what it has asked for."""
    page, asked = context.new_page(), list[str]()
    page.on("request", lambda request: asked.append(request.url))
    if screen.slowdown > 1:
        session = context.new_cdp_session(page)
        session.send("Emulation.setCPUThrottlingRate", {"rate": screen.slowdown})
    page.goto(address)
    _until(page, "shownAt > 0")
    return page, asked


def _until(page: Page, condition: str) -> None:
    ends = time.perf_counter() + LONGEST_S
    while not page.evaluate(condition):
        if time.perf_counter() > ends:
            raise TimeoutError(condition)
        time.sleep(0.02)


# ── the first page ──────────────────────────────────────────────────────────────────────────────────


def first(report: Report, browser: Browser, studio: Studio, load: Load) -> None:
    """Cold is a browser that never was here; warm is its next visit."""
    address = f"http://127.0.0.1:{studio.port}/"
    for screen in SCREENS:
        report.heading(f"the first page, {screen.name}")
        cold, warm, counts = [], [], []
        for _ in range(load.rounds):
            with window(browser, screen) as context:
                page, asked = opened(context, screen, address)
                cold.append(float(page.evaluate("shownAt")))
                time.sleep(0.5)  # what is asked for after the first paint
                counts.append(len(asked))
                page.close()
                page, _ = opened(context, screen, address)
                warm.append(float(page.evaluate("shownAt")))
        report.measure("until it shows this machine, warm", median(warm), "ms", at_most(1000))
        report.measure("until it shows this machine, cold", median(cold), "ms")
        report.measure("requests", max(counts), "", at_most(40))


# ── the gallery ─────────────────────────────────────────────────────────────────────────────────────


def gallery(report: Report, browser: Browser, studio: Studio, load: Load) -> None:
    address = f"http://127.0.0.1:{studio.port}/#/characters"
    for screen in SCREENS:
        report.heading(f"a gallery of {load.cards:,} cards, {screen.name}")
        with window(browser, screen) as context:
            page, _ = opened(context, screen, address)
            report.measure("until the first cards are shown", float(page.evaluate("shownAt")), "ms")
            for name, speed in (("reading", 800), ("flinging", 8000)):
                rounds = [page.evaluate(SCROLL, [speed, 2500]) for _ in range(load.rounds)]
                rates = [_rate(one["times"]) for one in rounds]
                report.measure(f"frames/s, {name} ({speed} px/s)", mean(rates), "1/s", at_least(58))
                report.measure("longest time between two frames", max(_gaps(rounds[-1]["times"])), "ms")
            report.measure("DOM nodes while scrolling", max(one["nodes"] for one in rounds), "")
            report.measure("how far that was", rounds[-1]["reached"], "px")


def _gaps(times: list[float]) -> list[float]:
    return [later - earlier for earlier, later in itertools.pairwise(times)]


def _rate(times: list[float]) -> float:
    return 1000 / statistics.fmean(_gaps(times))


# ── a day ───────────────────────────────────────────────────────────────────────────────────────────


def write_day(path: Path, count: int) -> list[str]:
    """Chats of four messages, straight into the database; their ids."""
    home = Home(path)
    database = Database(home.database, home.backups)
    database.open()
    try:
        return [database.write_sync(_one_chat) for _ in range(count)]
    finally:
        database.close()


def _one_chat(connection: Connection) -> str:
    fields = {"title": "", "model": "smollm2", "system": "", "sampling": {"max_tokens": 40}}
    chat = shelf.create(connection, LOCAL_OWNER, fields)
    revision = chat.revision
    for index, text in enumerate(TEXTS):
        role: Any = "assistant" if index % 2 else "user"
        revision = changes.add(connection, LOCAL_OWNER, chat.id, revision, role, text, "", None).chat.revision
    return chat.id


@dataclass(frozen=True, slots=True)
class Held:
    """What the page still holds once all that can be forgotten is forgotten."""

    heap: float  # bytes, with what the browser has compiled
    values: int  # bytes of objects, functions, arrays and texts: what the app itself keeps
    compiled: int  # bytes of code: grows while the browser still learns what is used often
    counts: dict[str, float]  # nodes, listeners, documents


def held(session: CDPSession) -> Held:
    for _ in range(3):
        session.send("HeapProfiler.collectGarbage")
        time.sleep(0.2)
    rows = session.send("Performance.getMetrics")["metrics"]
    counts = {row["name"]: float(row["value"]) for row in rows}
    sizes = _sizes(session)
    values = sum(sizes[kind] for kind in VALUES)
    return Held(counts["JSHeapUsedSize"], values, sizes["code"], counts)


def _sizes(session: CDPSession) -> Counter[str]:
    """Bytes of the heap by the kind of what is there, from a snapshot."""
    pieces: list[str] = []

    def take(event: dict[str, Any]) -> None:
        pieces.append(event["chunk"])

    session.on("HeapProfiler.addHeapSnapshotChunk", take)
    session.send("HeapProfiler.takeHeapSnapshot", {"reportProgress": False})
    session.remove_listener("HeapProfiler.addHeapSnapshotChunk", take)
    content = json.loads("".join(pieces))
    about = content["snapshot"]["meta"]
    width, kind, size = (len(about["node_fields"]), *map(about["node_fields"].index, ("type", "self_size")))
    nodes, names, sizes = content["nodes"], about["node_types"][kind], Counter[str]()
    for start in range(0, len(nodes), width):
        sizes[names[nodes[start + kind]]] += nodes[start + size]
    return sizes


def day(report: Report, browser: Browser, studio: Studio, load: Load, ids: list[str]) -> None:
    report.heading(f"a day: {load.chats:,} chats opened, {load.replies:,} replies streamed, on one page")
    each = load.replies // load.chats
    warm_up = max(1, int(len(ids) * WARM_UP))
    with window(browser, DESK) as context:
        page, _ = opened(context, DESK, f"http://127.0.0.1:{studio.port}/")
        session = context.new_cdp_session(page)
        session.send("Performance.enable")
        page.evaluate(DAY, [ids[:warm_up], each])
        before = held(session)
        began = time.perf_counter()
        middle = (warm_up + len(ids)) // 2
        _pass(page, ids[warm_up:middle], each)
        between = held(session)
        _pass(page, ids[middle:], each)
        passed = time.perf_counter() - began
        after = held(session)
    opened_then, opened_last = len(ids) - warm_up, len(ids) - middle
    report.measure("ms for each chat and its replies", passed * 1000 / opened_then, "ms")
    report.measure("heap before", before.heap / 2**20, "MiB")
    report.measure("heap after", after.heap / 2**20, "MiB")
    report.measure("heap kept for each chat", _kib(after.heap - before.heap, opened_then), "KiB", at_most(4))
    report.measure("the same, second half", _kib(after.heap - between.heap, opened_last), "KiB", at_most(4))
    values = _kib(after.values - before.values, opened_then)
    report.measure("of it objects, functions and texts", values, "KiB", at_most(0.5))
    report.measure("of it compiled code", _kib(after.compiled - before.compiled, opened_then), "KiB")
    for name, label in (("Nodes", "nodes"), ("JSEventListeners", "listeners"), ("Documents", "documents")):
        grown = after.counts[name] / max(before.counts[name], 1)
        report.measure(f"{label} after / before", grown, "", at_most(1.1))


def _pass(page: Page, ids: list[str], each: int) -> None:
    for some in (ids[start : start + 20] for start in range(0, len(ids), 20)):
        page.evaluate(DAY, [some, each])


def _kib(size: float, chats: int) -> float:
    """Of each chat."""
    return size / chats / 1024


# ── the whole ───────────────────────────────────────────────────────────────────────────────────────


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m bench web", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few rounds, a short day: to see that it works")
    parser.add_argument("--only", choices=PARTS, action="append", help="some of it; may be repeated")
    given = parser.parse_args(arguments)
    load, parts = (QUICK if given.quick else WHOLE), given.only or PARTS
    executable = next(filter(None, map(shutil.which, BROWSERS)), None)
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        executable = None
    if not executable:
        print("== web: left out, it needs Chromium and the Python package playwright")
        return
    with reported("web", "the studio in the browser") as report, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        report.note(f"Chromium {browser.version}")
        for part in parts:
            _measure(part, report, browser, load)
        browser.close()


def _measure(part: str, report: Report, browser: Browser, load: Load) -> None:
    """Each part on a home of its own."""
    with fresh_home() as home:
        if part == "long":
            return _long(report, browser, home, load)
        ids = write_day(home, load.chats) if part == "day" else []
        if part == "gallery":
            library.seed(Home(home), load.cards)
        with hosted(home, {}, STYLE_OF_DAY) as studio:
            if part == "day":
                day(report, browser, studio, load, ids)
            else:
                {"first": first, "gallery": gallery}[part](report, browser, studio, load)
    return None


def _long(report: Report, browser: Browser, home: Path, load: Load) -> None:
    pairs = (10, load.messages)
    chats = web_long_chat.Chats(*(web_long_chat.write_chat(home, count) for count in pairs))
    settings = {"bench_pace_ms": web_long_chat.PACE_MS, "engine_context": 8192}
    with hosted(home, settings, "scripted") as studio:
        for screen in SCREENS:
            web_long_chat.look(report, browser, screen, studio, chats, load.rounds)


if __name__ == "__main__":
    main()
