"""What is known of a reply and of how it came about, and what a rule finds. Pure: knows no engine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from fabula.core.texts import Phrase

Weight = Literal["likely", "possible", "note"]
"""How probably it is the reason: nearly always, sometimes, or only worth knowing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """A model. 0 and "" where its header does not say."""

    name: str
    parameters: int = 0
    bits: float = 0.0  # of the file, for each parameter
    quantization: str = ""
    trained_context: int = 0
    chat_template: str = ""
    bos: str = ""
    adds_bos: bool = False
    pooling: str = ""
    better: str = ""  # the same model on this machine with more bits


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """`facts` are those of the reply (docs/api.md), `effective` the sampling that it was written with, and
    `ignored` what of it had no effect. `parts` has the tokens of the prompt by what they are, `prompt` is its
    text. Where the prompt could not be looked at, `context` is 0. Lengths are tokens.
    """

    text: str
    reasoning: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)
    effective: Mapping[str, Any] = field(default_factory=dict)
    ignored: tuple[str, ...] = ()
    model: Weights | None = None  # None: it is gone
    own_template: bool = True  # the chat template is the model's, not one that was set
    earlier: tuple[str, ...] = ()  # replies of the chat before this one, the newest first
    said: str = ""  # by the person, last
    greeting: str | None = None  # None: the chat does not begin with one
    person: str = ""  # what the person is called in a story
    is_story: bool = False
    layout: str = ""
    prompt: str = ""
    parts: Mapping[str, int] = field(default_factory=dict)
    context: int = 0
    kv_type: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fix:
    """What would be changed for one turn: values of the sampling, another model, wishes for its load."""

    words: Phrase
    sampling: Mapping[str, Any] = field(default_factory=dict)
    model: str = ""
    load: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """`advice` is what a person can do where nothing can be tried out."""

    rule: str
    weight: Weight
    words: Phrase
    fix: Fix | None = None
    advice: Phrase | None = None
