"""A model's page: its plan as a picture that answers at once, what it is, and what can be done with it."""

from __future__ import annotations

import re

import pytest
import tiny_model
from acts import PHONE, eventually
from playwright.async_api import expect

from fabula.core.texts import as_bytes

GIB = 1 << 30
ELSEWHERE = {"vram": 24 * GIB, "ram": 64 * GIB}  # this machine's free memory changes while a test looks
WORDS = {"weights": "weights", "kv": "context", "beside": "loaded with it", "reserve": "reserve"}


@pytest.fixture
def spare(web_home):
    """A model that a test may delete."""
    file = tiny_model.write(web_home.models / "spare.gguf")
    yield file
    file.unlink(missing_ok=True)


async def opened(open_page, name="tiny", **options):
    page = await open_page(f"#/models/{name}", **options)
    await expect(page.get_by_role("region", name="How it would be loaded")).to_have_attribute(
        "aria-busy", "false"
    )
    return page


async def on_a_large_machine(page):
    await page.get_by_text("On another machine").click()
    await page.get_by_role("combobox", name="Graphics card").select_option("24")
    await page.get_by_role("combobox", name="Memory", exact=True).select_option("64")


def shown(device: dict) -> str:
    """How a device of a plan is told: the parts that it has, as the picture names them."""
    parts = {name: device[name] for name in ("weights", "kv")}
    parts |= {
        "compute": device["compute"] + device["output"],
        "beside": device["beside"],
        "reserve": device["reserve"],
    }
    told = " · ".join(f"{WORDS.get(name, name)} {as_bytes(size)}" for name, size in parts.items() if size)
    name = "This machine's memory" if device["name"] == "memory" else device["name"]
    return f"{name}: {told} · {as_bytes(device['available'] - device['total'])} to spare"


async def expect_plan(page, client, **question):
    """Every device on the page has the figures of POST /fit."""
    plan = client.post("/fit", {"target": "tiny", **ELSEWHERE, **question})["plan"]
    for device in plan["devices"]:
        await expect(page.get_by_role("img", name=shown(device), exact=True)).to_be_visible()
    await expect(page.get_by_role("status").filter(has_text=f"{plan['context']:,} tokens")).to_be_visible()
    return plan


async def test_an_address_of_no_model_says_what_to_do(open_page):
    page = await open_page("#/models/nobody")
    await expect(page.get_by_role("heading", name="nobody")).to_be_visible()
    await expect(page.get_by_text("There is no model of that name here.")).to_be_visible()
    await page.get_by_role("main").get_by_role("link", name="All models").click()
    await expect(page.get_by_role("heading", name="Models", exact=True)).to_be_visible()


async def test_a_part_of_a_name_leads_to_the_page_of_the_model(open_page, spare):
    page = await open_page("#/models/spar")
    await expect(page.get_by_role("heading", name="spare", exact=True)).to_be_visible()
    await expect(page).to_have_url(re.compile("#/models/spare$"))
    await expect(page.get_by_role("button", name="Start a chat")).to_be_visible()


async def test_the_picture_has_the_figures_of_the_plan_and_follows_every_control(open_page, client):
    page = await opened(open_page)
    await on_a_large_machine(page)
    before = await expect_plan(page, client)
    slider = page.get_by_role("slider", name="Context of one chat")
    await slider.press("Home")
    short = await expect_plan(page, client, context=512)
    assert short["devices"][0]["kv"] + short["devices"][1]["kv"] <= sum(
        row["kv"] for row in before["devices"]
    )
    await page.get_by_role("combobox", name="Type of its memory").select_option("f32")
    await expect_plan(page, client, context=512, kv_type="f32")
    await page.get_by_role("slider", name="Layers on the graphics card").press("Home")
    plan = await expect_plan(page, client, context=512, kv_type="f32", gpu_layers=0)
    assert len(plan["devices"]) == 1
    await page.get_by_role("combobox", name="Chats at a time").select_option("8")
    await expect_plan(page, client, context=512, kv_type="f32", gpu_layers=0, slots=8)


async def test_another_quantization_is_planned_before_it_is_made(open_page, client):
    page = await opened(open_page)
    await on_a_large_machine(page)
    await page.get_by_role("combobox", name="Quantization").select_option("F16")
    plan = await expect_plan(page, client, quantization="F16")
    whole = client.post("/fit", {"target": "tiny", **ELSEWHERE})["plan"]
    assert sum(row["weights"] for row in plan["devices"]) < sum(row["weights"] for row in whole["devices"])


