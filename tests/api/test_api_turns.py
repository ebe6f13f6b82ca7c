"""Turns of a chat: reply, swipe, continue, stop; readers that come, go and come back."""

from __future__ import annotations

from collections.abc import Callable

import httpx
import pytest
from stage import ENDLESS, SLOWER, SLOWLY, Stage
from talking import EVENTS, Client, Heard, text_of

from fabula.core.errors import EngineDied
from fabula.engine.scripted import Reply

FACTS = {
    *("model", "engine", "effective", "ignored", "prompt_tokens", "reused_tokens", "processed_tokens"),
    *("completion_tokens", "first_token_ms", "tokens_per_second", "finish_reason", "cut_messages"),
}


def test_a_reply_streams_and_is_stored(client: Client) -> None:
    chat = client.new_chat()
    events = chat.say("Hello")
    kinds = [event.kind for event in events]
    assert [event.id for event in events] == list(range(1, len(events) + 1))
    assert (kinds[0], kinds[1], kinds[-1]) == ("start", "loading", "done")
    assert set(kinds[2:-1]) == {"prefill", "text"}
    assert all(set(event.data) == {"text"} for event in events if event.kind == "text")
    assert text_of(events) == "Hello there, traveller."
    assert chat.texts == ["Hello", "Hello there, traveller."]
    done = events[-1].data
    assert (done["reason"], set(done["facts"]) >= FACTS) == ("stop", True)
    assert done["change"]["message"] == chat.messages[-1]
    assert done["change"]["chat"] == chat.now


def test_the_start_says_where_the_text_will_go(client: Client) -> None:
    chat = client.new_chat()
    start = chat.say("Hello")[0].data
    user, reply = chat.messages
    place = {"turn_id", "chat_id", "message_id", "message_ids", "parent_id"}
    assert set(start) == place | {"kind", "model", "text", "reasoning"}
    assert (start["chat_id"], start["kind"], start["model"], start["text"]) == (chat.id, "reply", "tiny", "")
    assert (start["message_id"], start["parent_id"]) == (reply["id"], user["id"])
    assert (reply["author"], reply["version_reason"]) == ("tiny", "generated")


def test_a_turn_is_begun_without_being_read(client: Client) -> None:
    chat = client.new_chat()
    started = chat.start(text="Hello")
    assert set(started) == {"turn_id", "message_id", "message_ids", "change", "then"}
    assert started["change"]["message"]["text"] == "Hello"
    chat.wait_until_quiet()
    assert chat.messages[-1]["id"] == started["message_id"]


def test_the_chat_says_which_turn_is_being_written(client: Client, stage: Stage) -> None:
    stage.script = [ENDLESS]
    chat = client.new_chat()
    turn = chat.start(text="Hello")["turn_id"]
    assert chat.now["turn_id"] == turn
    assert [row["turn_id"] for row in client.get("/chats")["chats"]] == [turn]
    client.post(f"/turns/{turn}/stop", status=202)
    assert chat.wait_until_quiet()["turn_id"] == ""


def test_a_swipe_is_an_alternative_to_the_reply(client: Client, stage: Stage) -> None:
    stage.script = ["One.", "Two."]
    chat = client.new_chat()
    first = chat.say("Hello")[0].data["message_id"]
    events = chat.say(kind="swipe")
    second = events[0].data["message_id"]
    assert events[0].data["parent_id"] == chat.messages[0]["id"]
    assert chat.texts == ["Hello", "Two."]
    assert chat.messages[-1]["swipe"] == {"index": 1, "count": 2, "ids": [first, second]}
    client.post(f"{chat.path}/head", chat.at_revision(message_id=first))
    assert chat.texts == ["Hello", "One."]


def test_the_prompt_of_a_swipe_leaves_the_old_reply_out(client: Client, stage: Stage) -> None:
    chat = client.new_chat(system="Be brief.")
    chat.say("Hello")
    chat.say(kind="swipe")
    first, second = stage.worker.prompts
    assert second == first


def test_continue_lengthens_the_same_message(client: Client, stage: Stage) -> None:
    stage.script = ["Once", " upon a time"]
    chat = client.new_chat()
    first = chat.say("Hello")[0].data
    events = chat.say(kind="continue")
    assert (events[0].data["message_id"], events[0].data["text"]) == (first["message_id"], "Once")
    assert events[0].data["parent_id"] == first["parent_id"]
    assert text_of(events) == " upon a time"
    assert chat.texts == ["Hello", "Once upon a time"]
    assert (chat.messages[-1]["versions"], chat.messages[-1]["version_reason"]) == (2, "continued")
    client.post(f"{chat.path}/undo", chat.at_revision())
    assert chat.texts == ["Hello", "Once"]


