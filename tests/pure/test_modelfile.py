"""Modelfiles: what each instruction says, and which line is not understood."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fabula.core.errors import BadParameter, FabulaError, ModelfileUnreadable
from fabula.core.load import LoadOptions
from fabula.server.ollama import modelfile, options

MARIO = '''# a plumber
FROM smollm2
PARAMETER temperature 0.5
parameter num_ctx 4096
PARAMETER stop "<|im_end|>"
PARAMETER stop END
SYSTEM """You are Mario.
You say "it's-a me"."""
TEMPLATE {{ .Prompt }}
ADAPTER plumber
LICENSE CC0
LICENSE """second
licence"""
MESSAGE user Who are you?
MESSAGE assistant """It's-a me!"""
REQUIRES 0.14.0
'''


def test_every_instruction_is_read() -> None:
    read = modelfile.read(MARIO)
    assert (read.base, read.template, read.adapters) == ("smollm2", "{{ .Prompt }}", ("plumber",))
    assert read.parameters == {"temperature": 0.5, "num_ctx": 4096, "stop": ["<|im_end|>", "END"]}
    assert read.system == 'You are Mario.\nYou say "it\'s-a me".'
    assert read.messages == (("user", "Who are you?"), ("assistant", "It's-a me!"))
    assert (read.licences, read.requires) == (("CC0", "second\nlicence"), "0.14.0")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("FROM a\nPARAMETER", 2),
        ("FROM a\nPARAMETER temperature", 2),
        ("FROM a\nMESSAGE wizard hello", 2),
        ("\n\nBREW tea", 3),
        ("FROM", 1),
        ('FROM a\nSYSTEM """never ends', 2),
        ("!!", 1),
    ],
)
def test_a_line_that_is_not_understood_is_named(text: str, line: int) -> None:
    with pytest.raises(ModelfileUnreadable) as refusal:
        modelfile.read(text)
    assert refusal.value.line == line


def test_parameters_become_sampling_and_load() -> None:
    read = options.read(
        {"num_ctx": 4096, "num_predict": -1, "repeat_last_n": -1, "num_gpu": -1, "num_keep": 4}
    )
    sampling, load = read.checked()
    assert (sampling, load) == ({"repetition_window": -1}, LoadOptions(context=4096))
    assert read.unheard == ("num_keep",)


def test_top_k_may_be_switched_off_by_a_negative_number() -> None:
    assert options.read({"top_k": -1}).checked()[0] == {"top_k": 0}


@pytest.mark.parametrize("limit", [-1, -2, 0])
def test_no_limit_has_several_numbers(limit: int) -> None:
    read = options.read({"num_predict": limit})
    assert (read.sampling, read.checked()[0]) == ({"max_tokens": None}, {})
    assert options.read({"num_predict": 7}).sampling == {"max_tokens": 7}


@pytest.mark.parametrize(
    "wrong", [{"temperature": "hot"}, {"top_p": 2}, {"num_ctx": -5}, {"num_thread": "x"}]
)
def test_a_wrong_value_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(BadParameter):
        options.read(wrong).checked()


TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters='"\r'), min_size=1).map(
    lambda text: f"a{text.strip()}"
)


@given(system=TEXT, said=TEXT, stops=st.lists(TEXT.map(lambda text: text.replace("\n", "")), max_size=3))
def test_what_is_written_is_read_again(system: str, said: str, stops: list[str]) -> None:
    parameters = {"temperature": 0.25, "top_k": 7, "use_mmap": False} | ({"stop": stops} if stops else {})
    text = modelfile.written(
        base="tiny", parameters=parameters, system=system, messages=[("user", said)], licence="CC0"
    )
    read = modelfile.read(text)
    assert (read.base, read.system, read.parameters) == ("tiny", system, parameters)
    assert (read.messages, read.licences) == ((("user", said),), ("CC0",))


def test_a_text_of_several_lines_keeps_the_ends_of_its_lines() -> None:
    said = modelfile.read('FROM tiny  \nSYSTEM  """Two spaces  \n and a tab\t\nend"""  \n')
    assert (said.base, said.system) == ("tiny", "Two spaces  \n and a tab\t\nend")


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(FabulaError):
        modelfile.read(text)
