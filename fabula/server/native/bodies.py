"""Request bodies of the native API. Unknown fields are an error, never dropped. Knows no route."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SkipValidation

from fabula.core.messages import Role

MAX_TEXT = 10_000_000  # characters of one message


def _storable(values: dict[str, Any]) -> dict[str, Any]:
    """Python reads NaN and half characters from JSON, which can then neither be stored nor sent."""
    json.dumps(values, ensure_ascii=False, allow_nan=False).encode()
    return values


KeepAlive = Annotated[str | float | None, SkipValidation]
"""Judged by `core.load.seconds_of`, like that of all dialects: pydantic would take true for a second."""

Values = Annotated[dict[str, Any], AfterValidator(_storable)]


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Persona(Body):
    """Who the person is in a chat with a character."""

    name: str = Field("", max_length=200)
    description: str = Field("", max_length=MAX_TEXT)


class NewChat(Body):
    title: str = Field("", max_length=1000)
    model: str = ""
    system: str = Field("", max_length=MAX_TEXT)
    sampling: Values = {}
    character_id: str = ""
    persona: Persona | None = None


class ChatChanges(Body):
    revision: int
    title: str | None = Field(None, max_length=1000)
    model: str | None = None
    system: str | None = Field(None, max_length=MAX_TEXT)
    sampling: Values | None = None
    character_id: str | None = None
    persona: Persona | None = None


class NewMessage(Body):
    revision: int
    role: Role
    text: str = Field(max_length=MAX_TEXT)
    author: str = ""
    parent_id: str | None = None


class Edit(Body):
    revision: int
    text: str = Field(max_length=MAX_TEXT)


class Branch(Body):
    revision: int
    text: str | None = Field(None, max_length=MAX_TEXT)


class Head(Body):
    revision: int
    message_id: str


class Revision(Body):
    revision: int


class NewTurn(Body):
    revision: int
    kind: Literal["reply", "swipe", "continue"] = "reply"
    text: str = Field("", max_length=MAX_TEXT)
    message_id: str = ""
    model: str = ""
    sampling: Values = {}
    count: int = 1
    load: Values = {}
    keep_alive: KeepAlive = None
    reasoning_format: str = ""
    speaker: str = ""


class ToolCall(Body):
    """`arguments` is JSON text, as the model wrote it."""

    id: str
    name: str
    arguments: str = "{}"


class Tool(Body):
    """`parameters` is a JSON schema."""

    name: str = Field(min_length=1, max_length=200)
    description: str = ""
    parameters: Values = {}


class GenerateMessage(Body):
    role: Role | Literal["tool"]
    text: str = Field(max_length=MAX_TEXT)
    name: str = ""
    reasoning: str = Field("", max_length=MAX_TEXT)
    tool_calls: list[ToolCall] = []
    tool_call_id: str = ""


class Generate(Body):
    model: str = ""
    messages: list[GenerateMessage] = []
    prompt: str = Field("", max_length=MAX_TEXT)
    suffix: str = Field("", max_length=MAX_TEXT)
    sampling: Values = {}
    continues: bool = Field(False, alias="continue")
    load: Values = {}
    keep_alive: KeepAlive = None
    reasoning_format: str = ""
    tools: list[Tool] = []
    tool_choice: Literal["auto", "none", "required"] = "auto"
    tool: str = ""


class Embed(Body):
    texts: list[str]
    model: str = ""
    load: Values = {}
    keep_alive: KeepAlive = None


class Rerank(Body):
    query: str
    documents: list[str]
    model: str = ""
    most: int | None = Field(None, ge=1)
    load: Values = {}
    keep_alive: KeepAlive = None


class Exact(Body):
    """`swap` allows that the served copy of the model goes, once it is idle, where both do not fit."""

    swap: bool = False
    load: Values = {}
    keep_alive: KeepAlive = None


class Score(Exact):
    """Either a text or token ids."""

    text: str = Field("", max_length=MAX_TEXT)
    tokens: list[int] = Field([], max_length=MAX_TEXT)
    likeliest: int = 0


class Capture(Exact):
    """Either a text or token ids; `sampling` may name adapters and control vectors."""

    text: str = Field("", max_length=MAX_TEXT)
    tokens: list[int] = Field([], max_length=MAX_TEXT)
    tensors: list[str]
    keep: Literal["all", "last", "mean", "squares"] = "last"
    values: Literal["base64", "numbers"] = "numbers"
    sampling: dict[str, Any] = {}


class NewVector(BaseModel):
    """Either a file, or directions by layer."""

    model_config = ConfigDict(extra="forbid")
    name: str
    path: str = ""
    directions: dict[int, list[float]] = {}


class Perplexity(Exact):
    text: str = Field(max_length=MAX_TEXT)
    window: int = 512


class Choices(Exact):
    prefix: str = Field(min_length=1, max_length=MAX_TEXT)
    continuations: list[str]


class Compare(Exact):
    other: str
    text: str = Field(max_length=MAX_TEXT)


class Tokenize(Body):
    text: str = Field(max_length=MAX_TEXT)
    model: str = ""
    add_special: bool = False


class Detokenize(Body):
    tokens: list[int] = Field(max_length=MAX_TEXT)
    model: str = ""


class NewPreset(Body):
    name: str
    sampling: Values
    about: str = ""
    replace: bool = False


class PresetFile(Body):
    """`content` is the file: its text, or what its JSON says."""

    name: str = ""
    content: str | Values
    replace: bool = False


class Pull(Body):
    """`first` = before all that wait; `limit` is bytes per second, 0 = as it is set."""

    source: str = Field(max_length=4096)
    first: bool = False
    limit: int = Field(0, ge=0, le=1 << 50)


class GetAdapter(Body):
    source: str
    model: str
    name: str = Field("", max_length=200)


class Attach(Body):
    adapter: str
    scale: float = 1.0


class Detach(Body):
    adapter: str


class Load(Body):
    """How a model is loaded, and how long it stays; what is not given stays as it is set."""

    options: Values = {}
    keep_alive: KeepAlive = None


class ModelOptions(Body):
    options: Values


class Install(Body):
    kind: str


class NewRemote(Body):
    """`kind` "" = whatever is recognized; `models` are patterns of the names that are shown."""

    name: str
    url: str = Field(max_length=2000)
    kind: str = ""
    key: str = Field("", max_length=10_000)
    models: list[str] = []
    at_a_time: int = 0


class RemoteKey(Body):
    key: str = Field("", max_length=10_000)


class Use(Body):
    name: str


class Tune(Body):
    """`budget` in seconds."""

    budget: float = Field(default=60.0, ge=5, le=3600)
    kv_types: bool = False
    all_cores: bool = False
    anyway: bool = False


class NewCharacter(Body):
    """`card` is a card's document, of any version."""

    card: Values


