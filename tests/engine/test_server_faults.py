"""A real `fabula serve` with the real engine, and what happens when something in it dies."""

from __future__ import annotations

import itertools
import json
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import psutil
import pytest
from studio_process import StudioProcess, home_with
from talking import Chat, Client, Heard, text_of
from waiting import until

ENDLESS = {"ignore_eos": True, "max_tokens": 1500}
SHORT = {"max_tokens": 8, "temperature": 0}


@pytest.fixture
def home(starter_model: Path, tmp_path: Path) -> Path:
    return home_with(tmp_path / "home", starter_model)


@pytest.fixture
def serve(home: Path) -> Iterator[Callable[..., StudioProcess]]:
    """Starts `fabula serve` on the home; whatever is left is ended at the end."""
    studios: list[StudioProcess] = []

    def start(*flags: str, at: Path = home, **settings: str) -> StudioProcess:
        studios.append(StudioProcess(at, *flags, **settings))
        return studios[-1]

    yield start
    for studio in studios:
        studio.close()


class Listener(threading.Thread):
    """Reads a turn in a thread, to its end or until the connection breaks."""

    def __init__(self, chat: Chat, **body: object) -> None:
        super().__init__()
        self.chat, self.body = chat, chat.at_revision(**body)
        self.heard: list[Heard] = []
        self.broken = False
        self.start()

    def run(self) -> None:
        path = f"{self.chat.path}/turns"
        try:
            with Client(self.chat.client.address).events("POST", path, json=self.body) as events:
                for event in events:
                    self.heard.append(event)
        except httpx.TransportError:
            self.broken = True

    @property
    def text(self) -> str:
        return text_of(self.heard)

    def until_text(self, pieces: int = 5) -> None:
        until(lambda: len([event for event in self.heard if event.kind == "text"]) >= pieces)

    def to_the_end(self) -> list[Heard]:
        self.join(60)
        assert not self.is_alive()
        return self.heard


# ── the engine ──────────────────────────────────────────────────────────────────────────────────────────


def test_a_killed_engine_keeps_the_text_and_is_loaded_again(serve: Callable[..., StudioProcess]) -> None:
    studio = serve()
    chat = studio.client.new_chat()
    reader = Listener(chat, text="Tell me a story.", sampling=ENDLESS)
    reader.until_text()
    killed = studio.engine
    killed.kill()
    failed = reader.to_the_end()[-1]
    assert (failed.kind, failed.data["code"]) == ("error", "engine_died")
    assert failed.data["change"]["message"]["text"] == reader.text == chat.texts[-1]
    assert chat.messages[-1]["facts"]["finish_reason"] == "error"
    answer = chat.say("Go on.", sampling=SHORT)
    assert [event.kind for event in answer][1] == "loading"
    assert (answer[-1].kind, len(chat.texts)) == ("done", 4)
    assert studio.engine.pid != killed.pid


def test_a_killed_engine_does_not_stop_other_work(serve: Callable[..., StudioProcess]) -> None:
    studio = serve()
    chat = studio.client.new_chat()
    chat.say("Hello", sampling=SHORT)
    studio.engine.kill()
    assert studio.client.get("/health") == {"ok": True}
    until(lambda: studio.client.get("/system")["running"] == [])
    assert chat.say("Hello again", sampling=SHORT)[-1].kind == "done"


# ── the studio ──────────────────────────────────────────────────────────────────────────────────────────


def test_after_kill_9_of_the_studio_everything_that_was_shown_is_there(
    serve: Callable[..., StudioProcess],
) -> None:
    studio = serve()
    chat = studio.client.new_chat(title="The fox")
    chat.say("Hello", sampling=SHORT)
    before = chat.messages
    reader = Listener(chat, text="Tell me a story.", sampling=ENDLESS)
    reader.until_text(12)
    engine = studio.engine
    studio.send(signal.SIGKILL)
    reader.to_the_end()
    assert reader.broken
    until(lambda: not _lives(engine))

    again = serve().client
    chat = Chat(again, chat.id)
    assert chat.now["title"] == "The fox"
    *earlier, question, reply = chat.messages
    assert (earlier, question["text"]) == (before, "Tell me a story.")
    assert reader.text
    assert reply["text"].startswith(reader.text)
    assert reply["id"] == reader.heard[0].data["message_id"]
    assert (reply["version_reason"], reply["versions"]) == ("recovered", 1)
    assert reply["facts"]["finish_reason"] == "interrupted"
    assert chat.say("Go on.", sampling=SHORT)[-1].kind == "done"
    again_messages = chat.messages
    assert [message["id"] for message in again_messages[:4]] == [
        *(m["id"] for m in before),
        question["id"],
        reply["id"],
    ]


