"""The real `openai` client against a real `fabula serve` with the real engine and the starter model."""

from __future__ import annotations

import asyncio
import json
import math
import signal
from collections.abc import Iterator
from pathlib import Path

import httpx
import openai
import pytest
from openai import AsyncOpenAI, OpenAI
from pydantic import BaseModel, ConfigDict
from studio_process import StudioProcess, home_with
from waiting import until

from fabula.engine.llamacpp.worker import LlamaCppWorker

HELLO = [{"role": "user", "content": "Tell me a short story about a fox."}]
MODEL = "smollm2"
NOTHING_ELSE = {"additionalProperties": False}
WITH_TOOLS = (
    "{% if tools %}{% for tool in tools %}{{ tool | tojson }}{% endfor %}{% endif %}{# <tool_call> #}"
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


class Fox(BaseModel):
    model_config = ConfigDict(extra="forbid")
    is_red: bool
    legs: int


@pytest.fixture(scope="module")
def studio(starter_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StudioProcess]:
    """One studio for all tests of this file, its model loaded."""
    studio = StudioProcess(home_with(tmp_path_factory.mktemp("home") / "home", starter_model))
    studio.client.post(f"/models/{MODEL}/load")
    yield studio
    studio.close()


@pytest.fixture(scope="module")
def client(studio: StudioProcess) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{studio.address}/v1", api_key="none", max_retries=0, timeout=60) as client:
        complete(client, "Once", logprobs=0, echo=True)  # loads the copy that scores; it stays for all tests
        yield client


def chat(client: OpenAI, **more: object) -> openai.types.chat.ChatCompletion:
    options = {"model": MODEL, "messages": HELLO, "max_tokens": 24, "temperature": 0, **more}
    return client.chat.completions.create(**options)  # type: ignore[call-overload,no-any-return]


def complete(client: OpenAI, prompt: object, **more: object) -> openai.types.Completion:
    options = {"model": MODEL, "prompt": prompt, "max_tokens": 12, "temperature": 0, **more}
    return client.completions.create(**options)  # type: ignore[call-overload,no-any-return]


def text_of(answer: openai.types.chat.ChatCompletion) -> str:
    return answer.choices[0].message.content or ""


# ── models ──────────────────────────────────────────────────────────────────────────────────────────────


def test_models_are_listed_and_retrieved(client: OpenAI, starter_model: Path) -> None:
    (model,) = client.models.list().data
    assert (model.id, model.object, model.owned_by) == (starter_model.stem, "model", "local")
    assert client.models.retrieve(model.id) == model


def test_an_unknown_model_is_not_found(client: OpenAI) -> None:
    for ask in (lambda: client.models.retrieve("gpt-9"), lambda: chat(client, model="gpt-9")):
        with pytest.raises(openai.NotFoundError) as refusal:
            ask()
        assert (refusal.value.code, refusal.value.type) == ("model_not_found", "invalid_request_error")
        assert "SmolLM2" in refusal.value.message


# ── chat ────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_chat_is_answered(client: OpenAI, starter_model: Path) -> None:
    answer = chat(client)
    assert (answer.object, answer.model) == ("chat.completion", starter_model.stem)
    assert answer.choices[0].message.role == "assistant"
    assert (answer.choices[0].finish_reason, len(text_of(answer)) > 20) == ("length", True)
    assert answer.usage
    assert answer.usage.completion_tokens == 24
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + 24


def test_a_streamed_chat_says_the_same_and_ends_with_usage(client: OpenAI) -> None:
    whole = chat(client)
    chunks = list(chat(client, stream=True, stream_options={"include_usage": True}))
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == text_of(whole)
    assert chunks[0].choices[0].delta.role == "assistant"
    assert [c.choices[0].finish_reason for c in chunks if c.choices][-1] == "length"
    assert {chunk.id for chunk in chunks} == {chunks[0].id}
    usage = chunks[-1].usage
    assert usage
    assert whole.usage
    assert (usage.prompt_tokens, usage.completion_tokens) == (whole.usage.prompt_tokens, 24)
    assert all(chunk.usage is None for chunk in chunks[:-1])


async def test_the_asynchronous_client_gets_the_same(client: OpenAI) -> None:
    async with AsyncOpenAI(base_url=str(client.base_url), api_key="none", max_retries=0) as other:
        answer = await other.chat.completions.create(
            model=MODEL, messages=HELLO, max_tokens=24, temperature=0
        )
        stream = await other.chat.completions.create(
            model=MODEL, messages=HELLO, max_tokens=24, temperature=0, stream=True
        )
        text = "".join([chunk.choices[0].delta.content or "" async for chunk in stream])
    assert answer.choices[0].message.content == text == text_of(chat(client))


def test_a_model_that_ends_by_itself_stops(client: OpenAI) -> None:
    answer = chat(client, messages=[{"role": "user", "content": "Say only: OK."}], max_tokens=200)
    assert answer.choices[0].finish_reason == "stop"
    assert "<|im_end|>" not in text_of(answer)
    assert answer.usage
    assert answer.usage.completion_tokens < 200


@pytest.mark.parametrize("stream", [False, True])
def test_the_text_of_a_stop_string_never_appears(client: OpenAI, stream: bool) -> None:
    plain = text_of(chat(client, max_tokens=60))
    for stop in (plain[20:27], plain[33:34], [plain[40:45], "never said"]):
        answer = chat(client, max_tokens=60, stop=stop, stream=stream)
        if stream:
            chunks = list(answer)
            text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
            reason = chunks[-1].choices[0].finish_reason
        else:
            text, reason = text_of(answer), answer.choices[0].finish_reason
        first = stop if isinstance(stop, str) else stop[0]
        assert (text, reason) == (plain[: plain.index(first)], "stop")


def test_a_seed_fixes_the_text_and_another_changes_it(client: OpenAI) -> None:
    texts = [text_of(chat(client, temperature=1.5, seed=seed)) for seed in (1, 1, 2, 3)]
    assert texts[0] == texts[1]
    assert len({texts[0], texts[2], texts[3]}) == 3


@pytest.mark.parametrize("stream", [False, True])
def test_several_choices_differ_and_the_first_is_the_only_one_of_n_1(client: OpenAI, stream: bool) -> None:
    alone = text_of(chat(client, temperature=1.5, seed=5, max_tokens=16))
    answer = chat(client, temperature=1.5, seed=5, max_tokens=16, n=2, stream=stream)
    if stream:
        texts = {0: "", 1: ""}
        ends = {}
        for chunk in answer:
            for choice in chunk.choices:
                texts[choice.index] += choice.delta.content or ""
                ends[choice.index] = choice.finish_reason
        assert ends == {0: "length", 1: "length"}
    else:
        texts = {choice.index: choice.message.content for choice in answer.choices}
        assert answer.usage
        assert answer.usage.completion_tokens == 32
        assert answer.usage.prompt_tokens < 60, "a prompt that two choices share counts once"
    assert texts[0] == alone
    assert texts[1] not in ("", alone)


def test_each_choice_can_be_written_again_alone(client: OpenAI) -> None:
    asked = {"temperature": 1, "max_tokens": 24}
    answer = chat(client, n=3, **asked)
    assert answer.model_extra
    seeds = answer.model_extra["fabula"]["seeds"]
    texts = [choice.message.content for choice in answer.choices]
    assert len(set(texts)) == 3
    for seed, text in zip(seeds, texts, strict=True):
        assert text_of(chat(client, seed=seed, **asked)) == text
    again = chat(client, n=3, seed=seeds[0], **asked)
    assert [choice.message.content for choice in again.choices] == texts


def test_each_choice_of_a_stream_tells_the_seed_with_which_it_is_written_again(client: OpenAI) -> None:
    asked = {"temperature": 1, "max_tokens": 24}
    texts, seeds = ["", "", ""], [0, 0, 0]
    for chunk in chat(client, n=3, stream=True, **asked):
        (choice,) = chunk.choices
        texts[choice.index] += choice.delta.content or ""
        if told := (chunk.model_extra or {}).get("fabula"):
            (seeds[choice.index],) = told["seeds"]
    for seed, text in zip(seeds, texts, strict=True):
        assert text_of(chat(client, seed=seed, **asked)) == text


def test_an_assistants_message_at_the_end_is_lengthened(client: OpenAI) -> None:
    start = "Once upon a time, there was a fox named"
    answer = chat(client, messages=[*HELLO, {"role": "assistant", "content": start}], max_tokens=8)
    text = text_of(answer)
    assert text.startswith(" ")
    assert not text.lower().lstrip().startswith("once upon")


IN_PARTS = [
    {
        "role": "user",
        "content": [
            {"type": "text", "text": "Tell me a short story"},
            {"type": "text", "text": "about a fox."},
        ],
    }
]


def test_parts_of_a_message_are_lines(client: OpenAI) -> None:
    whole = [{"role": "user", "content": "Tell me a short story\nabout a fox."}]
    assert text_of(chat(client, messages=IN_PARTS)) == text_of(chat(client, messages=whole))


def test_the_same_prompt_is_not_read_twice(client: OpenAI) -> None:
    chat(client)
    usage = chat(client).usage
    assert usage
    assert usage.prompt_tokens_details
    assert usage.prompt_tokens_details.cached_tokens == usage.prompt_tokens - 1


@pytest.mark.parametrize("messages", [HELLO, IN_PARTS], ids=["text", "parts"])
async def test_the_text_is_the_raw_engines(
    client: OpenAI, worker: LlamaCppWorker, messages: list[dict[str, object]]
) -> None:
    """The same weights, asked directly: llama.cpp renders the template itself there."""
    assert worker._process
    host, port = worker._process.address
    body = {"messages": messages, "temperature": 0, "max_tokens": 48, "cache_prompt": False}
    headers = {"authorization": f"Bearer {worker._process.key}"}
    async with httpx.AsyncClient(timeout=60) as raw:
        answer = await raw.post(f"http://{host}:{port}/v1/chat/completions", json=body, headers=headers)
    theirs = answer.json()
    ours = chat(client, messages=messages, max_tokens=48)
    assert text_of(ours) == theirs["choices"][0]["message"]["content"]
    assert ours.usage
    assert ours.usage.prompt_tokens == theirs["usage"]["prompt_tokens"]


# ── log-probabilities ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("stop", [None, " the"])
@pytest.mark.parametrize("stream", [False, True])
def test_logprobs_of_a_chat_are_aligned_with_its_text(client: OpenAI, stream: bool, stop: str | None) -> None:
    answer = chat(client, logprobs=True, top_logprobs=4, temperature=1, seed=3, stop=stop, stream=stream)
    if stream:
        chunks = list(answer)
        text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
        logprobs = [chunk.choices[0].logprobs for chunk in chunks]
        rows = [row for each in logprobs if each for row in each.content or []]
    else:
        text, rows = text_of(answer), answer.choices[0].logprobs.content
    assert "".join(row.token for row in rows) == text
    for row in rows:
        assert len(row.top_logprobs) == 4
        assert bytes(row.bytes) == row.token.encode() or "�" in row.token
        likelihoods = [math.exp(choice.logprob) for choice in row.top_logprobs]
        assert likelihoods == sorted(likelihoods, reverse=True)
        assert 0 < sum(likelihoods) <= 1.001
        same = [choice.logprob for choice in row.top_logprobs if choice.token == row.token]
        assert not same or math.isclose(same[0], row.logprob, abs_tol=1e-3)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("echo", [False, True])
def test_logprobs_of_a_completion_are_aligned_with_its_text(client: OpenAI, stream: bool, echo: bool) -> None:
    answer = complete(client, "The quick brown", logprobs=3, echo=echo, stream=stream)
    chunks = list(answer) if stream else [answer]
    text = "".join(chunk.choices[0].text for chunk in chunks)
    found = [chunk.choices[0].logprobs for chunk in chunks if chunk.choices[0].logprobs]
    tokens = [token for each in found for token in each.tokens]
    offsets = [offset for each in found for offset in each.text_offset]
    assert text.startswith("The quick brown") is echo
    assert "".join(tokens) == text, "an echoed prompt has its log-probabilities too"
    assert all(text[at : at + len(token)] == token for at, token in zip(offsets, tokens, strict=True))
    rows = [row for each in found for row in zip(each.token_logprobs, each.top_logprobs, strict=True)]
    assert [at for at, (logprob, _) in enumerate(rows) if logprob is None] == ([0] if echo else [])
    written = rows[-12:]  # at temperature 0 each is the likeliest
    assert all(math.isclose(max(top.values()), logprob, abs_tol=1e-3) for logprob, top in written)
    assert all(sum(map(math.exp, top.values())) <= 1.001 for _, top in written)


def test_the_chosen_tokens_probability_is_told_even_without_others(client: OpenAI) -> None:
    rows = chat(client, logprobs=True).choices[0].logprobs
    assert rows
    assert len(rows.content or []) == 24
    assert all(row.logprob <= 0 and row.top_logprobs == [] for row in rows.content or [])


# ── completions ─────────────────────────────────────────────────────────────────────────────────────────


def test_a_text_is_completed(client: OpenAI) -> None:
    answer = complete(client, "The capital of France is")
    assert (answer.object, answer.choices[0].finish_reason) == ("text_completion", "length")
    assert "Paris" in answer.choices[0].text
    streamed = list(complete(client, "The capital of France is", stream=True))
    assert "".join(chunk.choices[0].text for chunk in streamed) == answer.choices[0].text


async def test_token_ids_say_the_same_as_their_text(client: OpenAI, worker: LlamaCppWorker) -> None:
    from fabula.core.worker import Prompt

    prompt = "The capital of France is"
    ids = await worker.tokenize(Prompt((prompt,), add_special=True))
    by_text, by_ids = complete(client, prompt), complete(client, ids)
    assert by_ids.choices[0].text == by_text.choices[0].text
    assert by_ids.usage
    assert by_ids.usage.prompt_tokens == len(ids)


def test_several_prompts_are_answered_in_order(client: OpenAI) -> None:
    prompts = ["The capital of France is", "One, two, three,"]
    answer = complete(client, prompts)
    alone = [complete(client, prompt) for prompt in prompts]
    assert [choice.index for choice in answer.choices] == [0, 1]
    assert [choice.text for choice in answer.choices] == [each.choices[0].text for each in alone]
    assert answer.usage
    assert answer.usage.prompt_tokens == sum(each.usage.prompt_tokens for each in alone if each.usage)


def test_an_echo_puts_the_prompt_in_front(client: OpenAI) -> None:
    prompt = "The capital of France is"
    echoed, plain = complete(client, prompt, echo=True), complete(client, prompt)
    assert echoed.choices[0].text == prompt + plain.choices[0].text
    streamed = list(complete(client, prompt, echo=True, stream=True))
    assert "".join(chunk.choices[0].text for chunk in streamed) == echoed.choices[0].text


def test_an_echo_of_token_ids_is_refused_aloud(client: OpenAI) -> None:
    answer = complete(client, [504, 3575], echo=True)
    assert answer.model_extra
    assert answer.model_extra["fabula"]["ignored"] == ["echo of token ids"]


# ── errors, and parameters beyond OpenAI's ──────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("more", "param"),
    [
        ({"temperature": -1}, "temperature"),
        ({"top_p": 2}, "top_p"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"n": 99}, "n"),
        ({"stop": 5}, "stop"),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "wizard", "content": "x"}]}, "messages[0].role"),
        ({"top_logprobs": 3}, "logprobs"),
        ({"extra_body": {"min_p": "much"}}, "min_p"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_a_wrong_parameter_is_named(
    client: OpenAI, more: dict[str, object], param: str, stream: bool
) -> None:
    with pytest.raises(openai.BadRequestError) as refusal:
        chat(client, stream=stream, **more)
    assert (refusal.value.param, refusal.value.code) == (param, "bad_parameter")
    assert param in refusal.value.message


@pytest.mark.parametrize("stream", [False, True])
def test_a_prompt_that_is_too_long_is_refused_with_the_numbers(client: OpenAI, stream: bool) -> None:
    long = [{"role": "user", "content": "word " * 3000}]
    for ask in (
        lambda: chat(client, messages=long, stream=stream),
        lambda: complete(client, "word " * 3000, stream=stream),
    ):
        with pytest.raises(openai.BadRequestError) as refusal:
            ask()
        assert refusal.value.code == "context_length_exceeded"
        assert "2,048" in refusal.value.message or "2048" in refusal.value.message
        assert "3,0" in refusal.value.message or "30" in refusal.value.message


def test_our_own_sampling_parameters_are_honoured(client: OpenAI) -> None:
    greedy = text_of(chat(client))
    options = {"min_p": 1.0, "top_k": 0, "repetition_penalty": 1.0}
    answer = chat(client, temperature=1.5, seed=1, extra_body=options)
    assert text_of(answer) == greedy, "with min_p = 1 only the likeliest token is left"
    effective = answer.model_extra["fabula"]["effective"]  # type: ignore[index]
    assert {name: effective[name] for name in options} == options


def test_what_has_no_effect_is_said(client: OpenAI) -> None:
    tools = [{"type": "function", "function": {"name": "f", "parameters": {}}}]
    raw = client.chat.completions.with_raw_response.create(
        model=MODEL,
        messages=HELLO,  # type: ignore[arg-type]
        max_tokens=2,
        user="ann",
        extra_body={"tools": tools, "溫度\r\nX-Evil": 1, "mirostat_tau": 3.0},
    )
    ignored = json.loads(raw.text)["fabula"]["ignored"]
    assert set(ignored) == {"tools", "user", "溫度\r\nX-Evil", "mirostat_tau"}
    assert "tools" in raw.headers["x-fabula-ignored"]
    assert "x-evil" not in raw.headers


def test_what_has_no_effect_is_said_in_a_stream_too(client: OpenAI) -> None:
    chunks = list(chat(client, stream=True, user="ann", max_tokens=2))
    assert [chunk.model_extra["fabula"]["ignored"] for chunk in chunks if chunk.model_extra] == [["user"]]


# ── tools and forms ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("stream", [False, True])
def test_a_tool_is_called_with_arguments_of_its_schema(client: OpenAI, stream: bool) -> None:
    schema = {"type": "object", "properties": {"city": {"enum": ["Paris", "Rome"]}}, "required": ["city"]}
    tool = {"type": "function", "function": {"name": "f", "parameters": schema | NOTHING_ELSE}}
    asked = {"tools": [tool], "tool_choice": "required", "parallel_tool_calls": False, "max_tokens": 150}
    answer = chat(client, stream=stream, extra_body={"load": {"chat_template": WITH_TOOLS}}, **asked)
    if stream:
        parts = [part for chunk in answer for part in chunk.choices[0].delta.tool_calls or []]
        assert (parts[0].type, parts[0].function.name, parts[0].index) == ("function", "f", 0)
        arguments = "".join(part.function.arguments or "" for part in parts)
    else:
        (call,) = answer.choices[0].message.tool_calls or []
        assert answer.choices[0].finish_reason == "tool_calls"
        arguments = call.function.arguments
    assert json.loads(arguments)["city"] in ("Paris", "Rome")


def test_a_form_is_parsed_by_the_client(client: OpenAI) -> None:
    answer = client.chat.completions.parse(
        model=MODEL, messages=HELLO, max_tokens=120, temperature=0, response_format=Fox
    )
    assert isinstance(answer.choices[0].message.parsed, Fox)


def test_the_clients_own_stream_puts_the_answer_together(client: OpenAI) -> None:
    asked = {"messages": [{"role": "user", "content": "Say only: OK."}], "max_tokens": 200}
    with client.chat.completions.stream(model=MODEL, temperature=0, **asked) as stream:  # type: ignore[call-overload]
        final = stream.get_final_completion()
    assert final.choices[0].message.content == text_of(chat(client, **asked))


# ── many at once, and those that go away ────────────────────────────────────────────────────────────────


async def test_eight_at_once_get_what_each_would_get_alone(client: OpenAI) -> None:
    questions = [f"What is {number} plus {number}?" for number in range(8)]

    async with AsyncOpenAI(base_url=str(client.base_url), api_key="none", max_retries=0) as other:

        async def ask(question: str) -> int:
            stream = await other.chat.completions.create(
                model=MODEL,
                messages=[{"role": "user", "content": question}],
                max_tokens=16,
                stream=True,
                stream_options={"include_usage": True},
            )
            chunks = [chunk async for chunk in stream]
            assert chunks[-2].choices[0].finish_reason in ("length", "stop")
            assert chunks[-1].usage
            return chunks[-1].usage.completion_tokens

        counts = await asyncio.gather(*map(ask, questions))
    assert all(0 < count <= 16 for count in counts)


@pytest.mark.parametrize("stream", [False, True])
def test_a_client_that_gives_up_frees_the_engine(studio: StudioProcess, client: OpenAI, stream: bool) -> None:
    endless = {"max_tokens": 1900, "extra_body": {"ignore_eos": True}}
    if stream:
        answer = chat(client, stream=True, **endless)
        next(iter(answer))
        answer.close()
    else:
        with pytest.raises(openai.APITimeoutError):
            chat(client, timeout=0.5, **endless)
    until(lambda: studio.client.get("/system")["running"][0]["busy"] == 0)
    assert text_of(chat(client, max_tokens=4))
    assert "Traceback" not in (studio.home / "logs" / "studio.log").read_text()


def test_an_engine_that_is_killed_is_an_error_and_no_short_reply(starter_model: Path, tmp_path: Path) -> None:
    studio = StudioProcess(home_with(tmp_path / "home", starter_model))
    try:
        with OpenAI(base_url=f"{studio.address}/v1", api_key="none", max_retries=0) as client:
            answer = chat(client, stream=True, max_tokens=1900, extra_body={"ignore_eos": True})
            chunks = iter(answer)
            next(chunk for chunk in chunks if chunk.choices[0].delta.content)
            studio.engine.send_signal(signal.SIGKILL)
            with pytest.raises(openai.APIError) as failure:
                list(chunks)
            assert failure.value.code == "engine_died"
            assert text_of(chat(client, max_tokens=4)), "the next request loads the model again"
    finally:
        studio.close()
