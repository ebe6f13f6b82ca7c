"""Pictures and texts that go with a message, formulas, and messages in another language."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from acts import choose, composer, held, message, prose, said
from playwright.async_api import expect

PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d49444154789c6360"
    "f8cfc0f01f0005000201ff5c0b0d0a0000000049454e44ae426082"
)
PASTE = """async ([name, type, bytes]) => {
  const data = new DataTransfer();
  data.items.add(new File([new Uint8Array(bytes)], name, { type }));
  const box = document.getElementById("composer");
  box.dispatchEvent(new ClipboardEvent("paste", { clipboardData: data, bubbles: true, cancelable: true }));
}"""

DROP = """([name, type, text]) => {
  const data = new DataTransfer();
  data.items.add(new File([text], name, { type }));
  const main = document.getElementById("main");
  for (const kind of ["dragenter", "dragover", "drop"])
    main.dispatchEvent(new DragEvent(kind, { dataTransfer: data, bubbles: true, cancelable: true }));
}"""


async def test_a_text_file_goes_with_the_message(page, chat, tmp_path: Path):
    (tmp_path / "lamps.py").write_text("count = 12\n", encoding="utf-8")
    async with page.expect_file_chooser() as waited:
        await page.get_by_role("button", name="Attach pictures or text files").click()
    await (await waited.value).set_files(tmp_path / "lamps.py")
    await expect(page.get_by_role("list", name="Attached to your message")).to_contain_text("lamps.py")
    await said(page, "What does it do?")
    await expect(message(page, 1).locator("pre code")).to_have_text("count = 12")
    assert chat.texts[0] == "What does it do?\n\n**lamps.py**\n\n```py\ncount = 12\n```"
    await expect(page.get_by_role("list", name="Attached to your message")).to_have_count(0)


async def test_a_model_that_sees_nothing_refuses_a_picture(page):
    await expect(composer(page)).to_be_visible()
    await page.evaluate(PASTE, ["lamp.png", "image/png", list(PNG)])
    await expect(page.get_by_text("sees no images")).to_be_visible()
    await expect(page.get_by_role("list", name="Attached to your message")).to_have_count(0)


async def test_what_is_no_text_is_refused(page):
    await expect(composer(page)).to_be_visible()
    await page.evaluate(PASTE, ["tool.exe", "application/octet-stream", [77, 90, 0, 255]])
    await expect(page.get_by_text("tool.exe is neither a text nor a picture.")).to_be_visible()


async def test_a_picture_of_a_message_is_shown_from_the_studio(page, client, chat):
    kept = client.call("POST", "/chats/attachments", 201, content=PNG)
    chat.add("user", f"![a lamp](attachment:{kept['name']})")
    picture = message(page, 1).get_by_role("img", name="a lamp")
    await expect(picture).to_be_visible()
    await expect(picture).to_have_attribute("src", re.compile(kept["name"]))
    await expect(picture).to_have_js_property("naturalWidth", 1)


FORMULAS = r"""It costs $5 and $10.

Then $E = mc^2$ holds, and

$$\int_0^1 x\,dx = \tfrac12$$

\( \boldsymbol{a} \) `$no$` \(\href{javascript:alert(1)}{x}\)"""


async def test_formulas_are_set(page, chat):
    chat.add("assistant", FORMULAS)
    reply = prose(page, 1)
    await expect(reply.locator("math")).to_have_count(3)
    await expect(reply.locator("math[display=block]")).to_have_count(1)
    await expect(reply).to_contain_text("It costs $5 and $10.")
    await expect(reply.locator("code")).to_have_text(["$no$", r"\href{javascript:alert(1)}{x}"])


async def test_a_page_without_formulas_does_not_fetch_their_library(page, chat):
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    await said(page, "Tell me a story")
    assert not [url for url in asked if "temml" in url]


async def test_a_message_is_translated_beside_itself(page, chat):
    chat.add("assistant", "The lamp is lit.")
    await choose(page, 1, "Translate")
    dialog = page.get_by_role("dialog", name="Translate")
    await dialog.get_by_label("Into").select_option("zh-Hant")
    await dialog.get_by_role("button", name="Translate").click()
    beside = message(page, 1).get_by_role("region", name="In Traditional Chinese")
    await expect(beside).to_contain_text("Reply number")
    await expect(message(page, 1)).to_contain_text("The lamp is lit.")
    await page.reload()
    await expect(beside).to_contain_text("Reply number")
    await beside.get_by_role("button", name="Remove the translation").click()
    await expect(beside).to_have_count(0)
    assert chat.texts == ["The lamp is lit."]


@pytest.mark.parametrize("kind", ["picture", "text"])
async def test_files_are_dropped_on_the_chat(page, kind):
    name, type_, text = (
        ("lamp.png", "image/png", "x") if kind == "picture" else ("notes.txt", "text/plain", "Twelve.")
    )
    await expect(composer(page)).to_be_visible()
    await page.evaluate(DROP, [name, type_, text])
    told = page.get_by_text("sees no images") if kind == "picture" else page.get_by_text("notes.txt")
    await expect(told).to_be_visible()
    await expect(page.get_by_role("button", name="Send")).to_be_visible()  # it goes with what is said next


async def test_files_that_are_dropped_before_the_chat_is_read_go_to_it(open_page, chat):
    page = await open_page()
    answer = await held(page, f"/chats/{chat.id}$")
    await page.evaluate("where => { location.hash = where }", f"#/chat/{chat.id}")
    await expect(composer(page)).to_be_visible()
    await page.evaluate(DROP, ["notes.txt", "text/plain", "Twelve."])
    await answer.let_go()
    await expect(page.get_by_role("list", name="Attached to your message")).to_contain_text("notes.txt")
