"""Models to get: what is recommended, what a hub offers, what is on its way. With a stand-in hub."""

from __future__ import annotations

import re
from collections.abc import Generator
from typing import Any

import pytest
import pytest_asyncio
from acts import PHONE
from hub_stand_in import Hub, serving
from models_stand_ins import tiny_gguf
from playwright.async_api import Page, expect

from fabula.store.home import Home


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, client: Any, web_home: Home) -> Generator[Hub]:
    for name in ("HF_TOKEN", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    with serving(Hub()) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.address)
        files = {"Story-Q4_0.gguf": tiny_gguf(rows=2 << 10), "Story-Q8_0.gguf": tiny_gguf(rows=4 << 10)}
        facts = {"tags": ["gguf", "license:mit"], "downloads": 500, "gguf": {"total": 3_000_000}}
        hub.add("someone/Story-GGUF", files | {"README.md": b"# Story"}, **facts)
        yield hub
        for row in client.get("/downloads")["downloads"]:
            client.http.delete(f"/downloads/{row['id']}")
    for path in web_home.models.glob("Story-*"):
        path.unlink()


@pytest_asyncio.fixture(loop_scope="session")
async def finding(open_page: Any, hub: Hub) -> Page:
    page: Page = await open_page("#/models//get")
    await expect(page.get_by_role("heading", name="What suits you")).to_be_visible()
    return page


async def searched(page: Page, text: str) -> None:
    await page.get_by_role("searchbox", name="Name, author, what it does").fill(text)
    await page.get_by_label("Only what runs on this machine").uncheck()
    await page.get_by_role("button", name="Search").click()


async def test_the_room_is_entered_from_any_other(open_page: Any) -> None:
    page = await open_page("")
    await page.get_by_role("navigation", name="Rooms").get_by_role("link", name="Models").click()
    await page.get_by_role("link", name="Get a model").click()
    await expect(page.get_by_role("heading", name="What suits you")).to_be_visible()


async def test_what_suits_a_task_on_another_machine_comes_with_its_reasons(finding: Page) -> None:
    await finding.get_by_role("combobox", name="Graphics card").select_option("24")
    await finding.get_by_role("combobox", name="Memory").select_option("64")
    await finding.get_by_text("Roleplay", exact=True).click()
    first = finding.locator(".advised > li").first
    await expect(first.get_by_role("button", name=re.compile(r"Get.* \d[\d.]* GiB"))).to_be_visible()
    await expect(first.locator(".reasons > li").first).to_be_visible()
    before = await finding.locator(".advised h3").all_inner_texts()
    await finding.get_by_role("combobox", name="Graphics card").select_option("0")
    await finding.get_by_role("combobox", name="Memory").select_option("8")
    await expect(finding.locator(".advised h3").first).not_to_have_text(before[0])


async def test_models_are_narrowed_by_name_and_size(finding: Page) -> None:
    cards = finding.locator(".advised > li")
    await expect(cards.first).to_be_visible()
    await finding.get_by_role("combobox", name="Download at most").select_option("4")
    await finding.get_by_role("searchbox", name="Name", exact=True).fill("qwen")
    for card in await cards.all():
        await expect(card.get_by_role("heading")).to_contain_text(re.compile("qwen", re.IGNORECASE))
        size = re.search(r"Get.* ([\d.]+) GiB", await card.inner_text())
        assert size is None or float(size[1]) <= 4


async def test_what_was_ruled_out_says_why(finding: Page) -> None:
    await finding.get_by_text("Ruled out").click()
    await expect(finding.locator(".ruled-out dd").first).not_to_be_empty()


async def test_a_repository_offers_its_files_with_sizes_and_verdicts(finding: Page) -> None:
    await searched(finding, "story")
    await finding.get_by_role("button", name="Files of someone/Story-GGUF").click()
    rows = finding.locator(".offers tbody tr")
    await expect(rows).to_have_count(2)
    await expect(rows.filter(has_text="recommended")).to_have_count(1)
    await expect(rows.first).to_contain_text("Fits this machine")
    await expect(finding.get_by_text("Not needed (1)")).to_be_visible()


async def test_each_choice_says_whom_its_quantization_is_for(finding: Page) -> None:
    await finding.get_by_text("What the quantizations mean").click()
    await expect(finding.get_by_text("Hardly different from Q8_0")).to_be_visible()
    await searched(finding, "story")
    await finding.get_by_role("button", name="Files of someone/Story-GGUF").click()
    row = finding.locator(".offers tbody tr").filter(has_text="Q4_0")
    await expect(row).to_contain_text("When Q4_K_M just does not fit")


async def test_a_download_is_held_goes_on_and_arrives(finding: Page, hub: Hub, client: Any) -> None:
    await searched(finding, "story")
    await finding.get_by_role("button", name="Files of someone/Story-GGUF").click()
    get = finding.get_by_role("button", name="Get Q8_0")
    await expect(get).to_be_visible()
    hub.pause, hub.block = 0.05, 512  # slower than whoever presses "Pause" over a slow line
    await get.click()
    queue = finding.locator(".queue-row")
    await queue.get_by_role("button", name="Pause").click()
    await expect(queue).to_contain_text("Paused: what is here stays")
    hub.pause = 0
    await queue.get_by_role("button", name="Go on").click()
    await expect(queue).to_have_count(0)
    await expect(finding.get_by_role("status").filter(has_text="Story").first).to_be_visible()
    assert any(model["name"].startswith("Story") for model in client.get("/models")["models"])


async def test_a_hub_that_cannot_be_asked_is_told_and_asked_again(
    finding: Page, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    await searched(finding, "story")
    alert = finding.get_by_role("alert")
    await expect(alert).to_be_visible()
    monkeypatch.setenv("HF_ENDPOINT", hub.address)
    await alert.get_by_role("button").click()
    await expect(finding.get_by_role("button", name="Files of someone/Story-GGUF")).to_be_visible()


@pytest.mark.parametrize("locale", ["en-GB", "zh-TW", "zh-CN"])
async def test_nothing_is_wider_than_a_phone(open_page: Any, hub: Hub, locale: str) -> None:
    page = await open_page("#/models//get", locale=locale, **PHONE)
    await expect(page.locator(".advised > li").first).to_be_visible()
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
