"""The engine's stream of events becomes deltas, however its bytes are cut."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fabula.core.errors import ContextExceeded, EngineRefused
from fabula.core.stream import Choice, Finished, Prefill, Token
from fabula.engine.llamacpp.reading import Events, Gap, Reader, Unsaid


def progress(processed: int) -> dict[str, Any]:
    """The engine puts a token id on progress events; it is none that was sampled."""
    figures = {"total": 11, "cache": 2, "processed": processed, "time_ms": 46}
    return piece("", 0, 0) | {"prompt_progress": figures}


def piece(text: str, id: int, sampled: int, **more: Any) -> dict[str, Any]:
    return {"content": text, "tokens": [id], "stop": False, "tokens_predicted": sampled} | more


def scored(text: str, id: int, sampled: int, own: str) -> dict[str, Any]:
    best = {"id": id, "token": own, "bytes": list(own.encode()), "logprob": -0.5}
    told = best | {"token": text, "bytes": list(text.encode()), "top_logprobs": [best]}
    return piece(text, id, sampled, completion_probabilities=[told])


def end(kind: str, **more: Any) -> dict[str, Any]:
    timings = {"cache_n": 2, "prompt_n": 9, "prompt_ms": 47.3, "predicted_n": 5, "predicted_ms": 57.4}
    common = {"content": "", "tokens": [], "stop": True, "tokens_evaluated": 11, "tokens_predicted": 5}
    return common | {"stop_type": kind, "stopping_word": "", "timings": timings} | more


def read(*events: dict[str, Any], logprobs: int | None = None, stops: bool = False) -> list[Any]:
    reader = Reader("model", logprobs=logprobs, stops=stops)
    return [delta for event in events for delta in reader.read(event)]


def test_progress_then_text_then_the_facts() -> None:
    *deltas, finished = read(progress(11), piece("Hi", 5, 1), piece(" there", 6, 2), end("limit"))
    assert deltas == [Prefill(11, 11, 2), Token("Hi", (5,)), Token(" there", (6,))]
    assert isinstance(finished, Finished)
    counted = (finished.prompt_tokens, finished.reused_tokens, finished.processed_tokens)
    assert (finished.reason, counted, finished.completion_tokens) == ("length", (11, 2, 9), 5)


def test_the_id_that_ends_the_reply_is_none_of_its_own() -> None:
    assert read(piece("Hi", 5, 1), piece("", 2, 2), end("eos"))[:-1] == [Token("Hi", (5,))]


def test_held_back_text_comes_with_all_its_ids() -> None:
    events = (piece("", 7, 1), piece("", 8, 2), piece("7, 9", 9, 3), piece(".", 4, 4), end("limit"))
    assert read(*events)[:-1] == [Token("7, 9", (7, 8)), Token("", (9,)), Token(".", (4,))]


def test_text_released_by_the_end_of_the_reply_has_only_its_own_ids() -> None:
    assert read(piece("", 7, 1), piece("7,", 2, 2), end("eos"))[:-1] == [Token("7,", (7,))]


def test_a_complete_stop_string_leaves_only_what_came_before_it() -> None:
    events = (piece("", 7, 1), piece("so", 8, 2, timings={}), end("word", stopping_word="7, 8"))
    *deltas, finished = read(*events, stops=True)
    assert deltas == [Token("so", ())]  # its ids reach into the stop string
    assert finished.stop_string == "7, 8"


def test_text_that_was_never_sent_is_asked_for() -> None:
    (unsaid, _) = read(piece("", 7, 1), piece("", 8, 2), end("limit"), stops=True)
    assert isinstance(unsaid, Unsaid)
    assert unsaid.ids == (7, 8)
    assert unsaid.said("7,") == (Token("7,", (7, 8)),)


def test_ids_of_half_characters_are_missing_and_can_be_filled() -> None:
    gap, _ = read(piece("你", 250, 3), end("limit"))
    assert gap == Gap("你", (), 2, 250)
    assert gap.filled((175, 138, 250)) == Token("你", (175, 138, 250))
    assert gap.filled((18645, 250)) == Token("你", ())  # tokenized otherwise: the true ids stay unknown


def test_held_back_tokens_keep_their_own_log_probabilities() -> None:
    events = (scored("", 7, 1, "7"), scored("7, ", 8, 2, ", "), scored(".", 4, 3, "."), end("limit"))
    deltas = read(*events, logprobs=1)[:-1]
    assert [(delta.text, delta.ids, delta.chosen.text) for delta in deltas] == [
        ("7, ", (7,), "7"),
        ("", (8,), ", "),
        (".", (4,), "."),
    ]


def test_a_choice_has_text_bytes_and_log_probability() -> None:
    (token, _) = read(scored("é", 7, 1, "é"), end("limit"), logprobs=0)
    assert token == Token("é", (7,), Choice(7, "é", -0.5, (195, 169)), ())


def test_an_error_in_the_middle_is_raised() -> None:
    with pytest.raises(EngineRefused, match="slot is gone"):
        read(piece("Hi", 5, 1), {"error": {"code": 500, "message": "slot is gone"}})
    with pytest.raises(ContextExceeded):
        read({"error": {"type": "exceed_context_size_error", "n_prompt_tokens": 5, "n_ctx": 4}})


EVENTS = [progress(11), piece("你好\n\n", 5, 1), piece(" there", 6, 2), end("limit")]
WIRE = b": ping\n\n" + b"".join(
    b"data: " + json.dumps(event, ensure_ascii=False).encode() + b"\n\n" for event in EVENTS
)


@given(st.lists(st.integers(0, len(WIRE)), max_size=40).map(sorted))
def test_any_cutting_of_the_bytes_gives_the_same_events(cuts: list[int]) -> None:
    events = Events()
    chunks = [WIRE[start:stop] for start, stop in zip([0, *cuts], [*cuts, len(WIRE)], strict=True)]
    assert [event for chunk in chunks for event in events.feed(chunk)] == EVENTS


def test_errors_have_an_event_of_their_own() -> None:
    assert Events().feed(b'error: {"message":"no"}\n\ndata: [DONE]\n\n') == [{"error": {"message": "no"}}]


def wire(event: dict[str, Any]) -> bytes:
    """As the engine writes it."""
    return f"data: {json.dumps(event, ensure_ascii=False, separators=(',', ':'))}\n\n".encode()


def told(text: str, id: int, sampled: int, **more: Any) -> dict[str, Any]:
    """An event with its fields in the engine's order."""
    head = {"index": 0, "content": text, "tokens": [id], "stop": False, "id_slot": -1}
    return head | {"tokens_predicted": sampled, "tokens_evaluated": 24} | more


