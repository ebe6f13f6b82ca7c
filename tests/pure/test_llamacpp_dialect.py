"""Bodies of llama.cpp's server are understood, answers have its shape, and what has no effect is said."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import math
from collections.abc import AsyncGenerator

import pytest
from hypothesis import given
from hypothesis import strategies as some
from starlette.requests import Request

from fabula.core.errors import BadParameter, ContextExceeded, EngineDied, FillsNoGaps, ModelNotFound
from fabula.core.messages import IMAGE
from fabula.core.stream import Choice, Delta, Finished, Prefill, Prepared, Queued, Token
from fabula.server.answering import Written
from fabula.server.llamacpp import conversation, errors, names, parse, properties, render
from fabula.server.llamacpp.limit import limited

HI = {"prompt": "Hi"}
PIXEL = base64.b64encode(
    base64.b64decode(
        "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
    )
).decode()
END = Finished(
    reason="length",
    prompt_tokens=10,
    reused_tokens=4,
    processed_tokens=6,
    completion_tokens=3,
    prompt_ms=12,
    predicted_ms=30,
    effective={"temperature": 0.5, "seed": 7, "max_tokens": 3, "stop": ["x"]},
    ignored=("foo",),
)


# ── prompts ─────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("prompt", "pieces"),
    [
        ("x", [("x",)]),
        ([1, 2], [((1, 2),)]),
        ([1, "x", "y", 2, 3], [((1,), "x", "y", (2, 3))]),
        (["x", "y"], [("x",), ("y",)]),
        ([[1], ["x", 2]], [((1,),), ("x", (2,))]),
        ({"prompt_string": "x"}, [("x",)]),
        ([{"prompt_string": "x"}, "y"], [("x",), ("y",)]),
    ],
)
def test_a_prompt_may_be_text_tokens_both_or_a_list_of_them(prompt: object, pieces: object) -> None:
    assert [given.pieces for given in parse.completion({"prompt": prompt}).given] == pieces


@pytest.mark.parametrize("prompt", [None, 5, [], [[]], [-1], {"prompt_string": 5}, [True], [1, None]])
def test_a_prompt_that_is_none_is_refused(prompt: object) -> None:
    with pytest.raises(BadParameter) as refusal:
        parse.completion({"prompt": prompt})
    assert refusal.value.name == "prompt"


@given(some.lists(some.one_of(some.integers(0, 9), some.text("abc", min_size=1)), min_size=1))
def test_mixed_prompts_keep_their_order(parts: list[int | str]) -> None:
    flat: list[int | str] = []
    for piece in parse.pieces_of(parts, "prompt"):
        flat.extend([piece] if isinstance(piece, str) else piece)
    assert flat == parts


def test_an_image_stands_where_its_marker_is() -> None:
    asked = {"prompt_string": f"Look: {parse.MARKER} nice?", "multimodal_data": [PIXEL]}
    (given,) = parse.completion({"prompt": asked}).given
    assert given.pieces == (f"Look: {IMAGE} nice?",)
    assert len(given.images) == 1


@pytest.mark.parametrize("text", ["no marker", f"{parse.MARKER}{parse.MARKER}"], ids=["none", "two"])
def test_markers_and_images_are_as_many(text: str) -> None:
    with pytest.raises(BadParameter) as refusal:
        parse.completion({"prompt": {"prompt_string": text, "multimodal_data": [PIXEL]}})
    assert refusal.value.name == "prompt.multimodal_data"


# ── sampling ────────────────────────────────────────────────────────────────────────────────────────────


def sampled(**body: object) -> dict[str, object]:
    return parse.completion(HI | body).sampling.changed()


def ignored(**body: object) -> tuple[str, ...]:
    return parse.completion(HI | body).ignored


def test_every_name_of_llama_cpp_is_understood() -> None:
    body = {
        "n_predict": 9,
        "n_probs": 3,
        "repeat_penalty": 1.2,
        "repeat_last_n": 0,
        "dry_penalty_last_n": 99,
        "typical_p": 0.9,
        "dynatemp_range": 0.5,
        "xtc_probability": 0.5,
        "dry_sequence_breakers": ["\n"],
        "mirostat": 2,
        "grammar": 'root ::= "a"',
    }
    wanted = {
        "max_tokens": 9,
        "logprobs": 3,
        "repetition_penalty": 1.2,
        "repetition_window": 0,
        "dry_window": 99,
        "typical_p": 0.9,
        "dynatemp_range": 0.5,
        "xtc_probability": 0.5,
        "dry_sequence_breakers": ("\n",),
        "mirostat": 2,
        "grammar": 'root ::= "a"',
    }
    assert sampled(**body) == wanted
    assert ignored(**body) == ()


@pytest.mark.parametrize(
    ("body", "field", "value"),
    [
        ({"n_predict": -1}, "max_tokens", None),
        ({"n_predict": -2}, "max_tokens", None),
        ({"n_probs": 0}, "logprobs", None),
        ({"seed": -1}, "seed", None),
        ({"seed": 4294967295}, "seed", None),
        ({"top_k": -1}, "top_k", 0),
        ({"top_n_sigma": -1.0}, "top_n_sigma", 0),
        ({"temperature": -1}, "temperature", 0),
        ({"repeat_last_n": -1}, "repetition_window", -1),
        ({"adaptive_target": -1.0}, "adaptive_target", 0),
        ({"stop": ["a", ""]}, "stop", ("a",)),
        ({"dry_sequence_breakers": '["a", "b"]'}, "dry_sequence_breakers", ("a", "b")),
        ({"dry_sequence_breakers": '"a", "b"'}, "dry_sequence_breakers", ("a", "b")),
        ({"json_schema": {}}, "json_schema", ""),
    ],
)
def test_marks_of_llama_cpp_mean_what_they_mean_there(
    body: dict[str, object], field: str, value: object
) -> None:
    assert getattr(parse.completion(HI | body).sampling, field) == value


def test_a_schema_that_no_value_has_is_not_dropped() -> None:
    assert parse.completion(HI | {"json_schema": False}).sampling.json_schema == "false"


def test_nothing_written_is_asked_for_by_zero() -> None:
    wish = parse.completion(HI | {"n_predict": 0})
    assert not wish.writes
    assert wish.sampling.max_tokens == 1


def test_a_sampler_that_the_list_leaves_out_is_off_and_that_is_said() -> None:
    wish = parse.completion(HI | {"samplers": ["min_p", "temperature"], "min_p": 0.2, "top_k": 5, "nope": 1})
    assert wish.sampling.sampler_order == ("min_p", "temperature")
    off = {"top_k": 0, "top_p": 1.0, "typical_p": 1.0, "dry_multiplier": 0.0}
    assert {name: getattr(wish.sampling, name) for name in off} == off
    assert (wish.sampling.min_p, wish.sampling.temperature) == (0.2, 0.8)
    assert wish.ignored == ("nope", "top_k")


def test_a_switched_off_value_is_not_worth_a_word() -> None:
    assert ignored(samplers=["temperature"], top_k=-1, top_p=1, xtc_probability=0, min_p=0) == ()


def test_without_temperature_among_the_samplers_none_is_used() -> None:
    wish = parse.completion(HI | {"samplers": ["top_k"], "temperature": 0.3, "dynatemp_range": 0.2})
    assert (wish.sampling.temperature, wish.sampling.dynatemp_range) == (1.0, 0.0)
    assert wish.ignored == ("temperature", "dynatemp_range")


@pytest.mark.parametrize(
    ("samplers", "order"),
    [
        (["typ_p", "top-k", "temp"], ("typical_p", "top_k", "temperature")),
        ("kmt", ("top_k", "min_p", "temperature")),
        (["dry", "dry"], ("dry",)),
    ],
)
def test_samplers_have_several_names(samplers: object, order: object) -> None:
    assert parse.completion(HI | {"samplers": samplers}).sampling.sampler_order == order


@given(some.lists(some.sampled_from([*names.STEPS, "nope"])))
def test_any_list_of_samplers_is_a_chain(samplers: list[object]) -> None:
    words = [f"{name}" for name in samplers]
    wish = parse.completion(HI | {"samplers": words, "top_k": 7, "temperature": 0.3, "dynatemp_range": 0.2})
    assert (wish.sampling.top_k == 7) == ("top_k" in wish.sampling.sampler_order)
    assert (wish.sampling.temperature == 0.3) == ("temperature" in wish.sampling.sampler_order)


def test_samplers_that_nobody_knows_are_named() -> None:
    assert ignored(samplers=["top_k", "magic"], top_k=3) == ("samplers.magic",)


@pytest.mark.parametrize(
    ("bias", "ids", "texts"),
    [
        ([[5, 1.5], [6, False]], [(5, 1.5), (6, -math.inf)], []),
        ({"5": -2}, [(5, -2.0)], []),
        ([["Hello", False]], [], [("Hello", -math.inf)]),
        ({"Hello": 1}, [], [("Hello", 1.0)]),
        ([["5", 1]], [], [("5", 1.0)]),
        (None, [], []),
        ([], [], []),
    ],
)
def test_biases_have_several_forms(bias: object, ids: object, texts: object) -> None:
    assert names.biases(bias) == (ids, texts)


@pytest.mark.parametrize("bias", [5, [5], [[5]], [[-1, 1]], [[1, True]], [[1, "x"]], [[1.5, 1]]])
def test_other_biases_are_refused(bias: object) -> None:
    with pytest.raises(BadParameter):
        names.biases(bias)


def test_tokens_of_texts_join_those_that_are_known() -> None:
    wish = parse.completion(HI | {"logit_bias": [[5, 1.0], ["Hello", False]]})
    done = parse.settled(wish, [(19556, -math.inf)], {"tale": 0.5})
    assert done.sampling.logit_bias == ((5, 1.0), (19556, -math.inf))
    assert done.sampling.adapters == (("tale", 0.5),)


def test_adapters_go_by_their_number_and_others_are_off() -> None:
    wish = parse.completion(HI | {"lora": [{"id": 1, "scale": 0.5}]})
    assert wish.lora is not None
    assert parse.scaled(wish.lora, ("a", "b"), "lora") == {"a": 0.0, "b": 0.5}
    with pytest.raises(BadParameter):
        parse.scaled(wish.lora, ("a",), "lora")


# ── what is said of the rest ────────────────────────────────────────────────────────────────────────────


def test_what_nobody_can_honour_is_listed() -> None:
    asked = {"cache_prompt": False, "id_slot": 2, "post_sampling_probs": True, "magic": 1}
    assert ignored(**asked) == tuple(asked)


def test_values_that_ask_for_nothing_are_not_listed() -> None:
    asked = {"cache_prompt": True, "id_slot": -1, "n_keep": 64, "min_keep": 0, "t_max_predict_ms": -1}
    assert ignored(**asked) == ()


def test_names_of_other_programs_that_say_the_same_again_are_not_listed() -> None:
    """Front-ends send one body to all kinds of servers."""
    asked = {"repeat_penalty": 1.1, "rep_pen": 1.1, "n_predict": 8, "max_new_tokens": 8}
    assert ignored(**asked, custom_token_bans="", api_type="llamacpp") == ()
    assert ignored(rep_pen=1.1) == ("rep_pen",)


@pytest.mark.parametrize(
    ("body", "name"),
    [
        ({"n_predict": "a"}, "n_predict"),
        ({"repeat_last_n": -5}, "repeat_last_n"),
        ({"repeat_penalty": 1000, "samplers": ["penalties"]}, "repeat_penalty"),
        ({"n_probs": 101}, "n_probs"),
        ({"json_schema": []}, "json_schema"),
        ({"stream": "yes"}, "stream"),
        ({"samplers": 5}, "samplers"),
        ({"samplers": [5]}, "samplers"),
        ({"lora": [{"id": "x"}]}, "lora"),
        ({"lora": 1}, "lora"),
        ({"response_fields": "content"}, "response_fields"),
        ({"min_p": 3}, "min_p"),
        ({"t_max_predict_ms": "soon"}, "t_max_predict_ms"),
    ],
)
def test_a_wrong_field_is_named(body: dict[str, object], name: str) -> None:
    with pytest.raises(BadParameter) as refusal:
        parse.completion(HI | body)
    assert refusal.value.name == name


JSON = some.recursive(
    some.none() | some.booleans() | some.integers() | some.floats(allow_nan=False) | some.text(max_size=5),
    lambda inner: some.lists(inner, max_size=3) | some.dictionaries(some.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
FIELDS = sorted(parse.KNOWN | parse.NEUTRAL.keys() | {"rep_pen", "prompt_string", "input_extra"})


@given(some.dictionaries(some.sampled_from(FIELDS), JSON, max_size=4), JSON)
def test_any_json_is_understood_or_refused(body: dict[str, object], prompt: object) -> None:
    for asked in (body | {"prompt": "x"}, body | {"prompt": prompt}):
        with contextlib.suppress(BadParameter):
            assert parse.completion(asked).given


# ── answers ─────────────────────────────────────────────────────────────────────────────────────────────


def said(**body: object) -> render.Said:
    return render.Said(parse.completion(HI | body), "m")


def event(raw: bytes) -> dict[str, object]:
    assert raw.startswith(b"data: ")
    assert raw.endswith(b"\n\n")
    return dict(json.loads(raw[6:]))


def test_a_whole_answer_has_llama_cpps_fields() -> None:
    body = said().whole([Written("two\nlines", [Token("two\nlines", (1, 2, 3))], end=END)])
    assert (body["content"], body["stop"], body["stop_type"], body["has_new_line"]) == (
        *("two\nlines", True, "limit"),
        True,
    )
    counts = ("tokens_predicted", "tokens_evaluated", "tokens_cached")
    assert [body[name] for name in counts] == [3, 10, 12]
    timings = {"cache_n": 4, "prompt_n": 6, "prompt_ms": 12, "predicted_n": 3, "predicted_per_second": 100}
    assert {name: body["timings"][name] for name in timings} == timings
    settings = body["generation_settings"]
    assert (settings["temperature"], settings["seed"], settings["n_predict"]) == (0.5, 7, 3)
    assert (body["prompt"], body["truncated"], body["tokens"]) == ("Hi", False, [])
    assert body["fabula"]["ignored"] == ["foo"]
    assert (body["fabula"]["cache"], body["fabula"]["cache_reason"]) == ("", "")


def test_several_prompts_are_answered_by_a_list() -> None:
    voice = render.Said(parse.completion({"prompt": ["a", [1]]}), "m")
    rows = voice.whole([Written("x", end=END), Written("y", end=END)])
    assert [(row["index"], row["content"], row["prompt"]) for row in rows] == [(0, "x", "a"), (1, "y", [1])]


def test_only_the_fields_that_were_asked_for_are_told() -> None:
    fields = ["content", "generation_settings/seed", "nothing", "content/inside"]
    voice = said(response_fields=fields)
    assert voice.whole([Written("x", end=END)]) == {"content": "x", "generation_settings/seed": 7}


@pytest.mark.parametrize(
    ("end", "kind"),
    [("stop", "eos"), ("length", "limit"), ("loop", "none"), ("stopped", "none")],
)
def test_how_it_ended(end: str, kind: str) -> None:
    finished = Finished(**{**_plain(END), "reason": end})
    assert render.stop_type(finished) == kind
    assert render.stop_type(Finished(**{**_plain(END), "reason": "stop", "stop_string": "x"})) == "word"


def _plain(end: Finished) -> dict[str, object]:
    return {name: getattr(end, name) for name in end.__slots__}


def test_a_stream_has_an_event_for_each_token_and_one_that_ends_it() -> None:
    voice = said(stream=True)
    pieces = [
        voice.piece(0, Prefill(10, 10, 4)),
        voice.piece(0, Token('"霧"\n', (5, 6))),
        voice.piece(0, END),
    ]
    assert pieces[0] == b""
    first, last = event(pieces[1]), event(pieces[2])
    wanted = {"content": '"霧"\n', "tokens": [5, 6], "stop": False, "tokens_predicted": 2}
    assert first == {"index": 0, "id_slot": -1, "tokens_evaluated": 10, **wanted}
    assert (last["stop"], last["content"], last["has_new_line"]) == (True, "", True)
    assert list(voice.opening()) == list(voice.closing()) == []
    assert voice.end() == b""


def test_progress_is_told_when_it_is_asked_for() -> None:
    told = event(said(stream=True, return_progress=True).piece(0, Prefill(5, 10, 4)))
    progress = told["prompt_progress"]
    assert isinstance(progress, dict)
    assert {name: progress[name] for name in ("total", "cache", "processed")} == {
        "total": 10,
        "cache": 4,
        "processed": 5,
    }


def test_probabilities_and_times_come_with_each_token_when_they_are_asked_for() -> None:
    voice = said(stream=True, n_probs=1, timings_per_token=True)
    best = Choice(5, "a", -0.5, (97,))
    voice.piece(0, Prefill(10, 10, 4))
    told = event(voice.piece(0, Token("a", (5,), Choice(7, "b", -math.inf), (best,))))
    row = {"id": 5, "token": "a", "bytes": [97], "logprob": -0.5}
    other = {"id": 7, "token": "b", "bytes": [98], "logprob": None}
    assert told["completion_probabilities"] == [{**other, "top_logprobs": [row]}]
    timings = told["timings"]
    assert isinstance(timings, dict)
    assert (timings["cache_n"], timings["prompt_n"], timings["predicted_n"]) == (4, 6, 1)


def test_with_nothing_to_write_no_token_is_told() -> None:
    voice = said(n_predict=0, return_tokens=True)
    body = voice.whole([Written("x", [Token("x", (1,))], end=END)])
    assert (body["content"], body["tokens"], body["tokens_predicted"]) == ("", [], 0)
    assert said(n_predict=0, stream=True).piece(0, Token("x", (1,))) == b""


def test_a_place_in_the_queue_is_a_comment() -> None:
    assert said(stream=True).piece(0, Queued(3)) == b": queued 3\n\n"


def test_a_failure_in_mid_stream_is_an_event() -> None:
    told = event(said(stream=True).failed(EngineDied("m", "gone")))["error"]
    assert isinstance(told, dict)
    assert (told["code"], told["type"]) == (502, "server_error")


@pytest.mark.parametrize(
    ("failure", "code", "kind"),
    [
        (BadParameter("n", "1", "2"), 400, "invalid_request_error"),
        (ModelNotFound("x", "y"), 404, "not_found_error"),
        (FillsNoGaps("x", "y"), 501, "not_supported_error"),
        (ContextExceeded(3001, 1024), 400, "exceed_context_size_error"),
    ],
)
def test_errors_have_llama_cpps_shape(failure: BadParameter, code: int, kind: str) -> None:
    told = errors.body(failure)["error"]
    assert (told["code"], told["type"]) == (code, kind)
    assert told["message"] == failure.sentence("en")


def test_a_prompt_that_is_too_long_is_told_with_its_numbers() -> None:
    told = errors.body(ContextExceeded(3001, 1024))["error"]
    assert (told["n_prompt_tokens"], told["n_ctx"]) == (3001, 1024)


# ── a limit of time ─────────────────────────────────────────────────────────────────────────────────────


async def _writes(pieces: list[str], seen: list[str]) -> AsyncGenerator[Delta, None]:
    yield Prepared(engine="played", effective={"seed": 1}, ignored=("foo",))
    yield Prefill(10, 10, 4)
    try:
        for number, piece in enumerate(pieces):
            yield Token(piece, (number,))
            await asyncio.sleep(0)
        yield END
    finally:
        seen.append("closed")


async def _limited(pieces: list[str], limit_ms: float) -> tuple[str, Finished, list[str]]:
    seen: list[str] = []
    deltas = [delta async for delta in limited(_writes(pieces, seen), limit_ms)]
    text = "".join(delta.text for delta in deltas if isinstance(delta, Token))
    (end,) = (delta for delta in deltas if isinstance(delta, Finished))
    return text, end, seen


async def test_a_limit_of_time_ends_the_reply_after_a_line() -> None:
    text, end, seen = await _limited(["a", "b", "\n", "c", "d"], 1e-9)
    assert text == "ab\n"
    assert (end.reason, end.prompt_tokens, end.reused_tokens, end.completion_tokens) == ("length", 10, 4, 3)
    assert (end.engine, end.effective, end.ignored) == ("played", {"seed": 1}, ("foo",))
    assert seen == ["closed"]


async def test_without_a_line_or_in_time_the_reply_goes_on() -> None:
    assert (await _limited(["a", "b"], 1e-9))[:2] == ("ab", END)
    assert (await _limited(["a", "\n", "b"], 1e9))[:2] == ("a\nb", END)


# ── conversations ───────────────────────────────────────────────────────────────────────────────────────


def test_messages_of_a_template_are_openais() -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": {"at": "fox"}}}
    image = {"type": "image_url", "image_url": {"url": "data:…"}}
    rows = [
        {"role": "developer", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "See "}, image]},
        {"role": "assistant", "content": None, "tool_calls": [call]},
    ]
    system, user, assistant = conversation.messages({"messages": rows})
    assert (system.role, user.text, assistant.text) == ("system", f"See {parse.MARKER}", "")
    assert assistant.tool_calls[0].arguments == '{"at": "fox"}'


@pytest.mark.parametrize(
    "rows", [[], ["x"], [{"role": "x"}], [{"role": "user", "content": 5}], [{"role": "user", "content": [5]}]]
)
def test_other_messages_are_refused(rows: object) -> None:
    with pytest.raises(BadParameter):
        conversation.messages({"messages": rows})


# ── who is near ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("host", "headers", "near"),
    [
        ("127.0.0.1", {}, True),
        ("::1", {}, True),
        ("192.168.1.5", {}, False),
        ("127.0.0.1", {"x-forwarded-for": "203.0.113.9"}, False),
        ("testclient", {}, False),
        (None, {}, False),
    ],
)
def test_paths_of_this_machine_are_told_to_this_machine_only(
    host: str | None, headers: dict[str, str], near: bool
) -> None:
    told = [(name.encode(), value.encode()) for name, value in headers.items()]
    client = (host, 5) if host else None
    assert properties.is_near(Request({"type": "http", "client": client, "headers": told})) is near