@pytest.mark.parametrize("kind", ["swipe", "continue"])
def test_only_a_reply_of_the_model_has_alternatives(client: Client, kind: str) -> None:
    chat = client.new_chat()
    for _ in ("an empty chat", "a chat that ends with the user's message"):
        refusal = client.call("POST", f"{chat.path}/turns", 400, json=chat.at_revision(kind=kind))
        assert (refusal["error"]["code"], refusal["error"]["fields"]["name"]) == (
            "bad_parameter",
            "message_id",
        )
        chat.add("user", "Hello")
    assert chat.now["turn_id"] == ""


def test_text_belongs_to_a_reply_only(client: Client) -> None:
    chat = client.new_chat()
    chat.say("Hello")
    before = chat.messages
    body = chat.at_revision(kind="swipe", text="And this?")
    refusal = client.call("POST", f"{chat.path}/turns", 400, json=body)
    assert refusal["error"]["fields"]["name"] == "text"
    assert chat.messages == before


def test_a_reply_to_an_earlier_message_starts_a_branch_there(client: Client, stage: Stage) -> None:
    stage.script = ["One.", "Two.", "Three."]
    chat = client.new_chat()
    chat.say("Hello")
    reply = chat.messages[-1]["id"]
    chat.say("Go on")
    chat.say("Go back", message_id=reply)
    assert chat.texts == ["Hello", "One.", "Go back", "Three."]
    assert "Go on" not in "".join(str(piece) for piece in stage.worker.prompts[-1].pieces)


def test_a_chat_has_one_turn_at_a_time(client: Client, stage: Stage) -> None:
    stage.script = [SLOWER]
    chat = client.new_chat()
    turn = chat.start(text="Hello")["turn_id"]
    refusal = client.call("POST", f"{chat.path}/turns", 409, json=chat.at_revision(text="And?"))
    assert (refusal["error"]["code"], refusal["error"]["fields"]["turn_id"]) == ("chat_busy", turn)
    other = client.new_chat()
    beside = other.start(text="Hello")["turn_id"]
    assert chat.wait_until_quiet()
    assert chat.texts == ["Hello", SLOWER.text]
    client.post(f"/turns/{beside}/stop", status=202)
    other.wait_until_quiet()


def test_stop_keeps_the_text_so_far(client: Client, stage: Stage) -> None:
    stage.script = [ENDLESS]
    chat = client.new_chat()
    with client.events("POST", f"{chat.path}/turns", json=chat.at_revision(text="Hello")) as events:
        start, *_, last = _until_text(events)
        client.post(f"/turns/{start.data['turn_id']}/stop", status=202)
        rest = list(events)
    done = rest[-1].data
    text = text_of([last, *rest])
    assert (rest[-1].kind, done["reason"], done["facts"]["finish_reason"]) == ("done", "stopped", "stopped")
    assert chat.texts == ["Hello", text]
    assert 0 < len(text) < len(ENDLESS.text)
    assert stage.stopped == 1


def test_the_facts_of_a_stopped_reply_are_whole(client: Client, stage: Stage) -> None:
    stage.script = [ENDLESS]
    chat = client.new_chat()
    with client.events("POST", f"{chat.path}/turns", json=chat.at_revision(text="Hello")) as events:
        start = next(events)
        written = [next(e for e in events if e.kind == "text") for _ in range(3)]
        client.post(f"/turns/{start.data['turn_id']}/stop", status=202)
        *rest, done = events
    facts = done.data["facts"]
    assert set(facts) >= FACTS
    assert facts["completion_tokens"] == len([e for e in [*written, *rest] if e.kind == "text"])
    assert facts["prompt_tokens"] == facts["reused_tokens"] + facts["processed_tokens"] > 0
    assert facts["effective"]["temperature"] == 0.8
    assert facts == chat.messages[-1]["facts"]