tokens = st.lists(st.tuples(st.text(max_size=5), st.integers(0, 300_000), st.integers(1, 3)), max_size=12)


@given(tokens, st.sampled_from(["limit", "eos", "word"]), st.data())
def test_a_stream_is_read_as_its_events_would_be_one_by_one(
    rows: list[tuple[str, int, int]], ending: str, data: st.DataObject
) -> None:
    """Also where texts are empty or odd, ids are missing, and pieces are cut or come together."""
    sampled, events = 0, [progress(11)]
    for text, id, step in rows:
        sampled += step
        events.append(told(text, id, sampled))
    events.append(end(ending))
    sent = b"".join(map(wire, events))
    borders = data.draw(st.lists(st.integers(0, len(sent)), max_size=8).map(sorted))
    lengths = [len(wire(event)) for event in events]
    whole = [sum(lengths[:count]) for count in range(1, len(lengths))]
    cuts = data.draw(st.sampled_from([borders, whole, sorted({*borders, *whole})]))
    reader = Reader("model")
    pieces = [sent[start:stop] for start, stop in zip([0, *cuts], [*cuts, len(sent)], strict=True)]
    assert [read for piece in pieces for read in reader.feed(piece)] == read(*events)


@pytest.mark.parametrize(
    "more", [{"timings": {}}, {"completion_probabilities": [{"id": 5}]}, {"prompt_progress": {"total": 1}}]
)
def test_what_a_token_tells_beside_itself_is_kept(more: dict[str, Any]) -> None:
    sent = {"index": 0, "content": "Hi", "tokens": [5], "stop": False, "id_slot": 0}
    sent |= {"tokens_predicted": 1, "tokens_evaluated": 24, **more}
    assert Events().feed(wire(sent)) == [sent]
