"""Text of a model or a person is text: nothing in it runs, loads or leaves the page."""

from __future__ import annotations

import json
from typing import Any

import pytest
import pytest_asyncio
import shelf
from acts import message, read_back, said
from attacks import ATTACKS, SHORT
from playwright.async_api import expect
from script import ATTACK

CHUNK = 50  # messages of a chat that are on the page
WATCH = """window.refused = [];
addEventListener('securitypolicyviolation', ({ effectiveDirective, blockedURI }) =>
    refused.push(`${effectiveDirective} ${blockedURI}`));
for (const name of ['alert', 'confirm', 'prompt']) window[name] = () => (window.stolen = name);"""
SCHEMES = "[...document.querySelectorAll('main a[href]')].map((link) => link.protocol)"
GROW = """async ([path, texts]) => {
    const { GrowingMarkdown, renderMarkdown } = await import(new URL(path, location.href));
    const put = (text) => document.body.appendChild(document.createElement('div')).innerHTML = text;
    let count = 0;
    for (const text of texts) {
        const growing = new GrowingMarkdown();
        for (let end = 1; end <= text.length; end += 7) growing.feed(text.slice(0, end));
        for (const block of [...growing.blocks, growing.tail, text]) put(renderMarkdown(block)), (count += 1);
    }
    return count;
}"""


async def test_an_attack_in_a_reply_does_nothing(page):
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    await said(page, "Now attack")
    reply = message(page, 2)
    await expect(reply).to_contain_text("Harmless words")
    assert await page.evaluate("window.stolen") is None
    assert (
        await reply.locator("script, iframe, form, svg[onload], [style], [onerror], [onclick]").count() == 0
    )
    assert not [url for url in requests if "example" in url]


async def test_an_attack_typed_by_a_person_does_nothing(page, chat):
    chat.add("user", ATTACK)
    await page.reload()
    await expect(message(page, 1)).to_contain_text("Harmless words")
    assert await page.evaluate("window.stolen") is None


async def test_links_open_elsewhere_and_scripts_in_them_are_gone(page, chat):
    chat.add("assistant", ATTACK)
    await page.reload()
    links = message(page, 1).locator(".prose a[href]")
    await expect(links).to_have_count(2)
    for link in await links.all():
        assert await link.get_attribute("target") == "_blank"
        assert await link.get_attribute("rel") == "noopener noreferrer"
        assert (await link.get_attribute("href") or "").startswith("https://")


async def test_a_remote_picture_is_a_link_and_not_loaded(page, chat):
    chat.add("assistant", "![a picture](https://tracker.example.org/pixel.png)")
    await page.reload()
    await expect(message(page, 1).get_by_role("link", name="a picture")).to_be_visible()
    assert await message(page, 1).locator("img").count() == 0


async def test_a_title_is_text(open_page, client):
    chat = client.new_chat(title="<img src=x onerror=window.stolen=7>")
    page = await open_page(f"#/chat/{chat.id}")
    await expect(page.get_by_role("heading", name="<img src=x")).to_be_visible()
    assert await page.evaluate("window.stolen") is None


# ── every known way (attacks.py), wherever text of others is shown ──────────────────────────────────


class Watched:
    """A page of which is known what ran, what was refused, and who was asked."""

    def __init__(self, page: Any) -> None:
        self.page = page
        self._asked: list[str] = []
        page.on("request", lambda request: self._asked.append(request.url))

    async def is_safe(self) -> None:
        for _ in range(2):  # what waits for a frame, or for the focus, has had its turn
            await self.page.evaluate("new Promise((done) => requestAnimationFrame(() => setTimeout(done)))")
        assert await self.page.evaluate("window.stolen") is None
        assert await self.page.evaluate("window.refused") == []
        assert [url for url in self._asked if "example" in url] == []
        assert set(await self.page.evaluate(SCHEMES)) <= {"http:", "https:", "mailto:", "about:"}


@pytest_asyncio.fixture(loop_scope="session")
async def watched(open_page):
    async def watched(where: str, **options: Any) -> Watched:
        page = await open_page(where, **options)
        await page.context.add_init_script(WATCH)
        watched = Watched(page)
        await page.reload()
        return watched

    return watched


def test_the_corpus_is_large_enough():
    assert len(ATTACKS) >= 150


