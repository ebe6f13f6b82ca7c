"""Ollama's templates as Jinja: the prompts that they make, and what is refused."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fabula.core.errors import FabulaError, GoTemplateUnknown
from fabula.prompt.template import ChatTemplate
from fabula.server.ollama.go_template import as_jinja

CHATML = """{{ if .System }}<|im_start|>system
{{ .System }}<|im_end|>
{{ end }}{{ if .Prompt }}<|im_start|>user
{{ .Prompt }}<|im_end|>
{{ end }}<|im_start|>assistant
{{ .Response }}<|im_end|>
"""
MESSAGES = """{{- range .Messages }}<|im_start|>{{ .Role }}
{{ .Content }}<|im_end|>
{{ end }}<|im_start|>assistant
"""
TALK = [
    {"role": "system", "content": "Be kind."},
    {"role": "user", "content": "Hi"},
    {"role": "assistant", "content": "Hello!"},
    {"role": "user", "content": "How are you?"},
]


def said(role: str, text: str) -> str:
    return f"<|im_start|>{role}\n{text}<|im_end|>\n"


def prompt(source: str, talk: list[dict[str, str]] = TALK, *, answers: bool = True) -> str:
    return ChatTemplate(as_jinja(source)).render(talk, add_generation_prompt=answers)


@pytest.mark.parametrize("source", [CHATML, MESSAGES])
def test_both_kinds_write_a_conversation(source: str) -> None:
    whole = "".join(said(row["role"], row["content"]) for row in TALK)
    assert prompt(source) == whole + "<|im_start|>assistant\n"


def test_an_exchange_is_cut_where_the_response_comes() -> None:
    assert prompt("[INST] {{ .Prompt }} [/INST] {{ .Response }}</s>", TALK[1:]) == (
        "[INST] Hi [/INST] Hello!</s>[INST] How are you? [/INST] "
    )


def test_a_reply_that_goes_on_stays_open() -> None:
    open_ = prompt(CHATML, TALK[:3], answers=False)
    assert open_.endswith("<|im_start|>assistant\nHello!<|im_end|>\n")


def test_a_bare_prompt_is_the_prompt() -> None:
    assert prompt("{{ .Prompt }}", TALK[1:2]) == "Hi"


def test_roles_are_told_apart() -> None:
    source = (
        "{{ if .System }}S:{{ .System }}\n{{ end }}"
        '{{ range $i, $m := .Messages }}{{ if eq $m.Role "user" }}U:{{ $m.Content }}\n'
        '{{ else if eq .Role "assistant" }}A:{{ .Content }}\n{{ end }}{{ end }}A:'
    )
    assert prompt(source) == "S:Be kind.\nU:Hi\nA:Hello!\nU:How are you?\nA:"


def test_white_space_is_trimmed_as_go_does() -> None:
    assert prompt("a \n {{- .Prompt -}} \n b", TALK[1:2]) == "aHib"


def test_texts_that_look_like_jinja_stay_texts() -> None:
    assert prompt("it's \\n {# {{ .Prompt }}", TALK[1:2]) == "it's \\n {# Hi"


@pytest.mark.parametrize(
    ("source", "part"),
    [
        ("{{ .Tools }}", ".Tools"),
        ("{{ if .Prompt }}x", "if"),
        ("{{ range .Messages }}{{ .ToolCalls }}{{ end }}", ".ToolCalls"),
        ("{{ json .Prompt }}", "json"),
        ("{{ end }}", "end"),
        ("{{ .Prompt", ".Prompt"),
        ("{{ $x := 1 }}", "$x"),
        ('{{ range .Messages }}{{ if eq .Role "wizard" }}x{{ end }}{{ end }}', "wizard"),
    ],
)
def test_what_is_not_understood_is_refused_with_its_words(source: str, part: str) -> None:
    with pytest.raises(GoTemplateUnknown) as refusal:
        as_jinja(source)
    assert part in refusal.value.part


def test_jinja_stays_what_it_is() -> None:
    jinja = "{% for m in messages %}{{ m.content }}{% endfor %}"
    assert as_jinja(jinja) == jinja


@given(st.text(alphabet="{}-. \n\"'%#$abIfendSystemPrompt", max_size=60))
def test_any_text_is_a_template_or_a_refusal(source: str) -> None:
    with contextlib.suppress(FabulaError):
        as_jinja(source)