async def test_only_the_answer_to_the_last_question_is_shown(open_page, client):
    page = await opened(open_page)
    await on_a_large_machine(page)
    slider = page.get_by_role("slider", name="Context of one chat")
    for key in ("Home", "End", "Home", "End", "Home"):
        await slider.press(key)
    await expect_plan(page, client, context=512)


async def test_it_is_loaded_as_planned_also_with_less_than_it_has(open_page, client):
    client.post("/models/tiny/load", {"options": {"context": 2048}})
    page = await opened(open_page)
    await page.get_by_role("slider", name="Context of one chat").press("Home")
    await page.get_by_role("button", name="Load it so").click()
    await expect(page.get_by_text("tiny is loaded.")).to_be_visible()
    running = next(row for row in client.get("/system")["running"] if row["model"] == "tiny")
    assert running["plan"]["context"] == 512
    client.post("/models/tiny/unload", status=204)


async def test_a_plan_is_kept_as_the_models_options(open_page, client):
    def options():
        return client.get("/models/tiny")["options"]

    page = await opened(open_page)
    await page.get_by_role("combobox", name="Type of its memory").select_option("q8_0")
    await page.get_by_role("button", name="Keep as its options").click()
    await expect(page.get_by_text("tiny is loaded so from its next load on.")).to_be_visible()
    assert options()["kv_type"] == "q8_0"
    await page.get_by_text("All load options").click()
    form = page.get_by_role("form", name="All load options")
    await expect(form.get_by_role("combobox", name="Type of the context's memory")).to_have_value("q8_0")
    await form.get_by_role("combobox", name="Type of the context's memory").select_option("")
    await form.get_by_role("spinbutton", name="Threads").fill("2")
    await form.get_by_role("button", name="Save").click()
    await eventually(lambda: options().get("threads") == 2)
    assert "kv_type" not in options()
    client.call("PUT", "/models/tiny/options", json={"options": {}})


async def test_its_facts_come_from_its_header_in_words(open_page):
    page = await opened(open_page, "wise")
    facts = page.get_by_role("region", name="What it is")
    await expect(facts).to_contain_text("llama.cpp runs it, because the file is gguf.")
    await expect(facts).to_contain_text("think before it answers")
    await page.get_by_text("Chat template", exact=True).click()
    await expect(page.get_by_text("The one in its own file.")).to_be_visible()
    await expect(page.get_by_text("<user>Tell me a story.</>").first).to_be_visible()


async def test_files_are_verified_from_the_page(open_page):
    page = await opened(open_page)
    await page.get_by_text("Verify files").click()
    form = page.get_by_role("form", name="Verify files")
    await expect(form.get_by_role("combobox", name="Model")).to_have_value("tiny")
    await form.get_by_role("button", name="Begin").click()
    await expect(page.get_by_role("heading", name="Verify files", level=1)).to_be_visible()
    await expect(page.get_by_text("Every file is what it was.")).to_be_visible(timeout=60_000)


async def test_a_deleted_model_can_be_taken_back(open_page, client, spare):
    page = await opened(open_page, "spare")
    await page.get_by_role("button", name="Delete").click()
    await expect(page.get_by_role("link", name="tiny", exact=True)).to_be_visible()
    await expect(page.get_by_role("link", name="spare")).to_have_count(0)
    await page.get_by_role("button", name="Undo").click()
    await expect(page.get_by_role("link", name="spare")).to_be_visible()
    assert spare.exists()


async def test_a_deleted_model_that_nobody_takes_back_is_gone(open_page, spare):
    page = await open_page("#/settings")
    await page.clock.install()
    await page.goto(page.url.partition("#")[0] + "#/models/spare")
    await page.get_by_role("button", name="Delete").click()
    async with page.expect_response(lambda answer: answer.request.method == "DELETE"):
        await page.clock.run_for(8_000)
    await expect(page.get_by_role("link", name="spare")).to_have_count(0)
    assert not spare.exists()


@pytest.mark.parametrize("locale", ["en-GB", "zh-TW", "zh-CN"])
async def test_the_rooms_fit_a_phone_and_have_all_their_words(open_page, locale):
    page = await open_page("#/models/tiny", locale=locale, **PHONE)
    for where in ("#/models/tiny", "#/", "#/models", "#/jobs", "#/lab", "#/lab/quantize/tiny"):
        await page.goto(page.url.partition("#")[0] + where)
        await expect(page.get_by_role("heading", level=1)).to_be_visible()
        await expect(page.locator("main")).not_to_contain_text(re.compile(r"\b(web|jobs|load|plots)\.\w+"))
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), where
