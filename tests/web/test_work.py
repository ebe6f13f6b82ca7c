"""Work: forms from recipes, a page for each job, and results as plots."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import tiny_model
from acts import PHONE
from playwright.async_api import expect


async def test_the_lab_offers_what_the_studio_can_make(open_page, client):
    kinds = [kind for kind in client.get("/jobs/kinds")["kinds"] if kind["room"] == "lab"]
    page = await open_page()
    await page.get_by_role("navigation", name="Rooms").get_by_role("link", name="Lab").click()
    for kind in kinds:
        await expect(page.get_by_role("link", name=kind["title"])).to_be_visible()
    await page.get_by_role("link", name="Quantize a model").click()
    form = page.get_by_role("form", name="Quantize a model")
    await form.get_by_role("combobox", name="Model").select_option("tiny")
    sizes = client.get("/models/tiny/quantize")["types"]
    choices = form.get_by_role("combobox", name="Quantization").get_by_role("option")
    await expect(choices).to_have_count(len(sizes) + 1)


async def test_a_form_says_what_is_wrong_beside_its_field(open_page):
    page = await open_page("#/lab/imatrix/tiny")
    form = page.get_by_role("form", name="Compute an importance matrix")
    await form.get_by_role("textbox", name="Text").fill("/no/such/text.txt")
    await form.get_by_role("button", name="Begin").click()
    field = form.get_by_role("textbox", name="Text")
    await expect(field).to_have_attribute("aria-invalid", "true")
    await expect(form.get_by_role("alert")).to_contain_text("/no/such/text.txt")


async def test_a_job_is_begun_watched_and_leads_to_its_result(open_page, client, tmp_path: Path, web_home):
    source = tiny_model.write(tmp_path / "fetched-here.gguf")
    page = await open_page("#/models//get")
    await page.locator("summary", has_text="Get a model").click()
    form = page.get_by_role("form", name="Get a model")
    await form.get_by_role("textbox", name="Source").fill(str(source))
    await form.get_by_role("button", name="Begin").click()
    await expect(page.get_by_role("heading", name="Result")).to_be_visible(timeout=60_000)
    await expect(page.get_by_label("What was asked")).to_contain_text(str(source))
    await page.get_by_role("link", name="fetched-here").click()
    await expect(page.get_by_role("heading", name="fetched-here", level=1)).to_be_visible()
    client.call("DELETE", "/models/fetched-here", 204)


async def test_a_job_that_failed_tells_why_and_shows_its_log(open_page, client, web_home):
    job = client.post("/models/pull", {"source": "/no/such/work.gguf"}, 202)
    client.hear(f"/jobs/{job['id']}/events")
    (web_home.jobs / f"{job['id']}.log").write_text("what the process said\n", encoding="utf-8")
    page = await open_page(f"#/jobs/{job['id']}")
    await expect(page.get_by_text(client.get(f"/jobs/{job['id']}")["error"]["message"])).to_be_visible()
    await expect(page.get_by_role("button", name="Go on")).to_be_visible()
    await page.get_by_text("Log", exact=True).click()
    await expect(page.get_by_text("what the process said")).to_be_visible()


async def test_the_list_of_work_leads_to_each_job(open_page, client):
    job = client.post("/jobs", {"kind": "verify", "arguments": {"model": "wise"}}, 202)
    client.hear(f"/jobs/{job['id']}/events")
    page = await open_page("#/jobs")
    await page.get_by_role("link", name="wise", exact=True).first.click()
    await expect(page.get_by_role("heading", name="Verify files", level=1)).to_be_visible()


# ── plots ───────────────────────────────────────────────────────────────────────────────────────────

AXIS = {"label": "Strength", "unit": "", "scale": "linear", "best": "", "from_zero": False}
COST = {"label": "Cost", "unit": "nats", "scale": "log", "best": "low", "from_zero": False}


def point(x, y, low=None, high=None, label="", to=None):
    return {"x": x, "y": y, "low": low, "high": high, "label": label, "to": to}


def plot(kind, title, series, x=AXIS, y=AXIS):
    rows = [{"name": name, "points": points} for name, points in series.items()]
    return {"kind": kind, "title": title, "about": "", "x": x, "y": y, "series": rows}


LINES = {
    name: [point(x, x * k, x * k - 1, x * k + 1) for x in (1, 2, 3)] for name, k in (("calm", 2), ("wild", 5))
}
PLOTS = [
    plot("lines", "Two lines", LINES),
    plot(
        "pareto",
        "A front",
        {"all": [point(1, 0.5, label="mild"), point(2, 0.1, label="=best"), point(1, 0.9)]},
        y=COST,
    ),
    plot(
        "bars", "Some bars", {"old": [point("en", 8.0), point("中文", 9.0)], "new": [point("en", 8.5, 8, 9)]}
    ),
    plot("histogram", "Many of them", {"": [point(x, x + 1, to=x + 1) for x in range(5)]}),
    plot("scatter", "A cloud", {"all": [point(x, (x * 7) % 5, label=f"p{x}") for x in range(9)]}),
]


async def with_plots(open_page, client, **options):
    """The page of a job whose result has plots of every kind."""
    job = client.post("/jobs", {"kind": "verify", "arguments": {"model": "tiny"}}, 202)
    client.hear(f"/jobs/{job['id']}/events")
    page = await open_page("#/settings", **options)

    async def drawn(route):
        answer = await route.fetch()
        await route.fulfill(response=answer, json=await answer.json() | {"plots": PLOTS})

    await page.route(f"**/jobs/{job['id']}", drawn)
    await page.goto(page.url.partition("#")[0] + f"#/jobs/{job['id']}")
    await expect(page.get_by_role("img", name="Two lines")).to_be_visible()
    return page


async def test_every_kind_of_plot_is_drawn_and_has_its_numbers_as_a_table(open_page, client):
    page = await with_plots(open_page, client)
    for one in PLOTS:
        figure = page.get_by_role("figure").filter(has_text=one["title"])
        await expect(figure.get_by_role("img", name=one["title"])).to_be_visible()
        rows = figure.get_by_role("row")
        await expect(rows).to_have_count(1 + sum(len(series["points"]) for series in one["series"]))
    table = page.get_by_role("figure").filter(has_text="A front").get_by_role("table")
    await expect(table).to_contain_text("Cost (nats)")
    assert "NaN" not in await page.locator("main").inner_html()


async def test_the_numbers_are_shown_when_they_are_asked_for(open_page, client):
    page = await with_plots(open_page, client)
    figure = page.get_by_role("figure").filter(has_text="Some bars")
    shown = figure.get_by_role("button", name="Show the numbers")
    await expect(shown).to_have_attribute("aria-expanded", "false")
    await shown.click()
    await expect(figure.get_by_role("button", name="Hide the numbers")).to_have_attribute(
        "aria-expanded", "true"
    )
    assert (await figure.get_by_role("table").bounding_box())["height"] > 40


async def test_the_keyboard_walks_through_the_points(open_page, client):
    page = await with_plots(open_page, client)
    figure = page.get_by_role("figure").filter(has_text="Two lines")
    await figure.get_by_role("img").press("ArrowRight")
    await expect(figure.get_by_text("calm: Strength 1 · Strength 2 (1–3)")).to_be_visible()
    await figure.get_by_role("img").press("ArrowRight")
    await expect(figure.get_by_text("calm: Strength 2 · Strength 4 (3–5)")).to_be_visible()


async def test_a_plot_is_saved_with_its_colours_and_its_numbers(open_page, client):
    page = await with_plots(open_page, client)
    async with page.expect_download() as saving:
        await page.get_by_role("button", name="Save “Two lines” as SVG").click()
    svg = Path(await (await saving.value).path()).read_text(encoding="utf-8")
    assert svg.startswith("<svg")
    assert "var(" not in svg
    assert re.search(r'stroke="rgb\(', svg)
    async with page.expect_download() as saving:
        await page.get_by_role("button", name="Save “A front” as CSV").click()
    rows = Path(await (await saving.value).path()).read_text(encoding="utf-8").splitlines()
    assert rows[0] == "Strength,Cost (nats),label"
    assert rows[2] == "2,0.1,'=best"  # no formula for a spreadsheet


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_plots_fit_a_phone(open_page, client, scheme):
    page = await with_plots(open_page, client, color_scheme=scheme, **PHONE)
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    wide = """() => [...document.querySelectorAll('.plot-picture text')]
        .filter((text) => text.getBoundingClientRect().right > innerWidth).map((text) => text.textContent)"""
    assert await page.evaluate(wide) == []