def test_the_journal_is_folded_only_once(serve: Callable[..., StudioProcess], home: Path) -> None:
    studio = serve()
    chat = studio.client.new_chat()
    reader = Listener(chat, text="Tell me a story.", sampling=ENDLESS)
    reader.until_text()
    studio.send(signal.SIGKILL)
    reader.to_the_end()
    for _ in range(2):
        studio = serve()
        messages = Chat(studio.client, chat.id).messages
        assert [message["role"] for message in messages] == ["user", "assistant"]
        assert list((home / "journal").iterdir()) == []
        studio.send(signal.SIGKILL)
        studio.ended()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_studio_that_is_told_to_stop_keeps_the_text(
    serve: Callable[..., StudioProcess], number: signal.Signals, home: Path
) -> None:
    studio = serve()
    chat = studio.client.new_chat()
    reader = Listener(chat, text="Tell me a story.", sampling=ENDLESS)
    reader.until_text()
    engine = studio.engine
    studio.send(number)
    status, out, err = studio.ended()
    assert (status, "Traceback" in out + err) == (0, False)
    done = reader.to_the_end()[-1]
    assert (done.kind, done.data["reason"], reader.broken) == ("done", "stopped", False)
    assert not _lives(engine)
    assert not (home / "studio.json").exists()

    chat = Chat(serve().client, chat.id)
    assert chat.texts == ["Tell me a story.", reader.text]
    assert chat.messages[-1]["facts"]["finish_reason"] == "stopped"


def test_an_open_page_does_not_hold_up_the_end(serve: Callable[..., StudioProcess]) -> None:
    studio = serve()
    with studio.client.events("GET", "/events") as events:
        studio.client.new_chat()
        next(events)
        studio.send(signal.SIGTERM)
        assert list(events) == [], "the stream ends in good order, before the grace for open answers is over"
        status, _, _ = studio.ended()
    assert status == 0


def test_a_second_studio_on_one_home_is_refused_with_the_address_of_the_first(
    serve: Callable[..., StudioProcess],
) -> None:
    first = serve()
    address = first.address
    status, out, err = serve().ended()
    assert (status, out) == (1, "")
    assert address in err
    assert err.count("\n") == 1, err
    assert first.client.get("/health") == {"ok": True}
    assert first.address == address


