"""How long a fault lasts: engine killed, reader gone, studio killed, and what is there after a restart."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

from bench.client import Server, request
from bench.paired import median
from bench.proxy import body
from bench.report import Report, at_most, reported
from bench.studio import EngineAddress, Studio, fresh_home, hosted, is_gone, wait_for
from fabula.core.errors import FabulaError
from fabula.core.seams import Event

SHOWN = 20  # pieces of text that a reader has seen before the fault
LONG = {"max_tokens": 2000, "ignore_eos": True, "temperature": 0}
SETTINGS = {"engine_context": 4096, "engine_slots": 2}


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m bench faults", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="twice each: to see that it works")
    given = parser.parse_args(arguments)
    rounds = 2 if given.quick else 7
    with reported("faults", "from a fault to its being told, freed or mended") as report:
        engine_killed(report, rounds)
        reader_gone(report, rounds)
        studio_killed(report, rounds)


# ── the engine dies ─────────────────────────────────────────────────────────────────────────────────


def engine_killed(report: Report, rounds: int) -> None:
    report.heading("kill -9 of the engine in mid-stream")
    told, again = [], []
    with fresh_home() as home, hosted(home, SETTINGS) as studio:
        for _ in range(rounds):
            chat = _new_chat(studio)
            events = _turn(studio, chat, "Tell me a long story.")
            list(_until_shown(events))
            os.kill(studio.engine().pid, signal.SIGKILL)
            killed = time.perf_counter()
            last = list(events)[-1]
            told.append(time.perf_counter() - killed)
            assert last.kind == "error", last
            asked = time.perf_counter()
            list(_until_shown(_turn(studio, _seen(studio, chat), "Go on."), pieces=1))
            again.append(time.perf_counter() - asked)
            _stop(studio, chat)
    report.measure("until the reader is told", median(told).scaled(1000), "ms", at_most(1000))
    report.measure("next message, with loading the model again", median(again), "s")


# ── the reader leaves ───────────────────────────────────────────────────────────────────────────────


def reader_gone(report: Report, rounds: int) -> None:
    report.heading("a client hangs up in mid-stream, in turns with hanging up on the engine itself")
    ours, theirs = [], []
    with fresh_home() as home, hosted(home, SETTINGS) as studio:
        studio.client.post("/models/smollm2/load")
        engine = studio.engine()
        for _ in range(rounds):
            ours.append(_until_free(engine, Server("127.0.0.1", studio.port, "")))
            theirs.append(_until_free(engine, Server(engine.host, engine.port, engine.key)))
    report.measure("engine asked directly: until its slot is free", median(theirs).scaled(1000), "ms")
    report.measure(
        "through the studio: until its slot is free", median(ours).scaled(1000), "ms", at_most(1000)
    )


def _until_free(engine: EngineAddress, server: Server) -> float:
    with socket.create_connection((server.host, server.port)) as connection:
        connection.sendall(request(server, "/v1/chat/completions", body(2000)))
        seen = b""
        while seen.count(b"data:") < SHOWN:
            seen += connection.recv(65_536)
        assert _busy_slots(engine) == 1
    return wait_for(lambda: _busy_slots(engine) == 0)


def _busy_slots(engine: EngineAddress) -> int:
    asked = Request(
        f"http://{engine.host}:{engine.port}/slots", headers={"Authorization": f"Bearer {engine.key}"}
    )
    with urlopen(asked, timeout=10) as answer:
        return sum(slot["is_processing"] for slot in json.load(answer))


# ── the studio dies ─────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Killed:
    """What was on the screen of a reader when the studio was killed."""

    chat: str
    message: str
    text: str
    engine_gone_s: float


def studio_killed(report: Report, rounds: int) -> None:
    report.heading("kill -9 of the studio in mid-stream, and the next start")
    gone, back, lost = [], [], []
    for _ in range(rounds):
        with fresh_home() as home:
            killed = _kill_in_mid_stream(home)
            gone.append(killed.engine_gone_s)
            with hosted(home, SETTINGS) as studio:
                back.append(time.perf_counter() - studio.started)
                lost.append(_lost(killed, _text(studio, killed)))
    report.measure("until the engine's process has ended", median(gone).scaled(1000), "ms", at_most(1000))
    report.measure("next start, with the text stored", median(back).scaled(1000), "ms", at_most(1500))
    report.measure("characters shown and lost, all rounds", sum(lost), "", at_most(0))


def _kill_in_mid_stream(home: Path) -> Killed:
    with hosted(home, SETTINGS) as studio:
        chat = _new_chat(studio)
        events = _turn(studio, chat, "Tell me a long story.")
        seen = list(_until_shown(events))
        engine = studio.engine().pid
        studio.process.kill()
        seconds = wait_for(lambda: is_gone(engine))
        with contextlib.suppress(FabulaError):  # the connection is broken, as it must be
            seen += events  # what had been sent and was still on its way
    text = "".join(event.data["text"] for event in seen if event.kind == "text")
    return Killed(chat["id"], seen[0].data["message_id"], text, seconds)


def _text(studio: Studio, killed: Killed) -> str:
    page = studio.client.get(f"/chats/{killed.chat}/messages")
    found = [message for message in page["messages"] if message["id"] == killed.message]
    return str(found[0]["text"]) if found else ""


def _lost(killed: Killed, stored: str) -> int:
    pairs = zip(killed.text, stored, strict=False)
    same = next((place for place, (shown, kept) in enumerate(pairs) if shown != kept), len(stored))
    return max(0, len(killed.text) - same)


# ── chats ───────────────────────────────────────────────────────────────────────────────────────────


def _new_chat(studio: Studio) -> dict[str, Any]:
    return studio.client.post("/chats", {"model": "smollm2", "sampling": LONG})


def _seen(studio: Studio, chat: dict[str, Any]) -> dict[str, Any]:
    return studio.client.get(f"/chats/{chat['id']}")


def _stop(studio: Studio, chat: dict[str, Any]) -> None:
    turn = _seen(studio, chat)["turn_id"]
    if turn:
        studio.client.post(f"/turns/{turn}/stop")


def _turn(studio: Studio, chat: dict[str, Any], text: str) -> Iterator[Event]:
    asked = {"revision": chat["revision"], "text": text}
    return studio.client.stream("POST", f"/chats/{chat['id']}/turns", asked)


def _until_shown(events: Iterator[Event], pieces: int = SHOWN) -> Iterator[Event]:
    """The events up to the one that shows the last of the pieces that are waited for."""
    shown, event = 0, None
    for event in events:
        yield event
        shown += event.kind == "text"
        if shown == pieces:
            return
    raise AssertionError(f"the reply ended before the fault: {event}")


if __name__ == "__main__":
    main()
