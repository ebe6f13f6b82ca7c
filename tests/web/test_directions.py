"""Directions in the browser: learned, looked at, heard at several scales, written, and what that cost."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import numpy as np
import pytest
import steering_models
from acts import PHONE
from numpy.typing import NDArray
from playwright.async_api import Error, Page, expect
from talking import Client

from fabula.core.plots import Axis, Plot, Point, Series
from fabula.lab.directions import saved
from fabula.lab.directions.recipe import Recipe
from fabula.models.catalog import Catalog
from fabula.server.run import serve
from fabula.store.home import Home

QUESTIONS = "\n".join(f"What is the number {number} good for?" for number in range(12))
LONG_MS = 120_000  # a slow machine loads, reads and writes
ROW = {"accuracy": 0.97, "separation": 4.2, "component": 0.9, "distance": 2.0, "size": 9.0, "massive": 3.0}


def plot(title: str) -> dict[str, Any]:
    points = tuple(Point(x=x, y=x * 0.1) for x in range(9))
    axes = {"x": Axis(label="Layer"), "y": Axis(label="Share")}
    return Plot(kind="lines", title=title, series=(Series(name="layers", points=points),), **axes).kept()


def lay(home: Home, name: str, rows: NDArray[np.float64] | None = None, **told: Any) -> None:
    """A direction for the tiny model, as learning leaves it; or of other rows [3, layers, width]."""
    if rows is None:
        model = Catalog(home.models).find("tiny")
        rows = np.random.default_rng(0).standard_normal((3, model.layers, model.embedding))
    layers = rows.shape[1]
    rows[0] /= np.linalg.norm(rows[0], axis=1, keepdims=True)
    found = {
        "best": 0,
        "band": [0, layers - 1],
        "layers": [ROW | {"next": None}] * layers,
        "recipe": Recipe(model="tiny", positive="cheerful-gloomy").decided,
        "recipe_hash": "5" * 64,
        "model": {"name": "tiny", "architecture": "llama", "quantization": "F32", "fingerprint": "sha256:77"},
        "prompts": {"learned": [64, 64], "held_out": [32, 32], "hash": "99"},
        "versions": {"fabula": "1", "method": 1},
        "plots": [plot("How far the two sides lie apart")],
    }
    place = home.directions / f"{name}.safetensors"
    saved.write(place, dict(zip(saved.NAMES, rows, strict=True)), found | told)


@pytest.fixture
def calm(web_home: Home, client: Client) -> Iterator[str]:
    """Models that were made to write with it are gone afterwards: others load them in their own ways."""
    lay(web_home, "calm")
    yield "calm"
    (web_home.directions / "calm.safetensors").unlink(missing_ok=True)
    for row in client.get("/system")["running"]:
        client.http.post(f"/models/{row['model']}/unload")


# ── a list, and what was found ──────────────────────────────────────────────────────────────────────


async def test_an_empty_shelf_teaches_with_one_sentence_and_one_action(open_page):
    page = await open_page("#/lab")
    await page.get_by_role("link", name="Directions").click()
    await expect(page.get_by_text("learn one, and it becomes a slider")).to_be_visible()
    await page.get_by_role("link", name="Learn a direction").click()
    await expect(page.get_by_role("form", name="Learn a direction")).to_be_visible()


async def test_a_model_leads_to_learning_from_it(open_page):
    page = await open_page("#/models/tiny")
    await page.get_by_role("link", name="Learn a direction from it").click()
    await expect(page.get_by_role("combobox", name="Model")).to_have_value("tiny")


async def test_what_was_found_is_told_in_words_figures_and_plots(open_page, calm):
    page = await open_page("#/directions")
    await page.get_by_role("link", name="calm", exact=True).click()
    await expect(page.get_by_text("Best at layer 0: 97% of the held-out prompts")).to_be_visible()
    await expect(page.get_by_role("img", name="How far the two sides lie apart")).to_be_visible()
    await page.get_by_text("Every layer (1)").click()
    await expect(page.get_by_role("row", name="0 97% 4.2")).to_be_visible()
    await page.get_by_text("Where it comes from").click()
    await expect(page.get_by_text("sha256:77")).to_be_visible()


async def test_doubts_about_a_direction_are_told_in_words(open_page, web_home):
    weak = ROW | {"accuracy": 0.7, "next": None}
    lay(web_home, "weak", layers=[weak], prompts={"learned": [6, 6], "held_out": [3, 3], "hash": "99"})
    page = await open_page("#/directions/weak")
    await expect(page.get_by_text("Only 70% of the held-out prompts are told apart")).to_be_visible()
    await expect(page.get_by_text("from 9 prompts a side")).to_be_visible()
    (web_home.directions / "weak.safetensors").unlink()


@pytest.mark.parametrize(
    ("locale", "parts", "lacks"),
    [
        ("en-GB", "Model, Recipe, Hash of the recipe", "Its file lacks some of its metadata"),
        ("zh-TW", "模型, 配方, 配方的雜湊", "檔案缺少部分中繼資料"),
        ("zh-CN", "模型, 配方, 配方的哈希", "文件缺少部分元数据"),
    ],
)
async def test_what_a_file_lacks_is_told_on_all_its_pages(open_page, web_home, calm, locale, parts, lacks):
    """One that comes from elsewhere hides no other, and no figure is made up for it."""
    names = ("model", "recipe", "recipe_hash", "prompts", "versions", "layers", "plots")
    lay(web_home, "bare", **dict.fromkeys(names))
    (web_home.directions / "cut.safetensors").write_bytes(b"cut")
    page = await open_page("#/directions", locale=locale)
    row = page.get_by_role("listitem").filter(has=page.get_by_role("link", name="bare", exact=True))
    await expect(row).to_contain_text(parts)
    await expect(row).not_to_contain_text("%")
    await expect(page.get_by_role("link", name="calm", exact=True)).to_be_visible()
    await expect(page.get_by_text("cut.safetensors").first).to_be_visible()
    for part in ("", "/try", "/search", "/write"):
        await page.goto(f"{page.url.split('#')[0]}#/directions/bare{part}")
        await expect(page.get_by_text(lacks)).to_contain_text(parts)
        await expect(page.get_by_role("main").get_by_role("heading", level=2).first).to_be_visible()
        await expect(page.get_by_text("0%")).to_have_count(0)
    for name in ("bare", "cut"):
        (web_home.directions / f"{name}.safetensors").unlink()


async def test_a_direction_that_was_removed_can_be_taken_back(open_page, client, calm):
    page = await open_page("#/directions/calm")
    await page.get_by_role("button", name="Remove this direction").click()
    await expect(page.get_by_role("link", name="calm", exact=True)).to_have_count(0)
    await page.get_by_role("button", name="Undo").click()
    await expect(page.get_by_role("link", name="calm", exact=True)).to_be_visible()
    assert client.get("/directions/calm")["name"] == "calm"


# ── learning ────────────────────────────────────────────────────────────────────────────────────────


async def test_a_set_that_ships_is_shown_from_both_sides_and_turned_round(open_page):
    page = await open_page("#/directions//learn")
    await page.get_by_role("combobox", name="Set").select_option("cheerful-gloomy")
    await expect(page.get_by_role("heading", name="+ cheerful")).to_be_visible()
    await page.get_by_role("button", name="Turn it round").click()
    await expect(page.get_by_role("heading", name="+ gloomy")).to_be_visible()
    await expect(page.get_by_text("64 to learn from, 32 held out")).to_be_visible()


async def test_prompts_of_ones_own_are_counted_and_faults_told(open_page, tmp_path: Path):
    page = await open_page("#/directions//learn")
    await page.get_by_text("Two of my own").click()
    one = page.get_by_role("textbox", name="Prompts that have the trait")
    await one.fill("Only one.")
    await expect(page.get_by_text("It has 1 prompts; at least 8 are needed")).to_be_visible()
    await one.fill(f"{QUESTIONS}\nWhat is the number 1 good for?")
    await expect(page.get_by_text("12 prompts: 8 to learn from, 4 held out")).to_be_visible()
    await expect(page.get_by_text("1 were there twice")).to_be_visible()
    file = tmp_path / "other.jsonl"
    file.write_text("".join(f'{{"prompt": "Say {number}"}}\n' for number in range(9)), encoding="utf-8")
    await page.get_by_label("Load a file").nth(1).set_input_files(file)
    await expect(page.get_by_text("9 prompts: 6 to learn from, 3 held out")).to_be_visible()


async def test_a_job_begins_from_own_prompts_and_is_watched(open_page, client):
    page = await open_page("#/directions//learn/tiny")
    await page.get_by_text("Two of my own").click()
    await page.get_by_role("textbox", name="Prompts that have the trait").fill(QUESTIONS)
    await page.get_by_role("textbox", name="opposite").fill(QUESTIONS.replace("What", "Why"))
    await page.get_by_role("textbox", name="Name").fill("numbers-of-mine")
    await page.get_by_role("button", name="Learn it").click()
    await expect(page.get_by_role("heading", name="A direction is being learned")).to_be_visible()
    await expect(page.get_by_role("link", name="numbers-of-mine ← tiny", exact=True)).to_be_visible()
    (job,) = [one for one in client.get("/jobs")["jobs"] if one["title"] == "numbers-of-mine ← tiny"]
    client.hear(f"/jobs/{job['id']}/events")
    await expect(page.get_by_role("button", name="Try again")).to_be_visible()  # it has no weights to read


async def test_a_job_that_is_done_leads_to_its_direction(open_page, client, calm):
    job = client.post("/jobs", {"kind": "verify", "arguments": {"model": "tiny"}}, 202)
    client.hear(f"/jobs/{job['id']}/events")
    page = await open_page("#/settings")
    studio = page.url.partition("#")[0]
    await page.goto("about:blank")

    async def learned(route):
        with suppress(Error):  # the page has gone
            told = await (await route.fetch()).json()
            made = {"kind": "direction", "result": {"name": "calm"}}
            jobs = [one | made if one["id"] == job["id"] else one for one in told["jobs"]]
            await route.fulfill(json=told | {"jobs": jobs})

    await page.route("**/v1/system?*", learned)  # the jobs come with it
    await page.goto(studio + f"#/directions//job/{job['id']}")
    await expect(page.get_by_role("heading", name="calm", level=1)).to_be_visible()


async def test_what_cannot_be_learned_is_said_beside_its_field(open_page):
    page = await open_page("#/directions//learn/tiny")
    await expect(page.get_by_text("64 to learn from")).to_be_visible()
    await page.locator("summary", has_text="More").click()
    await page.get_by_role("textbox", name="Place in the prompt").fill("first")
    await page.get_by_role("button", name="Learn it").click()
    field = page.get_by_role("textbox", name="Place in the prompt")
    await expect(field).to_have_attribute("aria-invalid", "true")


# ── heard ───────────────────────────────────────────────────────────────────────────────────────────


def reply(page: Page, scale: str):
    return page.get_by_role("region", name=f"Reply at {scale}", exact=True)


async def test_the_same_question_is_answered_at_three_scales(open_page, calm):
    page = await open_page("#/directions/calm/try")
    asked: list[dict[str, Any]] = []
    page.on(
        "request", lambda one: asked.append(one.post_data_json) if one.url.endswith("/generate") else None
    )
    await page.get_by_role("button", name="Write the replies").click()
    for scale in ("−1", "0", "+1"):
        await expect(reply(page, scale)).to_contain_text("Reply number")
    await expect(page.get_by_role("button", name="Write the replies")).to_be_visible()
    assert [one["sampling"]["control_vectors"] for one in asked] == [{"calm": -1}, {"calm": 0}, {"calm": 1}]
    assert len({one["sampling"]["seed"] for one in asked}) == 1


async def test_only_the_reply_of_a_scale_that_moved_is_written_anew(open_page, calm):
    page = await open_page("#/directions/calm/try")
    await page.get_by_role("button", name="Write the replies").click()
    await expect(reply(page, "+1")).to_contain_text("Reply number")
    await expect(page.get_by_role("button", name="Write the replies")).to_be_visible()  # sliders wait
    kept = await reply(page, "0").get_by_role("paragraph").first.inner_text()
    await page.get_by_role("slider", name="Scale of reply 3").press("End")
    await expect(reply(page, "+2")).to_contain_text("Written with other settings.")
    await page.get_by_role("button", name="Write the replies").click()
    await expect(reply(page, "+2")).not_to_contain_text("Written with other settings.")
    await expect(reply(page, "0")).to_contain_text(kept)


async def test_a_scale_goes_into_a_chat_with_its_sliders_open(open_page, client, calm):
    page = await open_page("#/directions/calm/try")
    await page.get_by_role("button", name="Use +1 in a chat").click()
    await page.wait_for_url("**/#/chat/*")
    chat = client.get(f"/chats/{page.url.rpartition('/')[2]}")
    assert (chat["model"], chat["sampling"]) == ("tiny", {"control_vectors": {"calm": 1}})


# ── written ─────────────────────────────────────────────────────────────────────────────────────────

MEASURED = {
    "kl": 0.041,
    "same_top": 0.93,
    "perplexity": 8.6,
    "source_perplexity": 8.4,
    "samples": [{"prompt": "How was your day?", "before": "It rained.", "after": "It shone."}],
    "streamed": {"why": "written", "tokens": 12, "seconds": 41.0},
}


async def test_an_edit_is_looked_at_written_and_its_cost_told(open_page, client, calm):
    page = await open_page("#/directions/calm/write")
    form = page.get_by_role("form", name="Into the weights")
    await form.get_by_role("combobox", name="Model").select_option("tiny")
    await expect(form.get_by_role("alert")).to_be_visible()  # it has no attention and no feed-forward
    await form.get_by_role("checkbox", name="Change embeddings").check()
    await expect(form.get_by_text("1 tensors change (embeddings 1)")).to_be_visible()
    await form.locator("summary", has_text="More").click()
    await form.get_by_role("textbox", name="Name").fill("calmer-tiny")
    await form.get_by_role("checkbox", name="Measure what it cost").uncheck()
    await expect(form.get_by_text("The new model is calmer-tiny")).to_be_visible()
    await form.get_by_role("button", name="Write it").click()
    await expect(page.get_by_role("heading", name="calmer-tiny")).to_be_visible(timeout=LONG_MS)
    await expect(page.get_by_text("What it cost was not measured.")).to_be_visible(timeout=LONG_MS)
    await expect(page.get_by_text("Left of the direction")).to_be_visible()
    client.call("DELETE", "/models/calmer-tiny", 204)


@pytest.fixture
def still(web_home: Home, client: Client) -> Iterator[str]:
    """A direction, and a model whose layers have a place where it can be added."""
    file = steering_models.make(web_home.models / "small.gguf", "llama")
    rows = np.random.default_rng(0).standard_normal((3, steering_models.LAYERS, steering_models.WIDTH))
    lay(web_home, "still", rows, band=[0, 2], model={"name": "small", "fingerprint": "sha256:77"})
    yield "still"
    for path in (file, web_home.directions / "still.safetensors", web_home.models / "always-still.gguf"):
        path.unlink(missing_ok=True)


async def test_it_is_added_for_good_where_that_can_be(open_page, client, still):
    page = await open_page("#/directions/still/write")
    form = page.get_by_role("form", name="Into the weights")
    await form.get_by_role("combobox", name="What is done").select_option("Always add it")
    await expect(form.get_by_role("combobox", name="Model")).to_have_value("small")
    await expect(form.get_by_role("checkbox", name="Change attention")).to_have_count(0)
    await form.get_by_role("spinbutton", name="Scale").fill("-1.5")
    await expect(form.get_by_text("2 biases take the direction (feed-forward 2)")).to_be_visible()
    await form.locator("summary", has_text="More").click()
    await expect(form.get_by_role("combobox", name="Where it is added")).to_have_value("layer")
    await form.get_by_role("textbox", name="Name").fill("always-still")
    await form.get_by_role("checkbox", name="Measure what it cost").uncheck()
    await expect(form.get_by_text("The new model is always-still")).to_be_visible()
    await form.get_by_role("button", name="Write it").click()
    await expect(page.get_by_text("What it cost was not measured.")).to_be_visible(timeout=LONG_MS)
    await expect(page.get_by_text("Always added at scale")).to_be_visible()
    await expect(page.get_by_text("−1.5", exact=True)).to_be_visible()
    await page.goto(page.url.partition("#")[0] + "#/directions/still/write")
    await expect(page.get_by_text("Always added at scale −1.5")).to_be_visible()


async def with_cost(open_page, client, **options):
    """The page of an edit that was measured."""
    job = client.post("/jobs", {"kind": "verify", "arguments": {"model": "tiny"}}, 202)
    client.hear(f"/jobs/{job['id']}/events")
    made = {"name": "wise", "source": "tiny", "direction": "calm", "tensors": ["a", "b"], "most_left": 1e-7}
    told = {
        "kind": "direction_write",
        "plots": [],
        "result": made | {"size": 9000, "source_size": 9000, "measured": MEASURED},
    }
    page = await open_page("#/settings", **options)

    async def written(route):
        answer = await route.fetch()
        await route.fulfill(response=answer, json=await answer.json() | told)

    await page.route(f"**/jobs/{job['id']}", written)
    await page.goto(page.url.partition("#")[0] + f"#/directions/calm/written/{job['id']}")
    return page


async def test_what_an_edit_cost_is_told_with_replies_before_and_after(open_page, client, calm):
    page = await with_cost(open_page, client)
    await expect(page.get_by_text("0.041 nats per token")).to_be_visible()
    await expect(page.get_by_text("8.4 → 8.6")).to_be_visible()
    await expect(page.get_by_text("It rained.")).to_be_visible()
    await expect(page.get_by_text("It shone.")).to_be_visible()
    await expect(page.get_by_text("(41 s), so replies end after 12 tokens at most")).to_be_visible()


async def test_two_models_are_told_apart_only_once_one_is_chosen(open_page, client, calm):
    page = await with_cost(open_page, client)
    await page.get_by_role("button", name="Try it blind").click()
    await expect(page.get_by_role("button", name="Take B")).to_be_enabled()
    await expect(page.get_by_text("As it was: tiny")).to_have_count(0)
    await page.get_by_role("button", name="Take A").click()
    await expect(page.get_by_text("As it was: tiny")).to_be_visible()
    await expect(page.get_by_text("With the edit: wise")).to_be_visible()


# ── on every screen ─────────────────────────────────────────────────────────────────────────────────


async def settled(page: Page) -> None:
    """Until the page is there and says no more that it is loading."""
    await expect(page.get_by_role("heading", level=1)).to_be_visible()
    await expect(page.get_by_text("Loading…")).to_have_count(0)
    await expect(page.get_by_text("載入中…")).to_have_count(0)


@pytest.mark.parametrize("part", ["", "/calm", "/calm/try", "/calm/write", "//learn"])
async def test_nothing_overflows_a_phone(open_page, calm, part):
    page = await open_page(f"#/directions{part}", locale="zh-TW", **PHONE)
    await settled(page)
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert await page.evaluate("document.querySelector('main').scrollWidth <= innerWidth")


async def test_a_screen_reader_finds_its_way(open_page, client, calm):
    from test_access import check  # where axe is not installed this one is skipped

    page = await with_cost(open_page, client)
    await expect(page.get_by_text("0.041 nats per token")).to_be_visible()
    await check(page)
    for part in ("", "calm", "calm/try", "calm/write", "/learn"):
        await page.goto(page.url.partition("#")[0] + f"#/directions/{part}")
        await settled(page)
        await check(page)


# ── the whole way once ──────────────────────────────────────────────────────────────────────────────


@contextmanager
def real_studio(home: Home) -> Iterator[Client]:
    ready: SimpleQueue[str] = SimpleQueue()
    stop = threading.Event()
    run = {"ready": ready.put, "stop": stop}
    thread = threading.Thread(target=serve, args=(home, {"port": 0, "engine.threads": 2}), kwargs=run)
    thread.start()
    client = Client(ready.get(timeout=60))
    yield client
    client.http.close()
    stop.set()
    thread.join()


async def test_a_direction_is_learned_from_a_real_model_and_heard(open_page, starter_model, tmp_path):
    home = Home(tmp_path / "home").create()
    shutil.copy(starter_model, home.models / starter_model.name)
    with real_studio(home) as client:
        model = client.get("/models")["models"][0]["name"]
        page = await open_page("#/directions//learn", address=client.address)
        await page.get_by_text("Models that cannot, and why (1)").click()
        await expect(page.get_by_text("this needs Q8_0 or finer")).to_be_visible()
        await page.get_by_role("combobox", name="Set").select_option("cheerful-gloomy")
        await page.locator("summary", has_text="More").click()
        await page.get_by_role("checkbox", name="Also from coarse weights").check()
        await page.get_by_role("spinbutton", name="Prompts of each side").fill("9")
        await page.get_by_role("combobox", name="Model").select_option(model)
        await page.get_by_role("button", name="Learn it").click()
        title = page.get_by_role("heading", name="cheerful-gloomy", level=1)
        await expect(title).to_be_visible(timeout=LONG_MS)
        await expect(page.get_by_role("img", name="How far the two sides lie apart")).to_be_visible()
        await page.get_by_role("link", name="Hear it").click()
        await page.locator("summary", has_text="Length, temperature, seed").click()
        await page.get_by_role("spinbutton", name="Tokens at most").fill("12")
        await page.get_by_role("button", name="Write the replies").click()
        for scale in ("−1", "0", "+1"):
            text = reply(page, scale).get_by_role("group", name="Its text")
            await expect(text.locator(".prose")).to_be_visible(timeout=LONG_MS)
        await expect(page.get_by_role("button", name="Write the replies")).to_be_visible(timeout=LONG_MS)
