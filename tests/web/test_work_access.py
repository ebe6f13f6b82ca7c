"""A model's page, forms and plots for a screen reader and a weak eye, and by keyboard alone."""

from __future__ import annotations

from playwright.async_api import expect
from test_access import check
from test_work import PLOTS, with_plots


async def test_a_models_page_with_all_that_opens_has_no_serious_fault(open_page):
    page = await open_page("#/models/tiny")
    await expect(page.get_by_role("slider", name="Context of one chat")).to_be_visible()
    for fold in (
        "On another machine",
        "Loaded with it",
        "Chat template",
        "All load options",
        "Quantize a model",
    ):
        await page.locator("summary", has_text=fold).click()
    await page.get_by_role("combobox", name="Graphics card").select_option("24")
    await expect(page.get_by_role("slider", name="Layers on the graphics card")).to_be_visible()
    await expect(page.get_by_role("form", name="All load options")).to_be_visible()
    await check(page)


async def test_a_jobs_page_with_plots_has_no_serious_fault(open_page, client):
    page = await with_plots(open_page, client)
    for _ in PLOTS:  # each is called otherwise once it is open
        await page.get_by_role("button", name="Show the numbers").first.click()
    await check(page)


async def test_a_form_is_filled_in_by_keyboard_alone(open_page):
    page = await open_page("#/lab/quantize/tiny")
    form = page.get_by_role("form", name="Quantize a model")
    await form.get_by_role("combobox", name="Quantization").focus()
    await page.keyboard.press("Tab")
    await expect(form.get_by_role("textbox", name="Name")).to_be_focused()
    await page.keyboard.type("by hand")
    await page.keyboard.press("Tab")
    await page.keyboard.press("Space")
    await expect(form.get_by_role("checkbox", name="Also from a model that was quantized")).to_be_checked()
