"""Evaluation in the browser: asked for, one model's scores, two compared, the probes of a cost."""

from __future__ import annotations

from typing import Any

import pytest
from acts import PHONE
from playwright.async_api import Page, expect
from test_api_evals import compared, outcomes

from fabula.evals.probes import bank, result


async def over(open_page, client, kind: str, made: dict[str, Any], place: str, **options: Any) -> Page:
    """The page of a job that is over, with what came of it."""
    job = client.post("/jobs", {"kind": "verify", "arguments": {"model": "tiny"}}, 202)
    client.hear(f"/jobs/{job['id']}/events")
    page = await open_page("#/settings", **options)

    async def told(route):
        answer = await route.fetch()
        said = {"kind": kind, "title": "tiny → tinier", "plots": [], "result": made}
        await route.fulfill(response=answer, json=await answer.json() | said)

    await page.route(f"**/jobs/{job['id']}", told)
    await page.goto(page.url.partition("#")[0] + f"#/{place.format(job=job['id'])}")
    return page


async def test_a_model_leads_to_its_probes_and_what_is_wrong_is_said(open_page, client):
    page = await open_page("#/models/tiny")
    await page.get_by_role("link", name="Ask it the probes").click()
    form = page.get_by_role("form", name="Ask the probes")
    await expect(form.get_by_role("combobox", name="Model")).to_have_value("tiny")
    await form.get_by_role("combobox", name="Languages").select_option("en")
    await form.get_by_role("button", name="Begin").click()
    await expect(page.get_by_role("heading", name="tiny", level=1)).to_be_visible()
    failed = page.get_by_text("could not be loaded").first  # it has no layers
    await expect(failed).to_be_visible(timeout=60_000)  # a process for the job, and one for the engine


async def test_one_model_is_shown_with_intervals_and_what_it_got_wrong(open_page, client):
    found = {"model": "tiny", "against": ""} | result.scores(outcomes("loops"), bank.chosen("en"))
    page = await over(open_page, client, "probes", found, "evals/{job}")
    table = page.get_by_role("table", name="Probes by group")
    await expect(table.get_by_role("row", name="Facts 20")).to_contain_text("100% (84% to 100%)")
    await expect(table.get_by_role("row", name="No loops 5")).to_contain_text("0% (0% to 43%)")
    await expect(page.get_by_text("Said to en/open/walk.")).to_be_visible()
    await expect(page.get_by_text("Repeats itself: so on").first).to_be_visible()
    await expect(page.get_by_text("Said to en/facts/france.")).to_have_count(0)
    await page.get_by_role("combobox", name="Which are shown").select_option("right")
    await expect(page.get_by_text("Said to en/facts/france.")).to_be_visible()


async def test_two_models_are_compared_with_what_changed(open_page, client):
    found = {"model": "tiny", "against": "tinier"} | compared("facts")
    page = await over(open_page, client, "probes", found, "evals/{job}")
    await expect(page.get_by_text("20 turned wrong and 0 turned right: worse than chance")).to_be_visible()
    await expect(page.get_by_role("row", name="Facts 20")).to_contain_text("20 wrong, 0 right")
    await expect(page.get_by_text("What changed (20)")).to_be_visible()
    await expect(page.get_by_text("Said to").first).to_be_visible()
    await page.get_by_text("14 more").click()
    await expect(page.get_by_text("Expected: Paris")).to_be_visible()


@pytest.mark.parametrize("options", [{}, PHONE], ids=["desk", "phone"])
async def test_the_probes_stand_on_the_page_of_what_a_quantization_cost(open_page, client, options):
    made = {
        "name": "tinier",
        "type": "Q4_0",
        "measured": {"kl": 0.1, "same_top": 0.9, "perplexity": 11, "source_perplexity": 10},
    }
    made["measured"] |= {"probes": compared("loops")}
    page = await over(open_page, client, "quantize", made, "jobs/{job}", **options)
    await expect(page.get_by_role("heading", name="Probes")).to_be_visible()
    await expect(page.get_by_text("5 turned wrong and 0 turned right. Chance alone")).to_be_visible()
    wide = await page.evaluate("document.documentElement.scrollWidth - innerWidth")
    assert wide <= 0


async def test_probes_that_could_not_be_asked_say_why(open_page, client):
    error = {"code": "does_not_fit", "message": "It needs more memory than there is.", "fields": {}}
    made = {
        "name": "tinier",
        "type": "Q4_0",
        "measured": {
            "kl": 0.1,
            "same_top": 0.9,
            "perplexity": 11,
            "source_perplexity": 10,
            "probes": {"error": error},
        },
    }
    page = await over(open_page, client, "quantize", made, "jobs/{job}")
    await expect(page.get_by_text("It needs more memory than there is.")).to_be_visible()
