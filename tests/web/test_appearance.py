"""How the app looks: chosen, worn again after a reload, shared by devices, readable in every theme."""

from __future__ import annotations

import re
import struct
import zlib
from pathlib import Path

import pytest
from acts import eventually, said
from playwright.async_api import expect

import fabula
from fabula.store.look import ACCENTS, THEMES

LOOK = "#/settings/appearance"
SHEETS = Path(fabula.__file__).parent / "web" / "style" / "themes"
PAPERS = ("paper", "paper-raised", "paper-sunken", "accent-wash")
INKS = ("ink", "ink-soft", "ink-faint", "accent", "good", "warn", "bad")
TEXTS = [(ink, paper) for ink in INKS for paper in PAPERS] + [("accent-ink", "accent")]
CONTROLS = [(mark, paper) for mark in ("line-control", "accent") for paper in PAPERS[:2]]
BARS = [(f"bar-{part}", "paper-sunken") for part in ("weights", "kv", "compute", "reserve")]
PAIRS = [(*pair, 4.5) for pair in TEXTS] + [(*pair, 3.0) for pair in CONTROLS + BARS]

# What is too pale, as [theme, accent, scheme, front, back, ratio]: WCAG 2.2's contrast of resolved colours.
TOO_PALE = """async ([themes, accents, sheets, pairs]) => {
  const root = document.documentElement;
  const base = document.querySelector('script[type=module]').src.replace('app.js', 'style/themes/');
  await Promise.all(sheets.map((name) => new Promise((done) => {
    const link = document.createElement('link');
    Object.assign(link, { rel: 'stylesheet', href: base + name, onload: done });
    document.head.append(link);
  })));
  const probe = document.body.appendChild(document.createElement('i'));
  const parts = (token) => {
    probe.style.color = `var(--${token})`;
    const found = getComputedStyle(probe).color;
    const numbers = found.match(/[\\d.]+/g).slice(0, 3).map(Number);
    return found.startsWith('color(') ? numbers : numbers.map((number) => number / 255);
  };
  const linear = (part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
  const luminance = (token) => {
    const [r, g, b] = parts(token).map(linear);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const pale = [];
  for (const theme of themes) for (const accent of accents) for (const scheme of ['light', 'dark']) {
    root.dataset.theme = theme;
    if (accent === 'teal') delete root.dataset.accent; else root.dataset.accent = accent;
    root.style.colorScheme = ['auto', 'contrast'].includes(theme) ? scheme : '';
    for (const [front, back, least] of pairs) {
      const [dark, light] = [luminance(front), luminance(back)].sort((a, b) => a - b);
      const ratio = (light + 0.05) / (dark + 0.05);
      if (!(ratio >= least)) pale.push([theme, accent, scheme, front, back, ratio.toFixed(2)]);
    }
  }
  return pale;
}"""


@pytest.fixture(autouse=True)
def as_it_came(client):
    yield
    client.call("DELETE", "/appearance")
    client.call("PUT", "/appearance/style", json={"style": ""})
    for picture in client.get("/appearance")["pictures"]:
        client.call("DELETE", f"/appearance/pictures/{picture['id']}")


