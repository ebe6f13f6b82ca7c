"""KoboldCpp's dialect as programs speak it, against a real `fabula serve` with the real engine."""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from studio_process import StudioProcess, home_with
from waiting import until

Json = dict[str, Any]
STORY = "Once upon a time, there was a fox"
GREEDY: Json = {"prompt": STORY, "max_length": 24, "temperature": 0}
LITE: Json = {
    # a body as KoboldAI Lite sends it
    "n": 1,
    "max_context_length": 2048,
    "rep_pen": 1.07,
    "top_p": 0.92,
    "top_k": 100,
    "top_a": 0,
    "typical": 1,
    "tfs": 1,
    "rep_pen_range": 360,
    "rep_pen_slope": 1,
    "sampler_order": [6, 0, 1, 3, 4, 2, 5],
    "memory": "",
    "trim_stop": True,
    "min_p": 0,
    "dynatemp_range": 0,
    "dynatemp_exponent": 1,
    "smoothing_factor": 0,
    "nsigma": 0,
    "banned_tokens": [],
    "render_special": False,
    "logprobs": False,
    "presence_penalty": 0,
    "logit_bias": {},
    "quiet": True,
    "stop_sequence": ["{{[INPUT]}}", "{{[OUTPUT]}}"],
    "bypass_eos": False,
    "use_default_badwordsids": False,
    "replace_instruct_placeholders": True,
    "genkey": "KCPP1234",
    "prompt": "{{[INPUT]}}Tell me a story.{{[OUTPUT]}}",
    "max_length": 24,
    "temperature": 0.75,
    "sampler_seed": 5,
}


@pytest.fixture(scope="module")
def studio(starter_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StudioProcess]:
    """One studio for all tests of this file; its model is loaded, and the exact copy that some need."""
    studio = StudioProcess(home_with(tmp_path_factory.mktemp("home") / "home", starter_model))
    for body in ({}, {"tfs": 0.9}):
        httpx.post(f"{studio.address}/api/v1/generate", json=GREEDY | {"max_length": 1} | body, timeout=60)
    yield studio
    studio.close()


@pytest.fixture(scope="module")
def kobold(studio: StudioProcess) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"{studio.address}/api", timeout=120) as kobold:
        yield kobold


def generated(kobold: httpx.Client, **body: Any) -> Json:
    answer = kobold.post("/v1/generate", json=GREEDY | body)
    assert answer.status_code == 200, answer.text
    found: Json = answer.json()
    return found


def text_of(answer: Json) -> str:
    return str(answer["results"][0]["text"])


def events(lines: Iterator[str]) -> Iterator[Json]:
    """As KoboldAI Lite reads them."""
    name = ""
    for line in lines:
        field, _, value = line.partition(": ")
        if field == "event":
            name = value
        elif field == "data":
            assert name == "message"
            yield json.loads(value)


def streamed(kobold: httpx.Client, **body: Any) -> list[Json]:
    with kobold.stream("POST", "/extra/generate/stream", json=GREEDY | body) as answer:
        return list(events(answer.iter_lines()))


def test_the_first_request_loads_the_model(starter_model: Path, tmp_path: Path) -> None:
    studio = StudioProcess(home_with(tmp_path / "home", starter_model))
    try:
        with httpx.Client(base_url=f"{studio.address}/api", timeout=60) as kobold:
            assert kobold.get("/v1/model").json() == {"result": f"koboldcpp/{starter_model.stem}"}
            assert studio.client.get("/system")["running"] == []
            assert text_of(generated(kobold, max_length=4))
            unloaded = kobold.post("/admin/reload_config", json={"filename": "unload_model"})
            assert (unloaded.json(), studio.client.get("/system")["running"]) == ({"success": True}, [])
            (_, name) = kobold.get("/admin/list_options").json()
            assert kobold.post("/admin/reload_config", json={"filename": name}).json() == {"success": True}
            assert text_of(generated(kobold, max_length=4))
    finally:
        studio.close()


def test_an_answer_has_a_text_a_reason_and_counts(kobold: httpx.Client) -> None:
    result = generated(kobold)["results"][0]
    assert (len(result["text"]) > 20, result["finish_reason"], result["completion_tokens"]) == (
        True,
        "length",
        24,
    )
    assert kobold.get("/extra/true_max_context_length").json() == {"value": 2048}


def test_a_stream_says_the_same(kobold: httpx.Client) -> None:
    *pieces, last = streamed(kobold)
    assert len(pieces) > 5
    assert "".join(piece["token"] for piece in pieces) + last["token"] == text_of(generated(kobold))
    assert last["finish_reason"] == "length"


