"""A server that speaks as llama.cpp's does and computes nothing: the bound of what can go through a studio.

Started like the engine's child program (same line on stdin, same handshake), so that the studio's worker,
connection and parser are the real ones. FABULA_BENCH_PACE_MS is the time between two tokens of a stream
(0 = as fast as the reader takes them). Runs by its path: imports the standard library only.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import threading
from collections.abc import Iterator

READY = "FABULA-READY "
PACE_S = float(os.environ.get("FABULA_BENCH_PACE_MS", "0")) / 1000
USUAL = 600  # tokens, when no number is asked for
WORDS = ("the", "river", "was", "slow", "and", "wide", "that", "year", "she", "said")


def piece(index: int) -> str:
    """The text of token number `index`. Words and gaps in turn, so that each is a token of the script."""
    if index % 2:
        return "\n\n" if index % 120 == 119 else " "
    return WORDS[index // 2 % len(WORDS)]


def native_events(count: int, prompt_tokens: int) -> Iterator[str]:
    """What /completion streams."""
    head = {"index": 0, "content": "", "tokens": [0], "stop": False, "id_slot": -1, "tokens_predicted": 0}
    progress = {"total": prompt_tokens, "cache": 0, "processed": prompt_tokens, "time_ms": 1}
    yield _event(head | {"tokens_evaluated": prompt_tokens, "prompt_progress": progress})
    for index in range(count):
        yield _event(
            {
                "index": 0,
                "content": piece(index),
                "tokens": [index % 50 + 100],
                "stop": False,
                "id_slot": -1,
                "tokens_predicted": index + 1,
                "tokens_evaluated": prompt_tokens,
            }
        )
    timings = {"cache_n": 0, "prompt_n": prompt_tokens, "prompt_ms": 1.0}
    yield _event(
        {
            "index": 0,
            "content": "",
            "tokens": [],
            "stop": True,
            "stop_type": "limit",
            "stopping_word": "",
            "tokens_predicted": count,
            "tokens_evaluated": prompt_tokens,
            "generation_settings": {},
            "timings": timings | {"predicted_n": count, "predicted_ms": 1.0},
        }
    )


def openai_events(count: int, prompt_tokens: int) -> Iterator[str]:
    """What /v1/chat/completions streams."""
    tail = {
        "created": 1795295449,
        "id": "chatcmpl-2fRy0aXfpwMh8EFdFVAyFWXyaTgst7BR",
        "model": "/somewhere/models/instant.gguf",
        "system_fingerprint": "b0-unknown",
        "object": "chat.completion.chunk",
    }
    yield _chunk({"role": "assistant", "content": None}, None, tail)
    for index in range(count):
        yield _chunk({"content": piece(index)}, None, tail)
    yield _chunk({}, "length", tail)
    usage = {"completion_tokens": count, "prompt_tokens": prompt_tokens}
    yield _event({"choices": [], **tail, "usage": usage})
    yield "data: [DONE]\n\n"


def _chunk(delta: dict[str, object], finish: str | None, tail: dict[str, object]) -> str:
    return _event({"choices": [{"finish_reason": finish, "index": 0, "delta": delta}], **tail})


def _event(content: dict[str, object]) -> str:
    return f"data: {json.dumps(content, separators=(',', ':'))}\n\n"


STREAMS = {"/completion": native_events, "/v1/chat/completions": openai_events}


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
    path = head.split(" ")[1]
    length = int(head.partition("content-length:")[2].split("\r\n")[0] or 0)
    body = json.loads(await reader.readexactly(length) or b"{}")
    try:
        events = STREAMS.get(path)
        if events is None:
            await _send_json(writer, {"tokens": list(range(100, 140)), "n_saved": 0, "n_restored": 0})
        else:
            count = body.get("n_predict") or body.get("max_tokens") or USUAL
            await _send_stream(writer, events(count, prompt_tokens=40))
    except ConnectionError:
        return  # the reader left, which stops a real engine too
    finally:
        writer.close()


async def _send_json(writer: asyncio.StreamWriter, content: object) -> None:
    data = json.dumps(content).encode()
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % len(data) + data)
    await writer.drain()


async def _send_stream(writer: asyncio.StreamWriter, events: Iterator[str]) -> None:
    """Each event in a chunk and a write of its own, as the engine sends them."""
    writer.write(
        b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
        b"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    )
    loop = asyncio.get_running_loop()
    started = loop.time()
    for number, event in enumerate(events):
        data = event.encode()
        writer.write(b"%x\r\n%b\r\n" % (len(data), data))
        await writer.drain()
        await asyncio.sleep(max(0.0, started + number * PACE_S - loop.time()))
    writer.write(b"0\r\n\r\n")
    await writer.drain()


async def main() -> None:
    config = json.loads(sys.stdin.readline())
    assert config["key"]
    server = await asyncio.start_server(_answer, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    print(READY + json.dumps({"address": f"http://{host}:{port}", "version": "instant"}), flush=True)
    threading.Thread(target=_leave_with_the_studio, daemon=True).start()
    await server.serve_forever()


def _leave_with_the_studio() -> None:
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    asyncio.run(main())
