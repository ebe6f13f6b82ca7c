"""The room of settings: its pages, the search, config.toml, languages, keys of the keyboard, this machine."""

from __future__ import annotations

import re

import pytest
from acts import PHONE, eventually
from playwright.async_api import expect

OF_THE_READER = ["appearance", "language", "shortcuts"]
OF_THE_STUDIO = ["studio", "keys", "engines", "servers", "places", "import", "backups", "guard", "about"]
PAGES = OF_THE_READER + OF_THE_STUDIO


def setting(client, name):
    return next(row for row in client.get("/settings")["settings"] if row["name"] == name)


# ── the room ────────────────────────────────────────────────────────────────────────────────────────


async def test_every_page_opens_from_the_list(open_page):
    page = await open_page("#/settings")
    links = page.get_by_role("navigation", name="Pages of settings").get_by_role("link")
    await expect(links).to_have_count(len(PAGES))
    for place in range(len(PAGES)):
        await links.nth(place).click()
        await expect(links.nth(place)).to_have_attribute("aria-current", "page")
        await expect(page.get_by_role("main").get_by_role("heading", level=2).first).to_be_visible()


async def test_the_search_finds_pages_and_single_settings(open_page):
    page = await open_page("#/settings")
    await page.get_by_role("searchbox", name="Search settings").fill("keep_alive")
    await expect(page.get_by_label("engine.keep_alive")).to_be_visible()
    await expect(page.get_by_label("engine.context")).to_have_count(0)
    await page.get_by_role("searchbox", name="Search settings").fill("qr code")
    await page.get_by_role("region", name="What was found").get_by_role("link").click()
    await expect(page.get_by_role("heading", name="Who reaches this studio")).to_be_visible()


async def test_what_is_found_nowhere_is_said_with_a_way_back(open_page):
    page = await open_page("#/settings/about")
    await page.get_by_role("searchbox", name="Search settings").fill("xyzzy")
    await page.get_by_role("button", name="Show everything again").click()
    await expect(page.get_by_role("heading", name="This machine")).to_be_visible()


@pytest.mark.parametrize("locale", ["en-GB", "zh-TW", "zh-CN"])
async def test_on_a_phone_pages_follow_the_list_and_nothing_is_too_wide(open_page, locale):
    page = await open_page("#/settings", **PHONE | {"locale": locale})
    await page.get_by_role("main").get_by_role("link").nth(4).tap()
    await expect(page.get_by_role("main").get_by_role("heading", level=2).first).to_be_visible()
    too_wide = """() => [...document.querySelectorAll('main, main *')]
        .filter((node) => node.checkVisibility() && !node.closest('pre, table, .sr-only'))
        .filter((node) => node.getBoundingClientRect().right > innerWidth + 0.5)
        .map((node) => node.outerHTML.slice(0, 80))"""
    for name in PAGES:
        await page.goto(re.sub(r"#.*", f"#/settings/{name}", page.url))
        await expect(page.get_by_role("main").get_by_role("heading", level=2).first).to_be_visible()
        assert await page.evaluate(too_wide) == [], name


@pytest.mark.parametrize("name", PAGES)
async def test_a_page_has_no_serious_fault_for_a_screen_reader(open_page, client, name):
    from test_access import check  # where axe is not installed this one is skipped

    page = await open_page(f"#/settings/{name}")
    await expect(page.get_by_role("main").get_by_role("heading", level=2).first).to_be_visible()
    await check(page)


# ── config.toml ─────────────────────────────────────────────────────────────────────────────────────


async def test_a_setting_is_saved_and_returned_to_its_default(open_page, client):
    page = await open_page("#/settings/studio")
    field = page.get_by_label("engine.queue_limit")
    await field.fill("12")
    await field.blur()
    await expect(page.get_by_text("Saved", exact=True)).to_be_visible()
    assert setting(client, "engine.queue_limit")["value"] == 12
    await page.get_by_role("button", name="Return to the default (256)").click()
    await expect(field).to_have_value("256")
    await eventually(lambda: setting(client, "engine.queue_limit")["where"] == "default")


async def test_a_wrong_value_is_told_beside_its_field(open_page, client):
    page = await open_page("#/settings/studio")
    await page.get_by_label("engine.queue_limit").fill("-5")
    await page.get_by_label("engine.queue_limit").blur()
    await expect(page.get_by_text("engine.queue_limit is -5")).to_be_visible()
    assert setting(client, "engine.queue_limit")["value"] == 256


async def test_comments_in_the_file_stay(open_page, web_home):
    web_home.config.write_text("# mine\n[engine]\n# why not\nslots = 2\n")
    page = await open_page("#/settings/studio")
    await page.get_by_label("engine.slots").fill("3")
    await page.get_by_label("engine.slots").blur()
    await expect(page.get_by_text("Saved", exact=True)).to_be_visible()
    assert web_home.config.read_text() == "# mine\n[engine]\n# why not\nslots = 3\n"
    await page.get_by_role("button", name="Return to the default (0)").click()
    await expect(page.get_by_label("engine.slots")).to_have_value("0")
    web_home.config.unlink()