@pytest.mark.parametrize("part", range(-(-len(ATTACKS) // CHUNK)))
async def test_in_messages(watched, client, web_home, part):
    attacks = ATTACKS[part * CHUNK : (part + 1) * CHUNK]
    chat = client.new_chat(model="tiny", title="Under attack")
    shelf.fill(web_home.database, chat.id, attacks)
    seen = await watched(f"#/chat/{chat.id}")
    await expect(seen.page.get_by_role("article").last).to_be_visible()
    await read_back(seen.page, len(attacks))
    await seen.is_safe()


async def test_in_what_grows_and_in_thinking(watched, client):
    """The same renderer, by its own function: text that comes piece by piece, and text that is whole."""
    seen = await watched("#/chat")
    path = await seen.page.locator("script[type=module]").get_attribute("src")
    assert await seen.page.evaluate(GROW, [path.replace("app.js", "parts/renderMarkdown.js"), ATTACKS]) > 0
    await seen.is_safe()


async def test_in_cards(watched, client):
    """Names and tags in the gallery; everything else where it is read: on the card and in a chat with it."""
    fields = (
        "description",
        "personality",
        "scenario",
        "first_mes",
        "mes_example",
        "creator_notes",
        "system_prompt",
    )
    ids = []
    for number, name in enumerate(SHORT):
        texts = {field: "\n\n".join(ATTACKS[start :: len(fields)]) for start, field in enumerate(fields)}
        data = texts | {
            "name": f"{name} {number}",
            "tags": [name],
            "creator": name,
            "alternate_greetings": list(ATTACKS[:3]),
        }
        card = {"spec": "chara_card_v2", "spec_version": "2.0", "data": data}
        ids.append(client.post("/characters", {"card": card}, 201)["id"])
    seen = await watched("#/characters")
    await expect(seen.page.get_by_text(SHORT[0]).first).to_be_visible()
    await seen.is_safe()
    chat = client.new_chat(model="tiny", character_id=ids[1])
    for where in (f"#/characters/{ids[0]}", f"#/chat/{chat.id}"):
        await seen.page.evaluate(f"location.hash = {json.dumps(where)}")
        await expect(seen.page.get_by_text("Loading…")).to_have_count(0)
        await seen.is_safe()
    client.post("/characters/mark", {"ids": ids, "trashed": True})


async def test_in_titles_of_chats_and_in_the_palette(watched, client):
    chats = [client.new_chat(model="tiny", title=title) for title in SHORT]
    seen = await watched(f"#/chat/{chats[0].id}")
    await expect(seen.page.get_by_role("heading", name=SHORT[0])).to_be_visible()
    await seen.page.keyboard.press("Control+k")
    await seen.page.get_by_role("combobox").last.fill("stolen")
    await expect(seen.page.get_by_role("option", name=SHORT[0]).first).to_be_visible()
    await seen.is_safe()


async def test_in_lorebooks_and_personas(watched, client):
    for name in SHORT:
        client.post("/lorebooks", {"name": name}, 201)
        client.post("/personas", {"name": name, "description": name}, 201)
    seen = await watched("#/lore")
    await expect(seen.page.get_by_text(SHORT[0]).first).to_be_visible()
    await seen.is_safe()


async def test_in_presets(watched, client, chat):
    for name in SHORT:
        client.post("/presets", {"name": name, "sampling": {"temperature": 1.0}, "about": name}, 201)
    seen = await watched(f"#/chat/{chat.id}")
    await seen.page.get_by_role("button", name="Chat settings").click()
    await expect(seen.page.get_by_text("Loading…")).to_have_count(0)
    await seen.is_safe()


async def test_in_titles_of_novels(watched, client):
    novels = [
        client.post("/novels", {"title": title, "chapters": [{"title": title, "text": title}]}, 201)
        for title in SHORT
    ]
    seen = await watched("#/write")
    await expect(seen.page.get_by_text(SHORT[0]).first).to_be_visible()
    await seen.page.evaluate(f"location.hash = '#/novel/{novels[0]['id']}'")
    await expect(seen.page.get_by_text("Loading…")).to_have_count(0)
    await seen.is_safe()


@pytest.mark.parametrize("room", ["characters", "lore", "write"])
async def test_in_names_of_files(watched, room):
    files = [
        {"name": f"{name.replace('/', '∕')}.json", "mimeType": "application/json", "buffer": b"{"}
        for name in SHORT
    ]
    seen = await watched(f"#/{room}")
    await seen.page.locator("input[type=file]").first.set_input_files(files[:3])
    await expect(seen.page.get_by_text("stolen").first).to_be_visible()
    await seen.is_safe()
