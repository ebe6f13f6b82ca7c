"""A notebook on the screen: raw text, the chance of each token, another one put in its place."""

from __future__ import annotations

import re
from typing import Any

from penned import a_notebook, button, opened, paper, saved, wrote
from playwright.async_api import expect


async def test_a_notebook_goes_on_with_the_bare_text(open_page: Any, client: Any) -> None:
    note = a_notebook(client, "Once upon a time ")
    page = await opened(open_page, note)
    await paper(page).press("Control+End")
    await paper(page).press_sequentially("there was ")
    await wrote(page)
    await expect(paper(page)).to_have_value(re.compile(r"^Once upon a time there was Reply number \d+\.$"))
    await button(page, "What the model is told").click()
    await page.get_by_role("tab", name="Prompt").click()
    await page.get_by_text("The whole prompt as text").click()
    whole = await page.locator("pre").inner_text()
    assert whole == client.get(f"/notebooks/{note['id']}/text")["text"]


async def test_another_token_is_picked_and_the_model_goes_on_from_there(open_page: Any, client: Any) -> None:
    note = a_notebook(client, "Once ")
    page = await opened(open_page, note)
    await wrote(page)
    before = await paper(page).input_value()
    await button(page, "Chances of the tokens").click()
    await page.get_by_role("button", name=re.compile("^Reply, 78%")).click()
    others = page.get_by_role("group", name="What else could have come").get_by_role("button")
    await expect(others.first).to_be_disabled()
    await others.nth(1).click()
    await button(page, "Chances of the tokens").click()
    await expect(paper(page)).to_have_value(re.compile(r"^Once \ufffd ?Reply number \d+\.$"))
    await saved(page)
    now = await paper(page).input_value()
    assert client.get(f"/notebooks/{note['id']}/text")["text"] == now
    for text in (re.compile("^Once \ufffd$"), before):
        await button(page, "Undo").click()
        await expect(paper(page)).to_have_value(text)


async def test_versions_of_a_notebooks_passage(open_page: Any, client: Any) -> None:
    page = await opened(open_page, a_notebook(client, "Once "))
    await wrote(page)
    first = await paper(page).input_value()
    await button(page, "Write it again").click()
    await expect(page.get_by_text("2/2")).to_be_visible()
    await paper(page).press("Alt+,")
    await expect(paper(page)).to_have_value(first)
