"""Chat templates in Ollama's language (Go's text/template) as Jinja, where they are understood whole.

Ollama has two kinds: of one exchange (`.System`, `.Prompt`, `.Response`), which it repeats over a talk and
cuts at `.Response`; and of a whole one (`range .Messages`). Of both, texts, values, `if` with `else`, and
`eq` with a role are understood; what is not is refused with its words, never left out. Knows no model.

Source: Go's documentation of text/template, Ollama's docs/template.md.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field

from fabula.core.errors import GoTemplateUnknown
from fabula.prompt.template import PROBE, ChatTemplate

LARGEST = 100_000  # characters
DEEPEST = 30  # blocks inside each other
_ACTION = re.compile(
    r"\{\{(?P<left>-\s)?\s*(?P<words>(?:\"(?:[^\"\\]|\\.)*\"|[^}\"])*?)\s*(?P<right>\s-)?\}\}"
)
_EQUAL = re.compile(r'^eq (?P<name>[$.\w]+) "(?P<text>[^"\\]*)"$')
_RANGE = re.compile(r"^range (?:\$\w+, \$(?P<item>\w+) := )?\$?\.Messages$")
_EXCHANGE = {".System": "ns.system", ".Prompt": "ns.prompt", ".Response": "ns.response"}
_OUTSIDE = {".System": "head.system", "$.System": "head.system"}
_ROLES = ("system", "user", "assistant", "tool")
START = (
    "{% set head = namespace(system='') %}{% for message in messages %}"
    "{% if message.role == 'system' and not head.system %}{% set head.system = message.content %}{% endif %}"
    "{% endfor %}"
)


def as_jinja(source: str) -> str:
    """Jinja stays what it is. Raises GoTemplateUnknown, or TemplateRefused for broken Jinja."""
    jinja = source if "{%" in source else _translated(source)
    ChatTemplate(jinja).render([PROBE], add_generation_prompt=True)
    return jinja


def _translated(source: str) -> str:
    if len(source) > LARGEST:
        raise GoTemplateUnknown(f"{source[:40]}…")
    parts = list(_parts(source))
    if any(part.is_action and part.text.startswith("range ") for part in parts):
        return START + _Whole().written(parts)
    return _exchanges(parts)


# ── pieces ──────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class _Part:
    """A text, or the words of an action."""

    text: str
    is_action: bool = False


def _parts(source: str) -> Iterator[_Part]:
    """`{{-` and `-}}` take the white space of the text beside them."""
    at, trims = 0, False
    for found in _ACTION.finditer(source):
        text = source[at : found.start()]
        text = text.lstrip() if trims else text
        yield from _literal(text.rstrip() if found["left"] else text)
        words = " ".join(found["words"].split()) if '"' not in found["words"] else found["words"].strip()
        if not words.startswith("/*"):
            yield _Part(words, True)
        at, trims = found.end(), bool(found["right"])
    rest = source[at:]
    yield from _literal(rest.lstrip() if trims else rest)


def _literal(text: str) -> Iterator[_Part]:
    if "{{" in text:
        raise GoTemplateUnknown(text[text.index("{{") :][:60])
    if text:
        yield _Part(text)


def _text(text: str) -> str:
    """As an expression of Jinja, which then changes nothing of it."""
    quoted = text.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n").replace("\r", "\\r")
    return "{{ '" + quoted + "' }}"


# ── one exchange, repeated ──────────────────────────────────────────────────────────────────────────


def _exchanges(parts: list[_Part]) -> str:
    """Messages are gathered into system, prompt and response; each exchange is written when the next begins,
    the last one up to where the response has to come."""
    whole = _Exchange().written(parts)
    opened = _Exchange(cut=True).written(parts)
    write = "{{ exchange(ns.system, ns.prompt, ns.response) }}"
    clear = "{% set ns.system = '' %}{% set ns.prompt = '' %}{% set ns.response = '' %}"
    macro = "{% set ns = namespace(system=system, prompt=prompt, response=response) %}"
    return (
        "{% macro exchange(system, prompt, response) %}" + macro + whole + "{% endmacro %}"
        "{% macro opened(system, prompt) %}"
        + macro.replace("=response)", "='')")
        + opened
        + "{% endmacro %}"
        + "{% set ns = namespace(system='', prompt='', response='') %}"
        + "{% for message in messages %}"
        + "{% if message.role == 'assistant' %}"
        + "{% set ns.response = ns.response + message.content %}"
        + "{% elif message.role == 'system' %}"
        + "{% if ns.prompt or ns.response %}" + write + clear + "{% endif %}"
        + "{% set ns.system = message.content %}"
        + "{% else %}"
        + "{% if ns.prompt or ns.response %}" + write + clear + "{% endif %}"
        + "{% set ns.prompt = message.content %}"
        + "{% endif %}{% endfor %}"
        + "{% if ns.response %}" + write
        + "{% if add_generation_prompt %}{{ opened('', '') }}{% endif %}"
        + "{% elif add_generation_prompt %}{{ opened(ns.system, ns.prompt) }}"
        + "{% elif ns.system or ns.prompt %}" + write + "{% endif %}"
    )  # fmt: skip


@dataclass
class _Writer(ABC):
    """Actions one after the other; `open` are the blocks that wait for their end."""

    open: list[str] = field(default_factory=list)

    def written(self, parts: list[_Part]) -> str:
        pieces = []
        for part in parts:
            pieces.append(self.action(part.text) if part.is_action else _text(part.text))
            if len(self.open) > DEEPEST:
                raise GoTemplateUnknown(part.text)
            if self.is_over():
                break
        closing = ["{% endfor %}" if kind == "for" else "{% endif %}" for kind in reversed(self.open)]
        if closing and not self.is_over():
            raise GoTemplateUnknown(f"{{{{ {self.open[-1]} }}}}")
        return "".join([*pieces, *closing])

    def is_over(self) -> bool:
        return False

    def action(self, words: str) -> str:
        if words == "end" and self.open:
            return "{% endfor %}" if self.open.pop() == "for" else "{% endif %}"
        if words == "else" and self.open and self.open[-1] == "if":
            return "{% else %}"
        for begins, jinja in (("if ", "if"), ("else if ", "elif")):
            if words.startswith(begins) and (jinja == "if" or self.open[-1:] == ["if"]):
                condition = self.condition(words.removeprefix(begins))
                self.open += ["if"] if jinja == "if" else []
                return f"{{% {jinja} {condition} %}}"
        return self.value(words)

    def condition(self, words: str) -> str:
        for joint in ("and", "or"):
            if words.startswith(f"{joint} "):
                operands = _operands(words.removeprefix(f"{joint} "))
                return "(" + f" {joint} ".join(self.condition(each) for each in operands) + ")"
        if words.startswith("not "):
            return f"not {self.condition(words.removeprefix('not '))}"
        if (equal := _EQUAL.match(words)) and equal["text"] in _ROLES:
            return f"{self.name(equal['name'])} == '{equal['text']}'"
        return self.name(words)

    def value(self, words: str) -> str:
        return "{{ " + self.name(words) + " }}"

    @abstractmethod
    def name(self, words: str) -> str:
        """A value by its name. Raises GoTemplateUnknown."""


@dataclass
class _Exchange(_Writer):
    """`cut`: up to `.Response`, whatever comes behind it."""

    cut: bool = False
    reached: bool = False

    def is_over(self) -> bool:
        return self.cut and self.reached

    def value(self, words: str) -> str:
        self.reached = self.reached or words == ".Response"
        return super().value(words)

    def name(self, words: str) -> str:
        if words not in _EXCHANGE:
            raise GoTemplateUnknown(f"{{{{ {words} }}}}")
        return _EXCHANGE[words]


@dataclass
class _Whole(_Writer):
    """Outside of `range .Messages` there is only the system prompt; a template ends for the assistant."""

    item: str = ""
    loops: int = 0

    def action(self, words: str) -> str:
        if found := _RANGE.match(words):
            if "for" in self.open:
                raise GoTemplateUnknown(f"{{{{ {words} }}}}")
            self.open.append("for")
            self.item = found["item"] or ""
            self.loops += 1
            return "{% for message in messages %}"
        return super().action(words)

    def name(self, words: str) -> str:
        inside = "for" in self.open
        if inside and words in self._fields():
            return self._fields()[words]
        if words in _OUTSIDE and not (inside and words.startswith(".")):
            return _OUTSIDE[words]
        if words == ".Messages" and not inside:
            return "messages"
        raise GoTemplateUnknown(f"{{{{ {words} }}}}")

    def _fields(self) -> dict[str, str]:
        owners = ("", *([f"${self.item}"] if self.item else []))
        return {
            f"{owner}.{theirs}": f"message.{ours}"
            for owner in owners
            for theirs, ours in (("Role", "role"), ("Content", "content"))
        }


def _operands(words: str) -> list[str]:
    """`.System .Prompt` or `(eq .Role "user") .Content`; brackets inside brackets are not understood."""
    found = re.findall(r"\(([^()]*)\)|(\S+)", words)
    operands = [bracketed or bare for bracketed, bare in found]
    if len(operands) < 2 or any(mark in "".join(operands) for mark in "()"):
        raise GoTemplateUnknown(words)
    return operands
