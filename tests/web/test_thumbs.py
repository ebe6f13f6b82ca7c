"""Thumbs: a stroke to the side changes a reply, a long press opens its menu; the keyboard stays below."""

from __future__ import annotations

from acts import PHONE, composer, message, said
from playwright.async_api import expect

KEYBOARD = """() => {
    const view = new EventTarget();
    Object.assign(view, { height: innerHeight, scale: 1, offsetTop: 0 });
    Object.defineProperty(window, 'visualViewport', { value: view });
}"""


RESIZED = "(height) => (visualViewport.height = height, visualViewport.dispatchEvent(new Event('resize')))"


class Finger:
    """One of the screen's own, so that the browser decides what it means."""

    def __init__(self, session) -> None:
        self._session = session

    async def touch(self, kind, *points):
        points = [{"x": x, "y": y} for x, y in points]
        await self._session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    async def stroke(self, locator, across, along=0):
        box = await locator.bounding_box()
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        await self.touch("touchStart", (x, y))
        for step in range(1, 9):
            await self.touch("touchMove", (x + across * step / 8, y + along * step / 8))
        await self.touch("touchEnd")


async def finger_on(page):
    return Finger(await page.context.new_cdp_session(page))


async def test_a_stroke_changes_the_reply(open_page, chat):
    page = await open_page(f"#/chat/{chat.id}", **PHONE)
    await said(page, "Hello")
    finger, text = await finger_on(page), message(page, 2).locator(".prose")
    await finger.stroke(text, -120)
    await expect(message(page, 2)).to_contain_text("2/2")
    await expect(page.get_by_role("feed")).to_have_attribute("aria-busy", "false")
    await finger.stroke(text, 120)
    await expect(message(page, 2)).to_contain_text("1/2")


async def test_scrolling_and_short_strokes_change_nothing(open_page, chat):
    page = await open_page(f"#/chat/{chat.id}", **PHONE)
    await said(page, "Hello")
    finger, text = await finger_on(page), message(page, 2).locator(".prose")
    await finger.stroke(text, -30)
    await finger.stroke(text, -70, along=-200)
    await finger.stroke(message(page, 1).locator(".prose"), -120)
    await said(page, "Hello again")
    assert [len(one["swipe"]["ids"]) for one in chat.messages] == [1, 1, 1, 1]


async def test_a_long_press_opens_the_menu(open_page, chat):
    page = await open_page(f"#/chat/{chat.id}", **PHONE)
    await said(page, "Hello")
    finger, box = await finger_on(page), await message(page, 2).locator(".prose").bounding_box()
    await finger.touch("touchStart", (box["x"] + 40, box["y"] + 10))
    await expect(page.get_by_role("menuitem", name="Branch from here")).to_be_visible()
    await finger.touch("touchEnd")
    await expect(page.get_by_role("menuitem", name="Branch from here")).to_be_visible()


async def test_the_keyboard_of_the_screen_leaves_the_composer_in_sight(open_page, chat):
    page = await open_page(f"#/chat/{chat.id}", **PHONE)
    await page.context.add_init_script(f"({KEYBOARD})()")
    await page.reload()
    await composer(page).tap()
    await page.evaluate(RESIZED, 400)
    box = await composer(page).bounding_box()
    assert box["y"] + box["height"] <= 400
    await page.evaluate(
        "visualViewport.height = innerHeight, visualViewport.dispatchEvent(new Event('resize'))"
    )
    box = await page.get_by_role("navigation", name="Rooms").bounding_box()
    assert box["y"] + box["height"] > 800
