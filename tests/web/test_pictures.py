"""Pictures of other hosts: links and a quiet line, until somebody wants to see them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from acts import PHONE, message
from outside import NAME, Host, hosting, picture
from playwright.async_api import Locator, expect

LOADED = "(picture) => picture.decode().then(() => picture.naturalWidth)"


@pytest.fixture
def host() -> Iterator[Host]:
    with hosting() as host:
        yield host


@pytest.fixture
def said(chat: Any, host: Host) -> str:
    """Two pictures in a message."""
    return chat.add("assistant", f"![a lamp]({host.address('/png')}) ![]({host.address('/gif')})")["id"]


def line(where: Any) -> Locator:
    return where.get_by_role("group", name="Pictures from other hosts")


async def test_nothing_is_asked_before_they_are_shown(page, said, host):
    await page.reload()
    reply = message(page, 1)
    await expect(line(reply)).to_contain_text(f"2 pictures of {NAME} are not shown.")
    await expect(reply.get_by_role("link", name="a lamp")).to_be_visible()
    assert host.log == []
    await line(reply).get_by_role("button", name="Show them").click()
    lamp = reply.get_by_role("img", name="a lamp")
    assert await lamp.evaluate(LOADED) == 3
    assert await lamp.get_attribute("loading") == "lazy"
    await expect(reply.locator(".prose img")).to_have_count(2)
    await expect(reply.get_by_role("link")).to_have_count(0)
    assert {headers.get("cookie", "") + headers.get("referer", "") for _, headers in host.log} == {""}


async def test_they_are_links_again_when_they_are_forbidden(page, said, host, client, chat):
    client.call("PUT", "/pictures/allowed", 200, json={"chat": chat.id, "allowed": True})
    await page.reload()
    reply = message(page, 1)
    await expect(reply.locator(".prose img")).to_have_count(2)
    await line(reply).get_by_role("button", name="Pictures from other hosts").click()
    await page.get_by_role("menuitem", name="Stop showing them in this chat").click()
    await expect(reply.locator(".prose img")).to_have_count(0)
    await expect(reply.get_by_role("link", name="a lamp")).to_be_visible()
    await expect(line(reply).get_by_role("button", name="Show them")).to_be_visible()


async def test_what_does_not_come_is_a_link_with_the_reason(page, chat, host, client):
    chat.add("assistant", f"![a map]({host.address('/none')})")
    client.call("PUT", "/pictures/allowed", 200, json={"chat": chat.id, "allowed": True})
    await page.reload()
    reply = message(page, 1)
    await expect(reply).to_contain_text(f"The picture from {NAME} cannot be shown: the host answered 404.")
    await expect(reply.get_by_role("link", name="a map")).to_be_visible()
    assert host.paths == ["/none"]


async def test_the_choice_on_a_card_holds_in_its_chats(open_page, client, host):
    data = {"name": "Lamplighter", "first_mes": f"See ![a lamp]({host.address('/png')})"}
    card = {"spec": "chara_card_v2", "spec_version": "2.0", "data": data}
    id = client.post("/characters", {"card": card}, 201)["id"]
    page = await open_page(f"#/characters/{id}")
    await expect(line(page)).to_contain_text(f"A picture of {NAME} is not shown.")
    assert host.log == []
    await line(page).get_by_role("button", name="Show them").click()
    assert await page.get_by_role("img", name="a lamp").evaluate(LOADED) == 3
    chat = client.new_chat(model="tiny", character_id=id)
    chat.add("assistant", f"![a lamp]({host.address('/webp')})")
    await page.evaluate(f"location.hash = '#/chat/{chat.id}'")
    await expect(page.locator("article .prose img").last).to_be_visible()
    client.post("/characters/mark", {"ids": [id], "trashed": True})


async def test_a_picture_in_the_html_of_a_card_is_shown_alike(page, chat, host):
    host.put("/lamp?a=1&b=2", picture())
    address = host.address("/lamp?a=1&amp;b=2")
    html = f'<center><img style="width:9px" alt="a lamp" src="{address}" onerror="window.stolen=1"></center>'
    chat.add("assistant", f"{html}\n\nIt burns. <IMG SRC='{host.address('/gif')}'>")
    await page.reload()
    reply = message(page, 1)
    await expect(line(reply)).to_contain_text(f"2 pictures of {NAME} are not shown.")
    assert host.log == []
    await line(reply).get_by_role("button", name="Show them").click()
    assert await reply.get_by_role("img", name="a lamp").evaluate(LOADED) == 3
    await expect(reply.locator(".prose img")).to_have_count(2)
    assert await reply.locator(".prose [style], .prose [onerror]").count() == 0
    assert sorted(host.paths) == ["/gif", "/lamp?a=1&b=2"]


ODD = (
    '<img src="http://{host}/png?" onerror="window.stolen=1" alt=x>',
    '<img src="http://{host}/png?&quot; onerror=&quot;window.stolen=1" alt=x>',
    "<img src='http://{host}/png' alt='x\" onload=\"window.stolen=1'>",
    "<img src='//{host}/png&chat=other&address=/etc/passwd' alt=x>",
    "<img src='javascript:window.stolen=1' alt=x>x",
    '![" onerror="window.stolen=1](http://{host}/png?")',
    "![x](http://{host}/png?'><script>window.stolen=1</script>)",
    "![<img src=x onerror=window.stolen=1>](http://{host}/png)",
    '![x](http://{host}/png "a\\" onload=\\"window.stolen=1")',
    "![x](//{host}/png&chat=other&address=/etc/passwd)",
    "![x](javascript:window.stolen=1)",
    '<a class="outside-picture" href="javascript:window.stolen=1">x</a>',
)


async def test_odd_addresses_run_nothing_and_are_asked_for_as_they_are(page, chat, host, client):
    for text in ODD:
        chat.add("assistant", text.replace("{host}", f"{NAME}:{host.server_port}"))
    client.call("PUT", "/pictures/allowed", 200, json={"chat": chat.id, "allowed": True})
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    await page.reload()
    await expect(message(page, len(ODD))).to_contain_text("x")
    for number in (1, 2, 3, 4, 10):
        await expect(line(message(page, number))).to_contain_text(NAME)
    assert await page.evaluate("window.stolen") is None
    origin = await page.evaluate("location.origin")
    assert [url for url in asked if not url.startswith((origin, "data:"))] == []
    assert {path.partition("?")[0].partition("&")[0] for path in host.paths} <= {"/png"}


async def test_the_line_fits_a_phone(open_page, chat, said):
    page = await open_page(f"#/chat/{chat.id}", **PHONE)
    await expect(line(message(page, 1))).to_be_visible()
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")


async def test_a_card_comes_from_its_address_when_somebody_asks_for_it(open_page, host):
    card = {"spec": "chara_card_v2", "spec_version": "2.0", "data": {"name": "Tamsin of the address"}}
    host.put("/tamsin.json", json.dumps(card).encode())
    page = await open_page("#/characters")
    await page.get_by_role("button", name="Import", exact=True).click()
    await page.get_by_role("menuitem", name="Import from an address").click()
    asked = page.get_by_role("dialog", name="Import from an address")
    await asked.get_by_label("Address of a card or lorebook").fill(host.address("/tamsin.json"))
    assert host.log == []
    await asked.get_by_role("button", name="Import").click()
    await expect(page.get_by_role("region", name="What became of the files")).to_contain_text("1")
    await expect(page.get_by_text("Tamsin of the address").filter(visible=True).first).to_be_visible()
    assert host.paths == ["/tamsin.json"]
