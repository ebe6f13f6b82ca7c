"""A search in the browser: asked for, looked at, a trial picked, heard blind as an adapter, or written."""

from __future__ import annotations

from typing import Any

import pytest
from acts import PHONE
from playwright.async_api import Page, expect
from test_directions import calm, settled

from fabula.lab.directions.search import plots
from fabula.lab.directions.search.front import front
from fabula.lab.directions.search.space import Space
from fabula.lab.directions.search.trials import Trial

__all__ = ["calm"]

FIGURES = [(0.59, 0.09), (0.52, 0.11), (0.97, 0.004), (0.6, 0.3), (0.2, 0.9)]


def result() -> dict[str, Any]:
    """As a search leaves it."""
    space = Space(30, "remove", ("attention", "mlp"))
    scopes: Any = ("global", "layers")
    trials = [
        Trial(
            number=number,
            seed=7,
            parameters=space.usual(15, (15, 25), scopes[number % 2]),
            trait=trait,
            spread=0.1,
            kl=kl,
            reply=f"What trial {number} wrote.",
        )
        for number, (trait, kl) in enumerate(FIGURES)
    ]
    best = front([(kl, trait) for trait, kl in FIGURES])
    rows = [
        {name: getattr(one, name) for name in Trial.__dataclass_fields__}
        | {"use": space.chosen(one.parameters)}
        for one in trials
    ]
    told = {
        "direction": "calm",
        "model": "tiny",
        "goal": "remove",
        "start": {"separation": 0.8},
        "recipe_hash": "5f0c99",
    }
    return told | {
        "trials": rows,
        "front": best,
        "seconds": 90.0,
        "plots": plots.of("remove", trials, best),
    }


async def found(open_page, client, **options) -> tuple[Page, str]:
    """The page of a search that is over, and its job."""
    job = client.post("/jobs", {"kind": "verify", "arguments": {"model": "tiny"}}, 202)
    client.hear(f"/jobs/{job['id']}/events")
    made = result()
    shown = [
        plot
        | {
            name: plot[name] | {"label": f"Words of {name}", "unit": "nats" if name == "x" else "%"}
            for name in "xy"
        }
        | {"title": "What each trial did", "about": "", "series": [plot["series"][0] | {"name": "Trials"}]}
        for plot in made.pop("plots")
    ]
    told = {"kind": "direction_search", "title": "calm × 5, tiny", "plots": shown, "result": made}
    page = await open_page("#/settings", **options)

    async def searched(route):
        answer = await route.fetch()
        await route.fulfill(response=answer, json=await answer.json() | told)

    await page.route(f"**/jobs/{job['id']}", searched)
    await page.goto(page.url.partition("#")[0] + f"#/directions/calm/searched/{job['id']}")
    return page, job["id"]


async def test_a_search_is_asked_for_and_what_is_wrong_is_said(open_page, calm):
    page = await open_page("#/directions/calm")
    await page.get_by_role("link", name="Search", exact=True).click()
    form = page.get_by_role("form", name="Search")
    await form.get_by_role("combobox", name="Model").select_option("tiny")
    await form.get_by_role("spinbutton", name="Trials").fill("3")
    await form.get_by_role("button", name="Search").click()
    await expect(form.get_by_role("alert")).to_contain_text("no longer the prompts")  # its hash is another


async def test_those_that_nothing_beats_are_offered_with_what_they_wrote(open_page, client, calm):
    page, _ = await found(open_page, client)
    await expect(page.get_by_role("img", name="What each trial did")).to_be_visible()
    await expect(page.get_by_text("5 trials on tiny")).to_be_visible()
    await expect(page.get_by_text("hardly differ (d′ 0.8)")).to_be_visible()
    await expect(page.get_by_role("radio")).to_have_count(4)
    await expect(page.get_by_text("Trial 2: trait 97%, KL 0.004")).to_be_visible()
    await page.get_by_text("Every trial (5)").click()
    await expect(page.get_by_role("row", name="3 60%")).to_be_visible()


async def test_a_picked_trial_becomes_an_adapter_and_is_heard_blind(open_page, client, calm):
    page, job = await found(open_page, client)
    begun: list[dict[str, Any]] = []
    asked: list[dict[str, Any]] = []

    async def begin(route):
        if route.request.method != "POST":
            return await route.fallback()
        begun.append(route.request.post_data_json)
        return await route.fulfill(json=client.get(f"/jobs/{job}"))

    def hear(request):
        if request.url.endswith("/generate"):
            asked.append(request.post_data_json["sampling"]["adapters"])

    adapters = {"adapters": [{"name": "calm-5f0c-1", "attached": True}]}
    await page.route("**/v1/jobs", begin)
    await page.route("**/models/tiny/adapters", lambda route: route.fulfill(json=adapters))
    page.on("request", hear)
    await page.get_by_text("What trial 1 wrote.").click()
    await page.get_by_role("button", name="Make the adapter").click()
    await page.get_by_role("button", name="Try it blind").click()
    await page.get_by_role("button", name="Take A").click()
    await expect(page.get_by_text("With the edit: calm-5f0c-1")).to_be_visible()
    await expect(page.get_by_text("As it was: tiny")).to_be_visible()
    assert begun[0]["kind"] == "direction_export"
    made = begun[0]["arguments"]
    assert (made["name"], made["scope"], made["mlp_ramp"]["middle"]) == ("calm-5f0c-1", "layers", 20)
    assert sorted(one["calm-5f0c-1"] for one in asked) == [0, 1]


async def test_a_picked_trial_is_written_where_it_can_be(open_page, client, calm):
    page, _ = await found(open_page, client)
    await page.get_by_text("What trial 4 wrote.").click()
    form = page.get_by_role("form", name="Into the weights")
    await form.get_by_role("combobox", name="Model").select_option("tiny")
    await form.get_by_role("button", name="Write it").click()
    await expect(form.get_by_role("alert")).to_be_visible()  # tiny has no attention and no feed-forward


@pytest.mark.parametrize("is_done", [False, True])
async def test_nothing_overflows_a_phone(open_page, client, calm, is_done):
    if is_done:
        page, _ = await found(open_page, client, locale="zh-TW", **PHONE)
        await page.get_by_text("What trial 1 wrote.").click()
    else:
        page = await open_page("#/directions/calm/search", locale="zh-TW", **PHONE)
    await settled(page)
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert await page.evaluate("document.querySelector('main').scrollWidth <= innerWidth")


async def test_a_screen_reader_finds_its_way(open_page, client, calm):
    from test_access import check  # where axe is not installed this one is skipped

    page, _ = await found(open_page, client)
    await page.get_by_text("What trial 1 wrote.").click()
    await settled(page)
    await check(page)
