"""The connection breaks in the middle of a reply: it goes on where it was, and nothing is lost or doubled."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import pytest_asyncio
from acts import PHONE, composer, message, say, texts, until_written
from playwright.async_api import expect
from script import STEADILY
from talking import Client


class Cable:
    """Between a browser and a studio. It can be cut: all that goes through it ends at once."""

    def __init__(self, host: str, port: int) -> None:
        self._to = host, port
        self._ends: set[asyncio.StreamWriter] = set()

    async def lay(self) -> str:
        """The address of its end at the browser."""
        self._door = await asyncio.start_server(self._join, "127.0.0.1", 0)
        return f"http://127.0.0.1:{self._door.sockets[0].getsockname()[1]}"

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        studio_reader, studio_writer = await asyncio.open_connection(*self._to)
        self._ends |= {writer, studio_writer}
        await asyncio.gather(self._carry(reader, studio_writer), self._carry(studio_reader, writer))

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while piece := await reader.read(65536):
                writer.write(piece)
                await writer.drain()
        except ConnectionError:
            pass  # cut
        writer.close()

    def cut(self) -> None:
        for end in self._ends:
            end.transport.abort()
        self._ends.clear()

    async def close(self) -> None:
        self._door.close()
        self.cut()


@pytest_asyncio.fixture(loop_scope="session")
async def cable(client: Client) -> AsyncIterator[Cable]:
    studio = urlsplit(client.address)
    assert studio.hostname
    assert studio.port
    cable = Cable(studio.hostname, studio.port)
    yield cable
    await cable.close()


async def test_a_reply_goes_on_where_the_connection_broke(open_page, chat, cable):
    page = await open_page(f"#/chat/{chat.id}", address=await cable.lay())
    await say(page, "Speak steadily")
    for step in ("step10", "step30", "step50"):
        await expect(message(page, 2)).to_contain_text(step)
        cable.cut()
    await until_written(page)
    assert await texts(page) == ["Speak steadily", STEADILY.text]
    assert chat.texts == ["Speak steadily", STEADILY.text]


async def test_a_phone_that_was_offline_takes_the_reply_up_again(open_page, chat):
    page = await open_page(f"#/chat/{chat.id}", **PHONE)
    await say(page, "Speak steadily")
    await expect(message(page, 2)).to_contain_text("step10")
    await page.context.set_offline(True)
    await composer(page).fill("half a sentence")
    chat.wait_until_quiet()
    await page.context.set_offline(False)
    await until_written(page)
    assert await texts(page) == ["Speak steadily", STEADILY.text]
    await expect(composer(page)).to_have_value("half a sentence")


async def test_two_windows_hear_the_same_reply_when_one_of_them_was_cut(open_page, chat, cable):
    one = await open_page(f"#/chat/{chat.id}", address=await cable.lay())
    other = await open_page(f"#/chat/{chat.id}")
    await say(one, "Speak steadily")
    await expect(message(other, 2)).to_contain_text("step20")
    cable.cut()
    for page in (one, other):
        await until_written(page)
        assert await texts(page) == ["Speak steadily", STEADILY.text]