class CharacterChanges(Body):
    """`fields` are those of the card's `data`; null takes one out."""

    revision: int
    fields: Values


class CharacterCopy(Body):
    name: str = Field(min_length=1, max_length=200)


class Address(Body):
    """Of a file on another host; `folder` is where its characters go."""

    address: str = Field(min_length=1, max_length=2000)
    folder: str = Field("", max_length=1000)


class CharacterTokens(Body):
    """`card` is a card's document, `user` who the person is, `model` who should count: one that is loaded."""

    card: Values
    user: str = Field("", max_length=200)
    model: str = ""


class Ids(Body):
    ids: list[str] = Field(max_length=100_000)


class CharacterExport(Ids):
    format: Literal["png", "json", "charx"] = "png"


class CharacterMarks(Ids):
    folder: str | None = Field(None, max_length=1000)
    favourite: bool | None = None
    trashed: bool | None = None
    add_tags: list[str] = []
    remove_tags: list[str] = []


class NewKey(Body):
    """`requests` and `tokens` are rates like "60/min"; `expires_in` is seconds, or a text like "30d"."""

    name: str
    scopes: list[str] = Field(default=["chat"], max_length=16)
    requests: str = ""
    tokens: str = ""
    expires_in: float | str = 0.0


class SignIn(Body):
    """One of the two."""

    key: str = ""
    link: str = ""


class Prompts(Body):
    """Prompts of one's own for a direction: a text, or a file of this machine."""

    text: str = ""
    path: str = ""
    ending: str = "txt"
    column: str = Field("", max_length=200)
    title: str = Field("", max_length=200)
    keep: bool = True
