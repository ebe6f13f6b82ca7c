"""A novel with the real engine and the starter model: written on, tried again, what was read stays read."""

from __future__ import annotations

from typing import Any

from penned import a_novel, button, kept, opened, paper, told
from playwright.async_api import expect
from test_real_engine import LONG_MS, real_client

__all__ = ["real_client"]
SAMPLING = {"temperature": 0.8, "seed": 1, "max_tokens": 24}
OPENING = "The harbour lay under fog. Ann counted the lamps along the quay and found one missing. " * 3


async def test_a_real_model_goes_on_and_another_try_reads_next_to_nothing(
    open_page: Any, real_client: Any
) -> None:
    model = real_client.get("/models")["models"][0]["name"]
    novel = a_novel(real_client, OPENING, model=model, sampling=SAMPLING)
    page = await opened(open_page, novel, address=real_client.address)
    await told(page).fill("A boat comes in.")
    await button(page, "Continue").click()
    await expect(button(page, "Write it again")).to_be_enabled(timeout=LONG_MS)
    first = await paper(page).input_value()
    assert first.startswith(OPENING)
    assert kept(real_client, novel) == first
    await button(page, "Write it again").click()
    await expect(page.get_by_text("2/2")).to_be_visible(timeout=LONG_MS)
    passages = real_client.get(f"/novels/{novel['id']}/passages")["passages"]
    facts = passages[0]["facts"]
    assert facts["reused_tokens"] >= facts["prompt_tokens"] - 2
    await button(page, "Earlier version of the passage").click()
    await expect(paper(page)).to_have_value(first)