def test_stopping_twice_or_after_the_end_is_no_error(client: Client) -> None:
    chat = client.new_chat()
    turn = chat.say("Hello")[0].data["turn_id"]
    client.post(f"/turns/{turn}/stop", status=202)
    client.post(f"/turns/{turn}/stop", status=202)
    assert chat.texts == ["Hello", "Hello there, traveller."]


def test_a_reader_that_goes_away_leaves_the_turn_running(client: Client, stage: Stage) -> None:
    stage.script = [SLOWLY]
    chat = client.new_chat()
    with client.events("POST", f"{chat.path}/turns", json=chat.at_revision(text="Hello")) as events:
        turn = _until_text(events)[0].data["turn_id"]
    assert text_of(client.hear(f"/turns/{turn}/events")) == SLOWLY.text
    assert chat.texts == ["Hello", SLOWLY.text]
    assert stage.stopped == 0


@pytest.mark.parametrize("way", ["header", "query"])
def test_a_reader_that_comes_back_misses_nothing(client: Client, stage: Stage, way: str) -> None:
    stage.script = [SLOWLY]
    chat = client.new_chat()
    with client.events("POST", f"{chat.path}/turns", json=chat.at_revision(text="Hello")) as events:
        seen = _until_text(events)
    resume = (
        {"headers": {"last-event-id": f"{seen[-1].id}"}}
        if way == "header"
        else {"params": {"after": seen[-1].id}}
    )
    rest = client.hear(f"/turns/{seen[0].data['turn_id']}/events", **resume)
    assert [event.id for event in seen + rest] == list(range(1, len(seen + rest) + 1))
    assert text_of(seen + rest) == SLOWLY.text


def test_a_turn_can_be_read_again_after_its_end(client: Client) -> None:
    chat = client.new_chat()
    events = chat.say("Hello")
    path = f"/turns/{events[0].data['turn_id']}/events"
    assert client.hear(path) == events
    assert client.hear(path, params={"after": len(events) - 1}) == events[-1:]
    assert client.hear(path, params={"after": len(events)}) == []


@pytest.mark.parametrize("number", ["-1", "-3", "999", "x", "", "٣", "²", "9" * 5000])
def test_a_strange_number_to_resume_from_breaks_nothing(client: Client, number: str) -> None:
    chat = client.new_chat()
    events = chat.say("Hello")
    path = f"/turns/{events[0].data['turn_id']}/events"
    for more in ({"headers": {b"last-event-id": number.encode()}}, {"params": {"after": number}}):
        with client.http.stream(
            "GET", path, headers=more.get("headers"), params=more.get("params")
        ) as answer:
            assert answer.status_code in (200, 400), answer.read()
            if answer.status_code == 200:
                ids = [int(line[4:]) for line in answer.iter_lines() if line.startswith("id: ")]
                assert ids in ([], [e.id for e in events], [e.id for e in events[3:]])


async def test_an_unknown_turn_is_told(api: httpx.AsyncClient) -> None:
    for method, path in (("GET", "/turns/nowhere/events"), ("POST", "/turns/nowhere/stop")):
        answer = await api.request(method, path)
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "turn_not_found")


def test_an_engine_that_dies_leaves_what_it_wrote(client: Client, stage: Stage) -> None:
    stage.script = [Reply(SLOWLY.text, error=EngineDied("tiny", "SIGKILL"), fail_at=4), "All is well."]
    chat = client.new_chat()
    events = chat.say("Hello")
    failed = events[-1]
    assert (failed.kind, failed.data["code"]) == ("error", "engine_died")
    assert failed.data["fields"] == {"name": "tiny", "reason": "SIGKILL"}
    assert failed.data["change"]["message"]["text"] == text_of(events) == "One two "
    assert chat.texts == ["Hello", "One two "]
    assert chat.messages[-1]["facts"]["finish_reason"] == "error"
    assert text_of(chat.say("Again?")) == "All is well."


def test_an_error_before_the_first_word_stores_no_empty_message(client: Client, stage: Stage) -> None:
    stage.script = [Reply("", error=EngineDied("tiny", "SIGKILL"))]
    chat = client.new_chat()
    failed = chat.say("Hello")[-1]
    assert (failed.kind, failed.data["change"]) == ("error", None)
    assert chat.texts == ["Hello"]