def test_each_of_three_texts_can_be_written_again_alone(kobold: httpx.Client) -> None:
    asked = {"temperature": 1, "max_length": 24}
    answer = generated(kobold, n=3, **asked)
    texts = [row["text"] for row in answer["results"]]
    assert len(set(texts)) == 3
    for seed, text in zip(answer["fabula"]["seeds"], texts, strict=True):
        assert text_of(generated(kobold, sampler_seed=seed, **asked)) == text


@pytest.mark.parametrize("seed", [None, 7])
def test_openais_dialect_says_the_same(studio: StudioProcess, kobold: httpx.Client, seed: int | None) -> None:
    sampling = {"temperature": 1.2 if seed else 0}
    ours = text_of(generated(kobold, **sampling, sampler_seed=seed))
    body = {"prompt": STORY, "max_tokens": 24, "seed": seed, **sampling}
    theirs = httpx.post(f"{studio.address}/v1/completions", json=body, timeout=60).json()
    assert ours == theirs["choices"][0]["text"]


def test_what_lite_sends_is_heeded_whole(kobold: httpx.Client) -> None:
    answers = [generated(kobold, **LITE) for _ in range(2)]
    assert answers[0]["fabula"]["ignored"] == []
    assert answers[0]["fabula"]["effective"]["seed"] == 5
    assert text_of(answers[0]) == text_of(answers[1])
    assert "<|im_" not in text_of(answers[0])


def test_placeholders_are_the_models_own_turns(studio: StudioProcess, kobold: httpx.Client) -> None:
    """The same conversation through the model's template, asked in OpenAI's dialect."""
    system, user = "You are a poet.", "Say something."
    told = generated(
        kobold,
        replace_instruct_placeholders=True,
        prompt=f"{{{{[SYSTEM]}}}}{system}{{{{[SYSTEM_END]}}}}{{{{[INPUT]}}}}{user}{{{{[INPUT_END]}}}}{{{{[OUTPUT]}}}}",
    )
    messages = [{"role": "system", "content": system}, {"role": "user", "content": user}]
    body = {"messages": messages, "max_tokens": 24, "temperature": 0}
    asked = httpx.post(f"{studio.address}/v1/chat/completions", json=body, timeout=60).json()
    assert text_of(told) == asked["choices"][0]["message"]["content"]
    assert told["results"][0]["prompt_tokens"] == asked["usage"]["prompt_tokens"]


def test_a_stop_string_ends_the_text(kobold: httpx.Client) -> None:
    plain = text_of(generated(kobold))
    stop = plain[20:26]
    cut = plain[: plain.index(stop)]
    assert text_of(generated(kobold, stop_sequence=[stop])) == cut
    assert text_of(generated(kobold, stop_sequence=[stop], trim_stop=False)) == cut + stop
    assert "".join(row["token"] for row in streamed(kobold, stop_sequence=[stop])) == cut


def test_banned_words_do_not_appear(kobold: httpx.Client) -> None:
    plain = text_of(generated(kobold))
    word = max(plain.split(), key=len).strip(".,")
    assert word.lower() not in text_of(generated(kobold, banned_tokens=[word])).lower()


@pytest.mark.parametrize("breakers", [["\n", ":"], '["\\n", ":"]', '"\\n", ":"'])
def test_breakers_reach_the_engine_however_they_come(kobold: httpx.Client, breakers: Any) -> None:
    told = generated(kobold, dry_multiplier=0.8, dry_sequence_breakers=breakers)
    assert told["fabula"]["effective"]["dry_sequence_breakers"] == ["\n", ":"]
    assert told["fabula"]["ignored"] == []


def test_a_grammar_holds(kobold: httpx.Client) -> None:
    assert text_of(generated(kobold, grammar='root ::= "yes" | "no"')) in ("yes", "no")


@pytest.mark.parametrize(
    "body",
    [
        {"sampler_order": [5, 6, 0, 1, 3, 4, 2]},
        {"xtc_probability": 0.5, "sampler_order": [6, 0, 1, 3, 4, 2, 5]},
    ],
)
def test_another_order_is_used_and_told(kobold: httpx.Client, body: Json) -> None:
    told = generated(kobold, temperature=0.7, sampler_seed=3, max_length=6, **body)["fabula"]
    assert told["ignored"] == []
    assert told["effective"]["sampler_order"]


def test_what_only_the_exact_engine_can_is_heeded_or_told(kobold: httpx.Client) -> None:
    told = generated(kobold, temperature=1, tfs=0.8, top_a=0.3, smoothing_factor=0.2, sampler_seed=3)[
        "fabula"
    ]
    assert told["exact"]["needed"]
    assert told["ignored"] == [] if told["exact"]["used"] else told["ignored"]


