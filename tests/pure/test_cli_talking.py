"""What a person types and what the terminal shows, without a studio."""

from __future__ import annotations

import io
from collections.abc import Callable

import pytest

from fabula.cli import client, line, reply, run, screen
from fabula.core.errors import ModelNotFound, StaleRevision
from fabula.core.seams import Event

FACTS = {
    "tokens_per_second": 31.25,
    "first_token_ms": 420.4,
    "completion_tokens": 120,
    "reused_tokens": 45,
    "prompt_tokens": 61,
    "cut_messages": 0,
    "ignored": [],
}


@pytest.fixture(autouse=True)
def english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FABULA_LANGUAGE", "en")


def typing(*lines: str) -> Callable[[str], str]:
    """Somebody who types these lines, then Ctrl-D. A line that is an exception is raised."""
    left = iter(lines)

    def ask(prompt: str) -> str:
        try:
            text = next(left)
        except StopIteration:
            raise EOFError from None
        if text == "^C":
            raise KeyboardInterrupt
        return text

    return ask


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        (["Hello"], "Hello"),
        (["One \\", "two\\", "three"], "One \ntwo\nthree"),
        (['"""', "One", "", "two", '"""'], "One\n\ntwo"),
        (['"""One', 'two"""'], "One\ntwo"),
    ],
)
def test_a_message_may_have_several_lines(typed: list[str], message: str) -> None:
    assert line.read(typing(*typed)) == message


def test_ctrl_d_leaves_and_ctrl_c_leaves_the_second_time() -> None:
    assert line.ask_twice("hint", typing()) is None
    assert line.ask_twice("hint", typing("^C", "^C")) is None
    assert line.ask_twice("hint", typing("^C", "Still here")) == "Still here"


def test_the_prompt_stands_before_what_came_through_the_pipe() -> None:
    assert run.question("Summarise", "The sky is blue.\n") == "Summarise\n\nThe sky is blue."
    assert run.question("", "Only the pipe\n") == "Only the pipe"
    assert run.question("Only the prompt", "") == "Only the prompt"


@pytest.mark.parametrize(
    ("typed", "value"),
    [("0.7", 0.7), ("20", 20), ("true", True), ('["\\n"]', ["\n"]), ("plain text", "plain text")],
)
def test_a_sampling_value_is_read_as_it_is_typed(typed: str, value: object) -> None:
    assert run.read_setting(" stop ", typed) == ("stop", value)


def test_a_model_cannot_send_commands_to_the_terminal() -> None:
    assert reply.printable("\x1b]0;owned\x07red\x9b31m\tkept\nkept") == "]0;ownedred31m\tkept\nkept"


def test_a_reply_is_printed_as_it_comes_and_ends_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    done = {"reason": "stop", "facts": FACTS}
    events = [Event(1, "start", {}), Event(2, "text", {"text": "Hel"}), Event(3, "text", {"text": "lo"})]
    assert reply.show([*events, Event(4, "done", done)]) == done
    assert capsys.readouterr() == ("Hello\n", "")


def test_a_turn_that_fails_keeps_its_text_and_raises_its_error(capsys: pytest.CaptureFixture[str]) -> None:
    error = {"code": "model_not_found", "message": "", "fields": {"name": "x", "known": "y"}}
    with pytest.raises(ModelNotFound):
        reply.show([Event(1, "text", {"text": "Hel"}), Event(2, "error", error)])
    assert capsys.readouterr().out == "Hel\n"


def test_the_facts_of_a_reply_fit_one_line() -> None:
    whole = reply.facts({"reason": "length", "facts": FACTS})
    assert whole == "31.2 tokens/s · first after 420 ms · 120 tokens · reused 45 of 61 · stopped at the limit"
    assert (
        reply.facts({"reason": "stopped", "facts": {"completion_tokens": 3}}) == "3 tokens · stopped by you"
    )


def test_progress_leaves_out_what_is_not_known() -> None:
    assert screen.figures("bytes", 0, 0, 0, None) == "0 B"
    assert screen.figures("bytes", 2**20, 2**21, 2**19, 2) == "1.0 MiB of 2.0 MiB · 512.0 KiB/s · 2.0 s left"
    assert screen.figures("messages", 5, 10, 0, None) == "5 of 10"


def test_event_streams_are_read_with_their_numbers_and_pings_are_skipped() -> None:
    wire = b': ping\n\nid: 1\nevent: text\ndata: {"text": "\xe4\xbd\xa0"}\n\nid: 2\nevent: done\ndata: {}\n\n'
    events = list(client.read_events(io.BytesIO(wire)))
    assert events == [Event(1, "text", {"text": "你"}), Event(2, "done", {})]


def test_an_answer_becomes_the_error_that_it_was() -> None:
    error = client.error_of(
        {"code": "stale_revision", "message": "…", "fields": {"chat_id": "c", "given": 1, "current": 2}}
    )
    assert isinstance(error, StaleRevision)
    assert (error.given, error.current) == (1, 2)


@pytest.mark.parametrize(
    "answer",
    [
        {"code": "from_the_future", "message": "Come back later.", "fields": {}},
        {"code": "stale_revision", "message": "Come back later.", "fields": {"other": 1}},
    ],
)
def test_an_error_that_only_the_studio_knows_is_told_in_its_words(answer: dict[str, object]) -> None:
    assert client.error_of(answer).sentence("zh-Hant") == "Come back later."


def test_an_answer_that_is_no_json_is_shown_as_it_is() -> None:
    assert client.error_from(b"502 Bad Gateway").sentence() == "502 Bad Gateway"


def test_names_are_safe_in_addresses() -> None:
    assert client.segment("a/b c?.gguf") == "a%2Fb%20c%3F.gguf"


def test_a_script_is_told_what_was_not_done_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    reply.tell_facts({"facts": FACTS})
    assert capsys.readouterr().err == ""
    reply.tell_facts({"facts": FACTS | {"ignored": ["mirostat_tau"], "cut_messages": 2}})
    told = capsys.readouterr()
    assert told.out == ""
    assert "without effect here: mirostat_tau" in told.err
    assert "31" not in told.err
