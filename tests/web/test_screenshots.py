"""Pictures of every room, in three languages, as a desk and a phone show it.

`make screenshots` keeps them in docs/screenshots; the test only looks whether they can be made.
"""

from __future__ import annotations

import io
import os
import re
import time
from pathlib import Path
from typing import Any

import pytest
from acts import PATIENCE_S, PHONE
from PIL import Image
from playwright.async_api import expect
from talking import Client

FOLDER = Path(__file__).parents[2] / "docs" / "screenshots"
WANTED = bool(os.environ.get("FABULA_SCREENSHOTS"))
LANGUAGES = {"en": "en-GB", "zh-Hant": "zh-TW", "zh-Hans": "zh-CN"}
SIZES: dict[int, dict[str, Any]] = {1440: {"viewport": {"width": 1440, "height": 900}}, 390: PHONE}
LEAST_BYTES = 2000  # of a picture; an empty page has fewer
QUALITY = 70
TOO_WIDE = """() => {
    const isStrip = (node) => node.clientHeight < 120 && /auto|scroll/.test(getComputedStyle(node).overflowX);
    const isInside = (node) => node && (isStrip(node) || isInside(node.parentElement));
    return [...document.querySelectorAll('main, main *')]
        .filter((node) => node.checkVisibility() && !node.closest('pre, table, .sr-only') && !isInside(node))
        .filter((node) => node.getBoundingClientRect().right > innerWidth + 0.5)
        .map((node) => node.outerHTML.slice(0, 80));
}"""
"""What leaves the screen at the right, and is in no row of tools that scrolls to the side."""
ELSEWHERE = """(home) => {
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) walker.currentNode.data = walker.currentNode.data.replaceAll(home, "~/fabula");
}"""
"""No picture shows a folder of the machine that it was made on."""
MISSING = re.compile(r"\bweb\.[a-z_]+\.[\w.]+")

KEEPERS = (
    (
        "Ysolde Kerr",
        "Keeper of the light. Counts ships by their lamps, and never sleeps first.",
    ),
    ("Captain Moreau", "Master of the mail ferry, late in all weathers and sorry in none."),
    ("林墨", "北海燈塔的第三任守塔人，記得每一艘沒有回來的船。"),
)
ENTRIES = (
    {"key": ["lamp", "light"], "comment": "The lamp", "content": "It burns whale oil and turns by a weight."},
    {"key": ["ferry"], "comment": "The ferry", "content": "It comes on Mondays, when the sea lets it."},
    {"key": ["green"], "comment": "The green light", "content": "Nobody on the island speaks of it."},
)
CHAPTER = (
    "The keeper counted the ships by their lamps, never by their names.\n\n"
    "On the third night there was one lamp too many. It was green, and it did not move with the waves.\n\n"
    "“You are late,” she said to the dark, and the dark, after a while, agreed."
)


@pytest.fixture(scope="module")
def places(client: Client) -> dict[str, str]:
    """What each picture shows, by the address of the room; the studio is one that is lived in."""
    ids = [_character(client, *each) for each in KEEPERS]
    chat = client.new_chat(model="tiny", title="One lamp too many")
    chat.say("Tell me a story", kind="reply")
    book = client.post("/lorebooks", {"name": "Skerry Point"}, 201)
    for entry in ENTRIES:
        added = {"revision": book["revision"], "fields": entry}
        book |= client.post(f"/lorebooks/{book['id']}/entries", added, 201)
    client.post("/personas", {"name": "Mara", "description": "A surveyor from the mainland."}, 201)
    chapters = [{"title": "One", "text": CHAPTER}]
    novel = client.post("/novels", {"title": "The green lamp", "chapters": chapters}, 201)
    notebook = client.post("/notebooks", {"title": "Notes on tides", "text": "High water at"}, 201)
    return {
        "home": "#/",
        "chat": f"#/chat/{chat.id}",
        "characters": "#/characters",
        "card": f"#/characters/{ids[0]}",
        "lore": "#/lore",
        "lorebook": f"#/lore/{book['id']}",
        "write": "#/write",
        "novel": f"#/novel/{novel['id']}",
        "notebook": f"#/notebook/{notebook['id']}",
        "models": "#/models",
        "model": "#/models/tiny",
        "lab": "#/lab",
        "jobs": "#/jobs",
        "settings": "#/settings",
        "palette": "#/",
    }


def _character(client: Client, name: str, description: str) -> Any:
    data = {"name": name, "description": description, "first_mes": "*The lamp turns.*", "tags": ["sea"]}
    card = {"spec": "chara_card_v2", "spec_version": "2.0", "data": data}
    return client.post("/characters", {"card": card}, 201)["id"]


async def entered(page: Any, name: str) -> None:
    """Until a room has come to rest."""
    await page.locator("main").wait_for()
    for waiting in ("Loading…", "載入中…", "加载中…", "正在載入…", "正在加载…"):
        await expect(page.get_by_text(waiting, exact=True)).to_have_count(0)
    if name == "palette":
        await page.keyboard.press("Control+k")
        await page.get_by_role("option").first.wait_for()


async def looked_at(page: Any, home: str) -> tuple[bytes, list[str]]:
    """A picture and its faults; a slow machine may draw a part, or put on a style sheet, a moment later."""
    end = time.monotonic() + PATIENCE_S
    while True:
        found = await faults(page)
        await page.evaluate(ELSEWHERE, home)
        content = kept(await page.screenshot(animations="disabled", caret="hide"))
        if (not found and len(content) > LEAST_BYTES) or time.monotonic() > end:
            return content, found


def kept(found: bytes) -> bytes:
    """As WebP, which takes a fifth of the room."""
    into = io.BytesIO()
    Image.open(io.BytesIO(found)).convert("RGB").save(into, "WEBP", quality=QUALITY, method=6)
    return into.getvalue()


async def faults(page: Any) -> list[str]:
    """What no reader should see: the key of a text that is missing, or something wider than the screen."""
    words = await page.locator("body").inner_text()
    return [*MISSING.findall(words), *await page.evaluate(TOO_WIDE)]


async def test_a_name_without_a_break_stays_on_a_phone(open_page, client):
    client.post("/personas", {"name": "Hohenzollern" * 6, "description": ""}, 201)
    page = await open_page("#/lore", **SIZES[390])
    await entered(page, "lore")
    await expect(page.get_by_text("Hohenzollern" * 6, exact=True)).to_be_attached()
    assert await faults(page) == []


@pytest.mark.parametrize("width", SIZES)
@pytest.mark.parametrize("language", LANGUAGES if WANTED else ["zh-Hant"])
async def test_every_room_can_be_pictured(open_page, client, places, tmp_path, language, width):
    folder = FOLDER if WANTED else tmp_path
    folder.mkdir(exist_ok=True)
    page = await open_page("#/", locale=LANGUAGES[language], reduced_motion="reduce", **SIZES[width])
    found = {}
    for name, address in places.items():
        await page.goto("about:blank")  # a room is entered anew
        await page.goto(f"{client.address}/{address}")
        await entered(page, name)
        content, found[name] = await looked_at(page, client.get("/system")["home"])
        assert len(content) > LEAST_BYTES
        (folder / f"{name}-{language}-{width}.webp").write_bytes(content)
    assert {name: list_of for name, list_of in found.items() if list_of} == {}
