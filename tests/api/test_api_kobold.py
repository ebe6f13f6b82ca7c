"""KoboldAI's and KoboldCpp's dialect with a scripted model, through the real server."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
import tiny_model
from stage import ENDLESS, SLOWER, SLOWLY, Stage
from talking import Client
from waiting import until

from fabula.core.errors import EngineDied, ModelLoadFailed
from fabula.engine.scripted import Reply
from fabula.server.kobold.saves import MOST, SLOTS, Saved, Saves
from fabula.store.home import Home

Json = dict[str, Any]
SAID = "Hello there, traveller."


@pytest.fixture
def kobold(client: Client) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"{client.address}/api", timeout=30) as kobold:
        yield kobold


def generated(kobold: httpx.Client, **body: Any) -> Json:
    answer = kobold.post("/v1/generate", json={"prompt": "Once", **body})
    assert answer.status_code == 200, answer.text
    found: Json = answer.json()
    return found


def text_of(answer: Json) -> str:
    return str(answer["results"][0]["text"])


def events(answer: httpx.Response) -> list[Json]:
    blocks = [block for block in answer.text.split("\n\n") if block and not block.startswith(":")]
    assert all(block.startswith("event: message\ndata: ") for block in blocks)
    return [json.loads(block.partition("data: ")[2]) for block in blocks]


# ── what it is ──────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("beginning", ["/v1", "/latest"])
@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/model", {"result": "koboldcpp/tiny"}),
        ("/info/version", {"result": "1.2.5"}),
        ("/config/max_length", {"value": 768}),
        ("/config/soft_prompts_list", {"values": []}),
        ("/config/soft_prompt", {"value": ""}),
    ],
)
def test_what_old_clients_ask_first(kobold: httpx.Client, beginning: str, path: str, expected: Json) -> None:
    assert kobold.get(beginning + path).json() == expected


def test_the_context_is_the_models(kobold: httpx.Client, client: Client) -> None:
    asked = (
        "/v1/config/max_context_length",
        "/latest/config/max_context_length",
        "/extra/true_max_context_length",
    )
    before = [kobold.get(path).json()["value"] for path in asked]
    generated(kobold)
    context = client.get("/system")["running"][0]["plan"]["context"]
    assert before == [context] * 3 == [kobold.get(path).json()["value"] for path in asked]


def test_the_version_says_what_there_is(kobold: httpx.Client) -> None:
    told = kobold.get("/extra/version").json()
    assert (told["result"], told["llm"], told["savedata"]) == ("KoboldCpp", True, True)
    assert not any(
        told[name] for name in ("txt2img", "transcribe", "websearch", "multiplayer", "tts", "vision")
    )
    assert float(told["version"]) > 1.1


def test_without_any_model_there_is_none(home: Home, started: Callable[[], Client]) -> None:
    (home.models / "tiny.gguf").unlink()
    base = f"{started().address}/api"
    assert httpx.get(f"{base}/v1/model").json() == {"result": "ReadOnly"}
    answer = httpx.post(f"{base}/v1/generate", json={"prompt": "x"})
    assert (answer.status_code, answer.json()["detail"]["type"]) == (404, "not_found")


def test_performance_is_that_of_the_last_answer(kobold: httpx.Client) -> None:
    before = kobold.get("/extra/perf").json()
    assert (before["total_gens"], before["idle"], before["stop_reason"]) == (0, 1, -1)
    generated(kobold, max_length=3, sampler_seed=9)
    after = kobold.get("/extra/perf").json()
    assert (after["total_gens"], after["last_token_count"], after["last_seed"]) == (1, 3, 9)
    assert (after["stop_reason"], after["queue"], after["idle"]) == (0, 0, 1)
    assert before.keys() == after.keys()


# ── generation ──────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("path", ["/v1/generate", "/latest/generate"])
def test_a_text_is_lengthened(kobold: httpx.Client, stage: Stage, path: str) -> None:
    answer = kobold.post(path, json={"prompt": "Once"}).json()
    result = answer["results"][0]
    assert (result["text"], result["finish_reason"], result["completion_tokens"]) == (SAID, "stop", 7)
    assert stage.worker.prompts[0].pieces == ("Once",)
    assert answer["fabula"]["ignored"] == []


def test_a_stream_says_the_same_and_ends_with_why(kobold: httpx.Client) -> None:
    answer = kobold.post("/extra/generate/stream", json={"prompt": "Once"})
    *pieces, last = events(answer)
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert "".join(piece["token"] for piece in pieces) == SAID
    assert {piece["finish_reason"] for piece in pieces} == {None}
    assert (last["token"], last["finish_reason"]) == ("", "stop")


def test_several_answers_at_once(kobold: httpx.Client) -> None:
    assert [row["text"] for row in generated(kobold, n=2)["results"]] == [SAID, SAID]


def test_each_of_several_answers_tells_its_seed(kobold: httpx.Client, stage: Stage) -> None:
    stage.script = lambda prompt, sampling: f"{sampling.seed}"
    answer = generated(kobold, n=2)
    assert [int(row["text"]) for row in answer["results"]] == answer["fabula"]["seeds"]
    assert len(set(answer["fabula"]["seeds"])) == 2


def test_what_was_ignored_is_told_in_the_answer_and_in_a_header(kobold: httpx.Client) -> None:
    body = {"prompt": "x", "grammar_retain_state": True}
    whole = kobold.post("/v1/generate", json=body)
    streamed = kobold.post("/extra/generate/stream", json=body)
    told = [whole.json()["fabula"]["ignored"], events(streamed)[-1]["fabula"]["ignored"]]
    assert told == [["grammar_retain_state"]] * 2
    assert whole.headers["x-fabula-ignored"] == streamed.headers["x-fabula-ignored"] == "grammar_retain_state"


def test_a_stop_string_is_cut_off_unless_it_is_wanted(kobold: httpx.Client) -> None:
    assert text_of(generated(kobold, stop_sequence=[", "])) == "Hello there"
    assert text_of(generated(kobold, stop_sequence=[", "], trim_stop=False)) == "Hello there, "
    body = {"prompt": "x", "stop_sequence": [", "], "trim_stop": False}
    assert events(kobold.post("/extra/generate/stream", json=body))[-1]["token"] == ", "


def test_memory_stands_before_the_prompt(kobold: httpx.Client, stage: Stage) -> None:
    generated(kobold, memory="[A dragon.]\n", prompt="Once")
    assert stage.worker.prompts[0].pieces == ("[A dragon.]\nOnce",)


def test_a_prompt_that_is_too_long_loses_its_beginning_but_never_the_memory(
    kobold: httpx.Client, stage: Stage
) -> None:
    words = " ".join(f"w{number}" for number in range(100))  # 199 tokens
    answer = generated(kobold, prompt=words, memory="A dragon.\n", max_context_length=60, max_length=20)
    (ids,) = stage.worker.prompts[0].pieces
    asked = {id: piece for piece, id in stage.worker._ids.items()}
    text = "".join(asked[id] for id in ids)
    assert text.startswith("A dragon.\n")
    assert text.endswith(" w98 w99")
    assert len(ids) == 40
    assert answer["fabula"]["cut_tokens"] == 199 - 35
    assert answer["results"][0]["prompt_tokens"] == 40


def test_a_memory_that_fills_the_context_is_refused_with_the_numbers(kobold: httpx.Client) -> None:
    body = {"prompt": "x", "memory": "w " * 50, "max_context_length": 40, "max_length": 10}
    answer = kobold.post("/v1/generate", json=body)
    assert (answer.status_code, answer.json()["detail"]["code"]) == (400, "context_exceeded")
    assert "40" in answer.json()["detail"]["msg"]


def test_placeholders_are_replaced_where_that_is_asked_for(kobold: httpx.Client, stage: Stage) -> None:
    for asked in (True, False):
        body = {"prompt": "{{[INPUT]}}Hi{{[OUTPUT]}}", "replace_instruct_placeholders": asked}
        kobold.post("/v1/generate", json=body | {"stop_sequence": ["{{[INPUT]}}"]})
    first, second = (prompt.pieces[0] for prompt in stage.worker.prompts)
    assert "{{[" not in first
    assert "Hi" in first
    assert second == "{{[INPUT]}}Hi{{[OUTPUT]}}"


def test_log_probabilities_come_with_the_answer_and_afterwards(kobold: httpx.Client) -> None:
    result = generated(kobold, logprobs=True, genkey="A")["results"][0]
    assert "".join(result["logprobs"]["tokens"]) == SAID
    assert kobold.post("/extra/last_logprobs", json={"genkey": "A"}).json()["logprobs"] == result["logprobs"]
    assert kobold.post("/extra/last_logprobs", json={"genkey": "B"}).json() == {"logprobs": None}
    assert generated(kobold)["results"][0]["logprobs"] is None


# ── polling and stopping ────────────────────────────────────────────────────────────────────────────────


class Asked:
    """A generation in a thread of its own."""

    def __init__(self, kobold: httpx.Client, path: str = "/v1/generate", **body: Any) -> None:
        self.answer: httpx.Response | None = None
        self._url, self._body = f"{kobold.base_url}".rstrip("/") + path, {"prompt": "Once", **body}
        self._thread = threading.Thread(target=self._ask)
        self._thread.start()

    def _ask(self) -> None:
        self.answer = httpx.post(self._url, json=self._body, timeout=30)

    def result(self) -> httpx.Response:
        self._thread.join()
        assert self.answer
        return self.answer


def polled(kobold: httpx.Client, **body: Any) -> str:
    return text_of(kobold.post("/extra/generate/check", json=body).json())


def test_what_is_being_written_can_be_polled_by_its_key_only(kobold: httpx.Client, stage: Stage) -> None:
    stage.script = [SLOWLY]
    asked = Asked(kobold, genkey="A")
    text = until(lambda: polled(kobold, genkey="A"))
    assert SLOWLY.text.startswith(text)
    assert (polled(kobold, genkey="B"), polled(kobold)) == ("", "")
    assert text_of(asked.result().json()) == SLOWLY.text == polled(kobold, genkey="A")


def test_without_keys_a_single_answer_can_be_polled(kobold: httpx.Client, stage: Stage) -> None:
    stage.script = [SLOWER]
    asked = Asked(kobold)
    until(lambda: text_of(kobold.get("/extra/generate/check").json()))
    other = Asked(kobold)
    until(lambda: len(stage.worker.prompts) == 2)
    assert text_of(kobold.get("/extra/generate/check").json()) == "", "of two, nobody can say which"
    assert kobold.post("/extra/abort").json() == {"success": "false", "done": "false"}
    assert text_of(asked.result().json()) == text_of(other.result().json()) == SLOWLY.text


@pytest.mark.parametrize("path", ["/v1/generate", "/extra/generate/stream"])
def test_an_answer_that_is_stopped_is_what_was_written(
    kobold: httpx.Client, stage: Stage, path: str, client: Client
) -> None:
    stage.script = [ENDLESS]
    asked, other = (Asked(kobold, path, genkey=key) for key in ("A", "B"))
    until(lambda: polled(kobold, genkey="A") and polled(kobold, genkey="B"))
    assert kobold.post("/extra/abort", json={"genkey": "A"}).json() == {"success": "true", "done": "true"}
    told = asked.result()
    text = text_of(told.json()) if path == "/v1/generate" else "".join(row["token"] for row in events(told))
    ends = told.json()["fabula"] if path == "/v1/generate" else events(told)[-1]["fabula"]
    assert ENDLESS.text.startswith(text)
    assert text != ENDLESS.text
    assert ends["reasons"] == ["stopped"]
    assert stage.stopped == 1, "the engine was stopped, and only once"
    kobold.post("/extra/abort", json={"genkey": "B"})
    assert other.result().status_code == 200
    until(lambda: client.get("/system")["running"][0]["busy"] == 0)


def test_one_who_waits_in_line_can_be_stopped(kobold: httpx.Client, stage: Stage, client: Client) -> None:
    stage.script = [ENDLESS]
    first = [Asked(kobold, genkey=f"{number}") for number in range(8)]
    until(lambda: client.get("/system")["running"] and client.get("/system")["running"][0]["waiting"])
    waiting = Asked(kobold, genkey="last")
    until(lambda: kobold.post("/extra/abort", json={"genkey": "last"}).json()["success"] == "true")
    assert waiting.result().json()["fabula"]["reasons"] == ["stopped"]
    for number in range(8):
        kobold.post("/extra/abort", json={"genkey": f"{number}"})
    assert all(asked.result().status_code == 200 for asked in first)


def test_nothing_to_stop_is_no_success(kobold: httpx.Client) -> None:
    assert kobold.post("/extra/abort", json={"genkey": "A"}).json() == {"success": "false", "done": "false"}


def test_hanging_up_stops_the_engine(kobold: httpx.Client, stage: Stage) -> None:
    stage.script = [ENDLESS]
    with kobold.stream("POST", "/extra/generate/stream", json={"prompt": "x"}) as answer:
        assert any("three" in line for line in answer.iter_lines())
    until(lambda: stage.stopped)


# ── tokens, vectors ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("path", ["/extra/tokencount", "/extra/tokenize"])
def test_tokens_are_counted_and_spelled(kobold: httpx.Client, path: str) -> None:
    told = kobold.post(path, json={"prompt": "the cat", "special": False}).json()
    assert (told["value"], len(told["ids"])) == (3, 3)
    back = kobold.post("/extra/detokenize", json={"ids": told["ids"][:1]}).json()
    assert back == {"result": "the", "success": True}


def test_texts_become_vectors(home: Home, kobold: httpx.Client) -> None:
    tiny_model.write(home.models / "vectors.gguf", **{"llama.pooling_type": 1})
    told = kobold.post("/extra/embeddings", json={"input": ["the cat", "dogs"]}).json()
    assert [(row["index"], len(row["embedding"])) for row in told["data"]] == [(0, 8), (1, 8)]
    assert kobold.get("/extra/version").json()["embeddings"] is True


# ── saved stories ───────────────────────────────────────────────────────────────────────────────────────


def test_stories_are_kept_in_slots(kobold: httpx.Client, home: Home) -> None:
    story = {"slot": 2, "title": "火龍", "format": "kcpp_lzma_b64", "data": "abc\ndef"}
    assert kobold.post("/extra/data/save", json=story).json() == {"success": True, "error": ""}
    titles = kobold.post("/extra/data/list").json()
    assert (len(titles), titles[2], set(titles)) == (SLOTS, "火龍", {"", "火龍"})
    kept = {name: story[name] for name in ("title", "format", "data")}
    assert kobold.post("/extra/data/load", json={"slot": 2}).json() == {"success": True, "data": kept}
    assert (home.saves / "local" / "2.story").exists()


def test_a_story_without_data_empties_its_slot(kobold: httpx.Client) -> None:
    kobold.post("/extra/data/save", json={"slot": 0, "data": "abc"})
    assert kobold.post("/extra/data/list").json()[0] == "Untitled Save"
    kobold.post("/extra/data/save", json={"slot": 0, "data": ""})
    assert kobold.post("/extra/data/load", json={"slot": 0}).json() == {"success": False, "data": None}


@pytest.mark.parametrize(
    "wrong",
    [{"slot": SLOTS, "data": "x"}, {"slot": -1}, {"slot": 0, "data": "x" * (MOST + 1)}, {"slot": "0"}],
)
def test_a_story_that_cannot_be_kept_is_refused(kobold: httpx.Client, wrong: Json) -> None:
    answer = kobold.post("/extra/data/save", json=wrong)
    assert (answer.status_code, answer.json()["detail"]["type"]) == (400, "bad_input")
    assert set(kobold.post("/extra/data/list").json()) == {""}


def test_each_owner_has_slots_of_their_own(home: Home) -> None:
    saves = Saves(home.saves)
    saves.save("ann", 1, Saved("Hers", "", "abc"))
    assert saves.titles("bob") == [""] * SLOTS
    assert saves.load("bob", 1) is None
    for owner in ("../ann", "ann/..", "con"):
        saves.save(owner, 0, Saved("x", "", owner))
    assert {path.parent.parent for path in home.saves.rglob("*.story")} == {home.saves}
    assert (saves.titles("ann")[1], saves.load("../ann", 0)) == ("Hers", Saved("x", "", "../ann"))


def test_an_empty_slot_or_none_has_no_story(kobold: httpx.Client) -> None:
    for slot in (5, 99, -1):
        assert kobold.post("/extra/data/load", json={"slot": slot}).json()["success"] is False


# ── what is refused, other models, errors ───────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "path", ["websearch", "multiplayer/status", "multiplayer/getstory", "multiplayer/setstory"]
)
def test_what_there_is_not_is_refused_with_a_sentence(kobold: httpx.Client, path: str) -> None:
    answer = kobold.post(f"/extra/{path}", json={"q": "x"})
    assert (answer.status_code, answer.json()["detail"]["type"]) == (501, "not_implemented")
    assert answer.json()["detail"]["msg"].startswith("Fabula does not offer")


def test_no_story_lies_ready(kobold: httpx.Client) -> None:
    assert kobold.get("/extra/preloadstory").json() == {}


def test_another_model_is_chosen_among_the_configurations(
    kobold: httpx.Client, home: Home, client: Client
) -> None:
    tiny_model.write(home.models / "other.gguf")
    assert kobold.get("/admin/list_options").json() == ["unload_model", "other", "tiny"]
    assert kobold.post("/admin/reload_config", json={"filename": "tiny"}).json() == {"success": True}
    assert kobold.get("/v1/model").json() == {"result": "koboldcpp/tiny"}
    client.post("/models/other/load")
    assert kobold.get("/v1/model").json() == {"result": "koboldcpp/tiny"}, (
        "another program's model changes nothing"
    )
    assert kobold.post("/admin/reload_config", json={"filename": "unload_model"}).json() == {"success": True}
    assert [row["model"] for row in client.get("/system")["running"]] == ["other"]
    assert kobold.get("/v1/model").json() == {"result": "koboldcpp/other"}, "the one that is loaded"


def test_an_unknown_configuration_is_refused_with_those_there_are(kobold: httpx.Client) -> None:
    answer = kobold.post("/admin/reload_config", json={"filename": "../etc"})
    assert (answer.status_code, "tiny" in answer.json()["detail"]["msg"]) == (404, True)


def test_the_model_is_the_one_that_is_loaded(
    kobold: httpx.Client, home: Home, client: Client, stage: Stage
) -> None:
    tiny_model.write(home.models / "other.gguf")
    client.post("/models/tiny/load")
    generated(kobold)
    client.post("/models/other/load")
    generated(kobold)
    assert [worker.model.name for worker in stage.workers if len(worker.prompts) == 2] == ["tiny"]


@pytest.mark.parametrize("path", ["/v1/generate", "/extra/generate/stream"])
def test_what_fails_before_the_engine_begins_has_a_status(
    kobold: httpx.Client, stage: Stage, path: str
) -> None:
    stage.load_error = ModelLoadFailed("tiny", "unknown architecture")
    answer = kobold.post(path, json={"prompt": "x"})
    assert (answer.status_code, answer.json()["detail"]["code"]) == (502, "model_load_failed")


def test_a_stream_that_breaks_ends_with_an_error_in_the_callers_language(
    kobold: httpx.Client, stage: Stage
) -> None:
    error = EngineDied("tiny", "SIGKILL")
    stage.script = [Reply("One two", error=error, fail_at=2)]
    answer = kobold.post(
        "/extra/generate/stream", json={"prompt": "x"}, headers={"accept-language": "zh-Hant"}
    )
    *_, last = events(answer)
    assert (last["finish_reason"], last["detail"]["msg"]) == ("error", error.sentence("zh-Hant"))


def test_a_full_queue_is_their_503(home: Home, stage: Stage, started: Callable[[], Client]) -> None:
    home.config.write_text("engine.queue_limit = 0\nengine.slots = 1\n")
    stage.script = [ENDLESS]
    with httpx.Client(base_url=f"{started().address}/api", timeout=30) as kobold:
        asked = Asked(kobold, genkey="A")
        until(lambda: polled(kobold, genkey="A"))
        answer = kobold.post("/v1/generate", json={"prompt": "x"})
        assert (answer.status_code, answer.json()["detail"]["type"]) == (503, "service_unavailable")
        assert "retry-after" in answer.headers
        kobold.post("/extra/abort", json={"genkey": "A"})
        asked.result()


@pytest.mark.parametrize(
    "path", ["/v1/generate", "/extra/abort", "/extra/generate/check", "/extra/tokencount"]
)
def test_a_body_that_is_no_object_is_refused_in_their_shape(kobold: httpx.Client, path: str) -> None:
    for body in ("[1]", "{", '{"genkey": 1, "prompt": 1}'):
        answer = kobold.post(path, content=body)
        assert (answer.status_code, answer.json()["detail"]["type"]) == (400, "bad_input")


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/extra/detokenize", {"ids": ["a"]}),
        ("/extra/detokenize", {"ids": [-1]}),
        ("/extra/embeddings", {"input": [1]}),
        ("/admin/reload_config", {"filename": 1}),
    ],
)
def test_values_of_a_wrong_kind_are_refused(kobold: httpx.Client, path: str, body: Json) -> None:
    assert kobold.post(path, json=body).json()["detail"]["type"] == "bad_input"


def test_who_needs_a_key_and_has_none_is_told_in_their_shape(
    home: Home, started: Callable[[], Client]
) -> None:
    home.config.write_text("server.key_on_loopback = true\n")
    base = f"{started().address}/api"
    for path in ("/v1/model", "/extra/perf", "/admin/list_options"):
        answer = httpx.get(base + path)
        assert (answer.status_code, answer.json()["detail"]["type"]) == (401, "unauthorized")


def test_a_route_that_there_is_not_says_so_in_their_shape(kobold: httpx.Client) -> None:
    answer = kobold.post("/extra/transcribe", json={})
    assert (answer.status_code, answer.json()["detail"]["type"]) == (404, "not_found")