def picture() -> bytes:
    """A PNG of one grey pixel."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)
    body = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0\x80")) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


async def colour(page, token: str) -> str:
    script = "(token) => getComputedStyle(document.documentElement).getPropertyValue(token)"
    return await page.evaluate(script, f"--{token}")


async def choose(page, group: str, name: str) -> None:
    await page.get_by_role("group", name=group).get_by_role("radio", name=name).check(force=True)


async def wears(page, **data: str) -> None:
    for name, value in data.items():
        await expect(page.locator("html")).to_have_attribute(f"data-{name}", value)


# ── themes ──────────────────────────────────────────────────────────────────────────────────────────


async def test_every_theme_with_every_accent_can_be_read(open_page):
    page = await open_page()
    sheets = sorted(path.name for path in SHEETS.glob("*.css"))
    assert await page.evaluate(TOO_PALE, [THEMES, ACCENTS, sheets, PAIRS]) == []


async def test_the_test_of_contrasts_would_see_a_pale_ink(open_page):
    page = await open_page()
    found = await page.evaluate(TOO_PALE, [["light"], ["teal"], [], [("line", "paper", 4.5)]])
    assert found[0][3:5] == ["line", "paper"]


def test_every_theme_and_accent_has_its_tokens():
    assert {f"{name}.css" for name in THEMES[3:]} <= {path.name for path in SHEETS.glob("*.css")}
    accents = (SHEETS / "accents.css").read_text()
    assert set(re.findall(r'data-accent="(\w+)"', accents)) == set(ACCENTS[1:])


async def test_a_theme_is_chosen_and_worn_again_before_the_first_paint(open_page):
    page = await open_page(LOOK, color_scheme="light")
    before = await page.evaluate("getComputedStyle(document.body).backgroundColor")
    await choose(page, "Theme", "Midnight")
    await wears(page, theme="midnight")
    await expect(page.locator("body")).not_to_have_css("background-color", before)
    await choose(page, "Accent", "Rose")
    rose = await colour(page, "accent")
    await page.reload()
    await wears(page, theme="midnight", accent="rose")
    assert await colour(page, "accent") == rose
    await choose(page, "Theme", "Automatic")
    await choose(page, "Accent", "Usual")
    await expect(page.locator("body")).to_have_css("background-color", before)


async def test_dark_can_be_chosen(open_page):
    page = await open_page(LOOK, color_scheme="light")
    light = await page.evaluate("getComputedStyle(document.body).backgroundColor")
    await choose(page, "Theme", "Dark")
    await expect(page.locator("body")).not_to_have_css("background-color", light)
    dark = await page.evaluate("getComputedStyle(document.body).backgroundColor")
    await page.reload()
    await expect(page.locator("body")).to_have_css("background-color", dark)


# ── text, chats ─────────────────────────────────────────────────────────────────────────────────────


async def test_type_and_column_are_chosen(open_page):
    page = await open_page(LOOK)
    prose = page.locator(".sample .prose").last
    await page.get_by_label("Size").fill("22")
    await expect(prose).to_have_css("font-size", "22px")
    await page.get_by_label("Line height").fill("2")
    await expect(prose).to_have_css("line-height", "44px")
    await page.get_by_role("button", name="By script").click()
    await expect(prose).not_to_have_css("line-height", "44px")
    await page.get_by_label("Width of the column").fill("30")
    assert await colour(page, "column") == "30rem"


async def test_chats_have_the_form_that_was_chosen(open_page, chat):
    page = await open_page(LOOK)
    await choose(page, "Form of chats", "Bubbles")
    await page.get_by_role("checkbox", name="Numbers under replies").uncheck()
    await page.goto(re.sub("#.*", f"#/chat/{chat.id}", page.url))
    await said(page, "Hello")
    mine, theirs = page.locator(".message > .prose").first, page.locator(".message > .prose").last
    assert (await mine.bounding_box())["x"] > (await theirs.bounding_box())["x"]
    await expect(page.get_by_role("button", name=re.compile("reused"))).to_have_count(0)


async def test_faces_and_times_stand_beside_messages_where_they_are_wanted(open_page, chat):
    chat.add("user", "Good evening")
    page = await open_page(LOOK)
    await page.get_by_role("checkbox", name="Faces").check()
    await page.get_by_role("checkbox", name="Times").check()
    await page.goto(re.sub("#.*", f"#/chat/{chat.id}", page.url))
    article = page.get_by_role("article", name="Message 1,")
    await expect(article.get_by_role("time")).to_be_visible()
    await expect(article.locator(".message-face")).to_have_text("Y")  # of "You"


# ── all devices ─────────────────────────────────────────────────────────────────────────────────────


async def test_what_is_shared_is_worn_by_another_device_at_once(open_page, client):
    mine, other = await open_page(LOOK), await open_page()
    await choose(mine, "Theme", "Sepia")
    await mine.get_by_role("checkbox", name="The same on all my devices").check()
    await wears(other, theme="sepia")
    await choose(mine, "Theme", "Mist")
    await wears(other, theme="mist")
    await eventually(lambda: client.get("/appearance")["shared"]["theme"] == "mist")
    await mine.get_by_role("checkbox", name="The same on all my devices").uncheck()
    await wears(mine, theme="mist")
    await expect(mine.get_by_role("checkbox", name="The same on all my devices")).not_to_be_checked()
    await eventually(lambda: client.get("/appearance")["shared"] is None)


async def test_a_picture_lies_behind_the_text_and_is_taken_down(open_page, client):
    page = await open_page(LOOK)
    async with page.expect_file_chooser() as chooser:
        await page.get_by_text("Add a picture").click()
    file = {"name": "grey.png", "mimeType": "image/png", "buffer": picture()}
    await (await chooser.value).set_files(file)
    await wears(page, background="own")
    (kept,) = client.get("/appearance")["pictures"]
    assert kept["id"] in await page.evaluate("getComputedStyle(document.body).backgroundImage")
    await page.get_by_role("button", name="Remove picture 1").click()
    await expect(page.locator("html")).not_to_have_attribute("data-background", "own")
    await eventually(lambda: client.get("/appearance")["pictures"] == [])


# ── a style sheet of one's own ──────────────────────────────────────────────────────────────────────


async def test_a_style_sheet_is_worn_and_left_out_where_the_address_says_safe(open_page, client):
    page = await open_page(LOOK)
    await page.get_by_role("textbox", name="Style sheet of your own").fill("main { visibility: hidden }")
    await page.get_by_role("button", name="Use this style sheet").click()
    await expect(page.get_by_role("heading", name="Settings")).to_be_hidden()
    await page.goto(f"{client.address}/?safe{LOOK}")
    await expect(page.get_by_role("heading", name="Settings")).to_be_visible()
    await page.get_by_role("button", name="Remove it").click()
    await page.get_by_role("button", name="Undo").click()
    await expect(page.get_by_role("textbox", name="Style sheet of your own")).to_have_value(
        re.compile("hidden")
    )