def test_a_prompt_that_is_too_long_loses_its_beginning_and_keeps_the_memory(kobold: httpx.Client) -> None:
    words = " ".join(f"The fox saw tree {number}." for number in range(60))
    memory = "[The fox is called Vixey.]\n"
    told = generated(kobold, prompt=words, memory=memory, max_length=8, max_context_length=128)
    assert told["results"][0]["prompt_tokens"] == 128 - 8
    assert told["fabula"]["cut_tokens"] > 200
    whole = generated(kobold, prompt="The fox", memory=memory, max_length=8)
    assert whole["fabula"]["cut_tokens"] == 0


def test_a_cut_prompt_is_what_its_end_would_have_been(kobold: httpx.Client) -> None:
    words = " ".join(f"The fox saw tree {number}." for number in range(60))
    ids = kobold.post("/extra/tokencount", json={"prompt": words, "special": False}).json()["ids"]
    end = kobold.post("/extra/detokenize", json={"ids": ids[-(128 - 24) :]}).json()["result"]
    assert text_of(generated(kobold, prompt=words, max_context_length=128)) == text_of(
        generated(kobold, prompt=end)
    )


def test_log_probabilities(kobold: httpx.Client) -> None:
    told = generated(kobold, logprobs=True, genkey="probable", max_length=6)["results"][0]
    content = told["logprobs"]["content"]
    assert "".join(row["token"] for row in content) == told["text"]
    assert all(len(row["top_logprobs"]) == 5 for row in content)
    assert all(
        math.isclose(row["logprob"], row["top_logprobs"][0]["logprob"], abs_tol=1e-3) for row in content
    )
    again = kobold.post("/extra/last_logprobs", json={"genkey": "probable"}).json()["logprobs"]
    assert again == told["logprobs"]


def test_tokens_are_counted_as_the_engine_reads_them(kobold: httpx.Client) -> None:
    told = kobold.post("/extra/tokencount", json={"prompt": STORY}).json()
    assert told["value"] == len(told["ids"]) == generated(kobold)["results"][0]["prompt_tokens"]
    assert kobold.post("/extra/detokenize", json={"ids": told["ids"]}).json()["result"] == STORY


def test_performance_is_measured(kobold: httpx.Client) -> None:
    before = kobold.get("/extra/perf").json()["total_gens"]
    generated(kobold)
    perf = kobold.get("/extra/perf").json()
    assert (perf["total_gens"], perf["last_token_count"], perf["stop_reason"]) == (before + 1, 24, 0)
    assert perf["last_eval_speed"] > 0


# ── several at once ─────────────────────────────────────────────────────────────────────────────────────


class Asked:
    """A generation in a thread of its own, which would write for long."""

    def __init__(self, kobold: httpx.Client, key: str, **body: Any) -> None:
        self.answers: list[Json] = []
        self._asked = GREEDY | {"max_length": 1500, "ban_eos_token": True, "genkey": key} | body
        self._kobold, self._thread = kobold, threading.Thread(target=self._ask)
        self._thread.start()

    def _ask(self) -> None:
        self.answers.append(self._kobold.post("/v1/generate", json=self._asked).json())

    def text(self) -> str:
        self._thread.join()
        return text_of(self.answers[0])


def polled(kobold: httpx.Client, key: str) -> str:
    return text_of(kobold.post("/extra/generate/check", json={"genkey": key}).json())


def test_two_programs_poll_and_stop_only_their_own(studio: StudioProcess, kobold: httpx.Client) -> None:
    first = Asked(kobold, "first")
    second = Asked(kobold, "second", prompt="The wizard said")
    until(lambda: polled(kobold, "first") and polled(kobold, "second"))
    assert polled(kobold, "first") != polled(kobold, "second")
    assert kobold.post("/extra/abort", json={"genkey": "first"}).json() == {"success": "true", "done": "true"}
    written = first.text()
    assert polled(kobold, "first") == written
    assert first.answers[0]["fabula"]["reasons"] == ["stopped"]
    before = polled(kobold, "second")
    until(lambda: len(polled(kobold, "second")) > len(before))
    assert kobold.post("/extra/abort", json={"genkey": "second"}).json()["success"] == "true"
    assert second.text().startswith(before)
    until(lambda: studio.client.get("/system")["running"][0]["busy"] == 0)
    assert text_of(generated(kobold))


def test_a_client_that_hangs_up_frees_the_engine(studio: StudioProcess, kobold: httpx.Client) -> None:
    body = GREEDY | {"max_length": 1500, "ban_eos_token": True}
    with kobold.stream("POST", "/extra/generate/stream", json=body) as answer:
        next(events(answer.iter_lines()))
    until(lambda: studio.client.get("/system")["running"][0]["busy"] == 0)
    assert "Traceback" not in (studio.home / "logs" / "studio.log").read_text()
