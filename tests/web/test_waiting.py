"""A model that is busy: the reply says where it stands in line."""

from __future__ import annotations

from acts import message, say, until_written
from playwright.async_api import expect


async def test_a_reply_tells_its_place_in_line(page, client, chat):
    slots = client.post("/models/tiny/load")["plan"]["slots"]
    others = [client.new_chat(model="tiny") for _ in range(slots + 1)]
    turns = [other.start(kind="reply", text="Speak slowly")["turn_id"] for other in others]
    await say(page, "Hello")
    await expect(message(page, 2)).to_contain_text("number 2 in line for the model")
    client.post(f"/turns/{turns[0]}/stop", status=202)
    await expect(message(page, 2)).to_contain_text("next in line for the model")
    for turn in turns[1:]:
        client.post(f"/turns/{turn}/stop", status=202)
    await until_written(page)
    await expect(message(page, 2)).to_contain_text("Reply number")