@pytest.mark.parametrize("language", ["en", "zh-Hant", "zh-Hans"])
def test_each_reader_is_told_the_error_in_their_language(client: Client, stage: Stage, language: str) -> None:
    error = EngineDied("tiny", "SIGKILL")
    stage.script = [Reply("One", error=error, fail_at=1)]
    chat = client.new_chat()
    turn = chat.say("Hello")[0].data["turn_id"]
    told = client.hear(f"/turns/{turn}/events", headers={"accept-language": language})[-1]
    assert told.data["message"] == error.sentence(language)


def test_a_prompt_that_cannot_fit_ends_in_an_error_with_the_numbers(client: Client) -> None:
    chat = client.new_chat()
    failed = chat.say("word " * 3000)[-1]
    assert (failed.kind, failed.data["code"]) == ("error", "context_exceeded")
    assert failed.data["fields"]["prompt_tokens"] > failed.data["fields"]["context"]
    assert len(chat.messages) == 1


def test_sampling_of_the_chat_and_of_the_turn_come_together(client: Client, stage: Stage) -> None:
    chat = client.new_chat(sampling={"temperature": 0.3, "top_k": 7})
    facts = chat.say("Hello", sampling={"top_k": 9, "seed": 5})[-1].data["facts"]
    used = stage.worker.samplings[0]
    assert (used.temperature, used.top_k, used.seed) == (0.3, 9, 5)
    assert (facts["effective"]["top_k"], facts["effective"]["seed"]) == (9, 5)


@pytest.mark.parametrize(
    "body",
    [
        {"sampling": {"heat": 1}},
        {"sampling": {"temperature": "hot"}},
        {"sampling": {"temperature": -1}},
        {"kind": "answer"},
        {"txt": "Hello"},
        {"text": 5},
        {"model": None},
    ],
)
def test_a_wrong_request_begins_nothing(client: Client, body: dict[str, object]) -> None:
    chat = client.new_chat()
    before = chat.now
    refusal = client.call("POST", f"{chat.path}/turns", 400, json=chat.at_revision(text="Hello") | body)
    assert refusal["error"]["code"] == "bad_parameter"
    assert (chat.now, chat.texts) == (before, [])


def test_an_unknown_model_begins_nothing(client: Client) -> None:
    chat = client.new_chat()
    body = chat.at_revision(text="Hello", model="nobody")
    client.call("POST", f"{chat.path}/turns", 404, json=body)
    assert (chat.texts, chat.now["turn_id"]) == ([], "")


@pytest.mark.parametrize("forever", [False, True])
def test_a_chat_that_is_deleted_while_it_is_written(client: Client, stage: Stage, forever: bool) -> None:
    stage.script = [ENDLESS]
    chat = client.new_chat()
    with client.events("POST", f"{chat.path}/turns", json=chat.at_revision(text="Hello")) as events:
        seen = _until_text(events)
        client.call("DELETE", chat.path, 204, params={"forever": forever})
        rest = list(events)
    assert (rest[-1].kind, rest[-1].data["reason"]) == ("done", "stopped")
    assert stage.stopped == 1
    client.call("GET", chat.path, 404)
    if not forever:
        client.post(f"{chat.path}/restore")
        assert chat.texts == ["Hello", text_of(seen + rest)]


def test_a_chat_changed_meanwhile_keeps_both(client: Client, stage: Stage) -> None:
    stage.script = [SLOWER]
    chat = client.new_chat()
    started = chat.start(text="Hello")
    hello = chat.messages[0]["id"]
    client.post(f"{chat.path}/messages/{hello}/branch", chat.at_revision(text="Good evening"))
    chat.wait_until_quiet()
    assert chat.texts == ["Good evening"]
    client.post(f"{chat.path}/head", chat.at_revision(message_id=started["message_id"]))
    assert chat.texts == ["Hello", SLOWER.text]


def test_a_silent_stream_is_kept_open_with_pings(
    started: Callable[[], Client], stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fabula.server.sse.PING_S", 0.05)
    stage.script = [Reply("Late", delay_s=0.5)]
    client = started()
    chat = client.new_chat()
    with client.http.stream(
        "POST", f"{chat.path}/turns", json=chat.at_revision(text="Hello"), headers=EVENTS
    ) as answer:
        lines = list(answer.iter_lines())
    assert lines.count(": ping") >= 2
    assert any("Late" in line for line in lines)


def _until_text(events: object) -> list[Heard]:
    seen: list[Heard] = []
    for event in events:  # type: ignore[attr-defined]
        seen.append(event)
        if event.kind == "text":
            break
    return seen
