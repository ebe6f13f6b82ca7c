"""Where a prompt is cut into readings, and that they are told as one."""

from __future__ import annotations

import dataclasses

from fabula.core.stream import Finished, Prefill
from fabula.engine.cache.steps import Steps, steps
from fabula.prompt.openings import openings
from fabula.prompt.template import ChatTemplate

OPENING = (1, 2)


def prompt(*lengths: int) -> tuple[int, ...]:
    """Messages of these lengths, each behind an opening."""
    return tuple(id for length in lengths for id in (*OPENING, *[9] * (length - 2)))


def test_the_last_message_gets_a_step_however_near() -> None:
    ids = prompt(100, 100, 10)
    assert steps(ids, [OPENING], start=0, apart=1000) == (204,)


def test_earlier_messages_get_one_as_far_apart_as_asked() -> None:
    ids = prompt(*[100] * 8)
    assert steps(ids, [OPENING], start=0, apart=250) == (304, 604, 704)
    assert steps(ids, [OPENING], start=0, apart=100) == (104, 204, 304, 404, 504, 604, 704)


def test_what_is_there_already_is_not_read_again() -> None:
    ids = prompt(*[100] * 4)
    assert steps(ids, [OPENING], start=290, apart=100) == (304,)
    assert steps(ids, [OPENING], start=len(ids) - 1, apart=100) == ()


def test_without_openings_there_are_no_steps() -> None:
    assert steps(prompt(100, 100), [], start=0, apart=10) == ()
    assert steps(prompt(100, 100), [()], start=0, apart=10) == ()
    assert steps((), [OPENING], start=0, apart=10) == ()
    assert steps((1, 2), [OPENING], start=0, apart=10) == ()


FINISHED = Finished(
    reason="stop",
    prompt_tokens=100,
    reused_tokens=80,
    processed_tokens=20,
    completion_tokens=1,
    prompt_ms=2.0,
    predicted_ms=1.0,
)


def test_readings_look_like_one() -> None:
    told = Steps()
    deltas = [Prefill(10, 40, 10), Prefill(40, 40, 10), dataclasses.replace(FINISHED, prompt_ms=5.0)]
    seen = [told.step(delta, 100) for delta in deltas]
    assert seen[:2] == [Prefill(10, 100, 10), Prefill(40, 100, 10)]
    assert told.last(Prefill(39, 100, 39)) == Prefill(40, 100, 10)
    last = told.last(FINISHED)
    assert isinstance(last, Finished)
    assert (last.reused_tokens, last.processed_tokens, last.prompt_ms) == (10, 90, 7.0)


def test_a_single_reading_is_told_as_it_is() -> None:
    assert Steps().last(FINISHED) is FINISHED
    assert Steps().last(Prefill(1, 2, 1)) == Prefill(1, 2, 1)


def test_the_opening_of_a_template() -> None:
    assert openings(ChatTemplate("")) == ("<|im_end|>\n<|im_start|>user",)
    mistral = (
        "{% for m in messages %}{% if m.role == 'user' %}[INST] {{ m.content }} [/INST]"
        "{% else %}{{ m.content }}</s>{% endif %}{% endfor %}"
    )
    assert openings(ChatTemplate(mistral)) == ("</s>[INST]",)


def test_templates_without_one() -> None:
    assert openings(ChatTemplate("{{ raise_exception('no') }}")) == ()
    assert openings(ChatTemplate("{{ messages[0].content }}")) == ()
    plain = "{% for m in messages %}{{ m.content }}{% endfor %}"
    assert openings(ChatTemplate(plain)) == ()