async def test_what_needs_a_restart_says_so_before_and_after(open_page, client):
    page = await open_page("#/settings/studio")
    row = page.locator(".setting").filter(has=page.get_by_label("server.also"))
    await expect(row).to_contain_text("Needs a restart of the studio.")
    await page.get_by_label("server.also").fill("kobold:25001")
    await page.get_by_label("server.also").blur()
    await expect(row).to_contain_text("Set, and holds after the studio is started again.")
    await expect(
        page.get_by_text("These hold after the studio is started again: server.also")
    ).to_be_visible()
    client.call("PATCH", "/settings", json={"server.also": None})


async def test_what_a_flag_set_cannot_be_changed_here(open_page, client):
    page = await open_page("#/settings/studio")
    await expect(page.get_by_label("port", exact=True)).to_be_disabled()  # the tests' studio has --port 0
    await expect(page.get_by_text("Set on the command line")).to_be_visible()


# ── languages ───────────────────────────────────────────────────────────────────────────────────────


async def test_the_language_switches_live_and_stays(open_page):
    page = await open_page("#/settings/language")
    await page.get_by_role("radio", name="繁體中文").check(force=True)
    await expect(page.get_by_role("heading", name="設定", exact=True)).to_be_visible()
    assert await page.evaluate("document.documentElement.lang") == "zh-Hant"
    await page.reload()
    await expect(page.get_by_role("heading", name="設定", exact=True)).to_be_visible()
    await page.get_by_role("radio", name="简体中文").check(force=True)
    await expect(page.get_by_role("heading", name="设置", exact=True)).to_be_visible()


async def test_the_browser_chooses_the_language(open_page):
    for locale, word in (("zh-TW", "設定"), ("zh-HK", "設定"), ("zh-CN", "设置"), ("fr-FR", "Settings")):
        page = await open_page("#/settings", locale=locale)
        await expect(page.get_by_role("heading", name=word, exact=True)).to_be_visible()


async def test_the_setting_of_the_studio_goes_before_the_browser(open_page, client):
    client.call("PATCH", "/settings", json={"language": "zh-Hans"})
    page = await open_page("#/settings", locale="en-GB")
    await expect(page.get_by_role("heading", name="设置", exact=True)).to_be_visible()
    client.call("PATCH", "/settings", json={"language": None})


# ── keys of the keyboard ────────────────────────────────────────────────────────────────────────────


async def test_a_shortcut_gets_another_key_and_keeps_it(open_page):
    page = await open_page("#/settings/shortcuts")
    await page.get_by_role("button", name="Change the key of “Keyboard shortcuts”").click()
    await page.keyboard.press("Alt+k")
    row = page.get_by_role("listitem").filter(has_text="Keyboard shortcuts")
    await expect(row).to_contain_text("K")
    await page.reload()
    await expect(page.get_by_role("heading", name="Shortcuts")).to_be_visible()
    await page.keyboard.press("Alt+k")
    await expect(page.get_by_role("dialog", name="Keyboard shortcuts")).to_be_visible()


async def test_a_key_that_was_taken_is_told(open_page):
    page = await open_page("#/settings/shortcuts")
    await page.get_by_role("button", name="Change the key of “Keyboard shortcuts”").click()
    await page.keyboard.press("Alt+n")
    await expect(page.get_by_text("That key is taken away from: New chat")).to_be_visible()
    await page.get_by_role("button", name="All keys as they came").click()
    await expect(page.get_by_role("listitem").filter(has_text="New chat")).to_contain_text("N")


# ── engines, folders, this machine ──────────────────────────────────────────────────────────────────


async def test_builds_of_the_engine_are_listed_and_one_is_in_use(open_page):
    page = await open_page("#/settings/engines")
    builds = page.get_by_role("list", name="Engines").get_by_role("listitem")
    await expect(builds.filter(has_text="in use")).to_have_count(1)
    await expect(builds.filter(has_text="Came with Fabula")).to_be_visible()


async def test_a_program_that_is_no_llama_server_is_refused_with_its_reason(open_page):
    page = await open_page("#/settings/engines")
    await page.get_by_label("A llama-server of your own").fill("/no/such/llama-server")
    await page.get_by_role("button", name="Use", exact=True).last.click()
    await expect(page.get_by_role("status").filter(has_text="/no/such/llama-server")).to_be_visible()


async def test_a_folder_that_is_none_is_refused_with_its_reason(open_page):
    page = await open_page("#/settings/places")
    await page.get_by_label("Another folder").fill("/no/such/folder")
    await page.get_by_role("button", name="Use it").click()
    await expect(page.get_by_role("status").filter(has_text="/no/such/folder")).to_be_visible()


async def test_this_machine_is_told_with_the_parts_of_the_home_and_a_report(open_page, web_home):
    page = await open_page("#/settings/about")
    await expect(page.get_by_role("row").filter(has_text="fabula.db")).to_contain_text(re.compile("[KM]iB"))
    await expect(page.get_by_text(str(web_home.path))).to_be_visible()
    report = page.get_by_role("region", name="Report of a fault")
    await expect(report).to_contain_text(re.compile(r"Fabula: [\d.]+"))
    await expect(report).not_to_contain_text(str(web_home.path))


async def test_what_is_refused_is_said(open_page):
    page = await open_page("#/settings/guard")
    await expect(page.get_by_text("There is no setting for that.")).to_be_visible()