def test_a_port_in_use_is_one_sentence_and_exit_status_1(
    serve: Callable[..., StudioProcess], home: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        status, out, err = serve("--port", f"{port}").ended()
    assert (status, out) == (1, "")
    assert f"{port}" in err
    assert err.count("\n") == 1, err
    assert not (home / "studio.json").exists()


def test_what_a_killed_studio_left_behind_is_no_obstacle(
    serve: Callable[..., StudioProcess], home: Path
) -> None:
    killed = serve()
    stale = killed.info
    killed.send(signal.SIGKILL)
    killed.ended()
    assert json.loads((home / "studio.json").read_text()) == stale
    fresh = serve()
    assert fresh.client.get("/health") == {"ok": True}
    assert fresh.info["key"] != stale["key"]


def test_two_who_edit_one_chat_do_not_overwrite_each_other(serve: Callable[..., StudioProcess]) -> None:
    studio = serve()
    mine = studio.client.new_chat()
    first = mine.add("user", "Hello")
    theirs = Chat(studio.client, mine.id)
    stale = theirs.at_revision(text="Theirs")
    path = f"{mine.path}/messages/{first['id']}"
    mine.client.call("PATCH", path, json=mine.at_revision(text="Mine"))
    refusal = theirs.client.call("PATCH", path, 409, json=stale)["error"]
    assert refusal["code"] == "stale_revision"
    assert refusal["fields"]["current"] == mine.now["revision"]
    assert mine.texts == ["Mine"]


# ── files that are no models ────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def broken(home: Path, starter_model: Path) -> Path:
    """A home with a truncated, an empty and a mislabelled model beside the good one."""
    whole = starter_model.read_bytes()
    models = home / "models"
    (models / "truncated.gguf").write_bytes(whole[: len(whole) // 2])
    (models / "beheaded.gguf").write_bytes(whole[:1000])
    (models / "empty.gguf").write_bytes(b"")
    (models / "page.gguf").write_bytes(b"<!DOCTYPE html><title>404</title>" * 50)
    (models / "picture.gguf").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(4000))
    return home


def test_a_broken_model_is_one_clear_sentence_and_the_studio_lives(
    serve: Callable[..., StudioProcess], broken: Path
) -> None:
    client = serve().client
    rows = {row["name"]: row["problem"] for row in client.get("/models")["models"]}
    assert [name for name, problem in rows.items() if not problem] == ["SmolLM2-135M-Instruct.Q4_1"]
    for name in ("truncated", "beheaded", "empty", "page", "picture"):
        refusal = client.call("POST", f"/models/{name}/load", 502)["error"]
        assert refusal["code"] == "model_broken"
        assert (name in refusal["message"], "\n" in refusal["message"]) == (True, False)
        chat = client.new_chat(model=name)
        failed = chat.say("Hello")[-1]
        assert (failed.kind, failed.data["message"]) == ("error", refusal["message"])
        assert failed.data["change"] is None
        assert chat.texts == ["Hello"]
    assert client.new_chat().say("Hello", sampling=SHORT)[-1].kind == "done"


# ── never process a token twice ─────────────────────────────────────────────────────────────────────────

GLUE = 12  # tokens of the template around one message: its end, the next one's head and the reply's


def test_each_turn_reads_only_what_is_new(serve: Callable[..., StudioProcess]) -> None:
    studio = serve()
    chat = studio.client.new_chat(system="You are a helpful assistant.")
    texts = ("Tell me about the sea.", "Go on.", "And the mountains? 山呢？ 🏔️", "Thanks!")
    facts = [_facts(chat.say(text, sampling={"max_tokens": 30})) for text in texts]
    for before, now in itertools.pairwise(facts):
        assert now["reused_tokens"] >= before["prompt_tokens"] + before["completion_tokens"] - 1
        assert now["processed_tokens"] == now["prompt_tokens"] - now["reused_tokens"]
        assert now["processed_tokens"] <= GLUE + 16  # the longest of the messages has 16 tokens


def test_a_swipe_reads_nothing_again(serve: Callable[..., StudioProcess]) -> None:
    chat = serve().client.new_chat()
    first = _facts(chat.say("Tell me about the sea.", sampling={"max_tokens": 30}))
    for _ in range(3):
        swipe = _facts(chat.say(kind="swipe", sampling={"max_tokens": 30}))
        assert swipe["prompt_tokens"] == first["prompt_tokens"]
        assert swipe["processed_tokens"] <= 2


@pytest.mark.parametrize(
    "sampling",
    [
        {"max_tokens": 25},
        {"max_tokens": 200, "temperature": 0},
        {"max_tokens": 60, "stop": [" the"]},
        {"max_tokens": 40, "temperature": 2.5, "top_k": 0, "min_p": 0, "top_p": 1, "seed": 4},
        {"max_tokens": 12, "logprobs": 2},
    ],
)
def test_however_a_reply_ended_the_next_turn_reads_only_what_is_new(
    serve: Callable[..., StudioProcess], sampling: dict[str, object]
) -> None:
    chat = serve().client.new_chat()
    before = _facts(chat.say("Tell me about the sea.", sampling=sampling))
    now = _facts(chat.say("Go on.", sampling=SHORT))
    assert now["processed_tokens"] <= GLUE + 3
    swipe = _facts(chat.say(kind="swipe", sampling=SHORT))
    assert swipe["processed_tokens"] <= 2
    assert before["reused_tokens"] == 0


def test_a_stopped_and_a_lengthened_reply_are_not_read_again(serve: Callable[..., StudioProcess]) -> None:
    studio = serve()
    chat = studio.client.new_chat()
    reader = Listener(chat, text="Tell me about the sea.", sampling=ENDLESS)
    reader.until_text(10)
    studio.client.post(f"/turns/{reader.heard[0].data['turn_id']}/stop", status=202)
    stopped = _facts(reader.to_the_end())
    assert stopped["finish_reason"] == "stopped"
    lengthened = _facts(chat.say(kind="continue", sampling={"max_tokens": 10, "ignore_eos": True}))
    assert lengthened["processed_tokens"] <= 2
    following = _facts(chat.say("Go on.", sampling=SHORT))
    assert following["processed_tokens"] <= GLUE + 3


def _facts(events: list[Heard]) -> dict[str, int]:
    assert events[-1].kind == "done", events[-1]
    return dict(events[-1].data["facts"])


def _lives(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
