"""Request bodies of novels, packs and quick replies. Knows no route."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from fabula.chats.memory.records import MOST_RECALLED, MOST_WORDS
from fabula.server.native.bodies import MAX_TEXT, Body, KeepAlive, Revision, Values

Text = Annotated[str, Field(max_length=MAX_TEXT)]
Name = Annotated[str, Field(max_length=1000)]
Language = Literal["en", "zh-Hant", "zh-Hans"]
MOST_FACTS = 500


class Settings(Body):
    """What a novel is told with; what is not given stays as it is."""

    language: Language | None = None
    form: Literal["auto", "instruct", "raw"] | None = None
    pack: Name | None = None
    prompt: Text | None = None
    outline: Text | None = None
    notes: Text | None = None
    facts: list[Text] | None = Field(None, max_length=MOST_FACTS)
    lorebooks: list[str] | None = Field(None, max_length=MOST_FACTS)
    user: Name | None = None
    summary: Literal["off", "auto"] | None = None
    words: int | None = Field(None, ge=20, le=MOST_WORDS)
    recall: int | None = Field(None, ge=0, le=MOST_RECALLED)
    embedder: Name | None = None
    logprobs: int | None = Field(None, ge=1, le=100)

    def given(self) -> dict[str, Any]:
        return self.model_dump(exclude_unset=True, exclude_none=True)


class NewChapter(Body):
    title: Name = ""
    text: Text = ""


class NewNovel(Body):
    title: Name = ""
    model: str = ""
    sampling: Values = Field(default_factory=dict)
    settings: Settings = Field(default_factory=lambda: Settings.model_validate({}))
    chapters: list[NewChapter] = Field(default_factory=list, max_length=10_000)


class NewNotebook(Body):
    title: Name = ""
    model: str = ""
    sampling: Values = Field(default_factory=dict)
    text: Text = ""
    logprobs: int = Field(10, ge=1, le=100)


class NovelChanges(Revision):
    title: Name | None = None
    model: str | None = None
    sampling: Values | None = None
    settings: Settings | None = None

    def given(self) -> dict[str, Any]:
        names = ("title", "model", "sampling")
        found = {name: value for name in names if (value := getattr(self, name)) is not None}
        return found | ({"settings": self.settings.given()} if self.settings else {})


class AddChapter(Revision):
    title: Name = ""
    text: Text = ""
    outline: Text = ""
    notes: Text = ""
    at: int | None = Field(None, ge=0)


class ChapterChanges(Revision):
    title: Name | None = None
    outline: Text | None = None
    notes: Text | None = None
    summary: Text | None = None
    at: int | None = Field(None, ge=0)


class TextEdit(Revision):
    """`text` in the place of what stands from `start` to `end`; without them, of the whole chapter."""

    text: Text
    start: int | None = Field(None, ge=0)
    end: int | None = Field(None, ge=0)


class RestoreVersion(Revision):
    version_id: str


class Choose(Revision):
    passage_id: str


class Pick(Revision):
    """The token that begins at a place, and the id of the one that is wanted there."""

    at: int = Field(ge=0)
    token_id: int
    chapter_id: str = ""


class Write(Revision):
    chapter_id: str = ""
    kind: Literal["continue", "rewrite", "expand"] = "continue"
    at: int | None = Field(None, ge=0)
    end: int | None = Field(None, ge=0)
    instruction: Text = ""
    count: int = 1
    take: bool | None = None
    model: str = ""
    sampling: Values = Field(default_factory=dict)
    load: Values = Field(default_factory=dict)
    keep_alive: KeepAlive = None


class Look(Body):
    """As `Write`, of what would be written."""

    chapter_id: str = ""
    kind: Literal["continue", "rewrite", "expand"] = "continue"
    at: int | None = Field(None, ge=0)
    end: int | None = Field(None, ge=0)
    instruction: Text = ""
    model: str = ""
    sampling: Values = Field(default_factory=dict)


# ── packs and quick replies ─────────────────────────────────────────────────────────────────────────


class NewPack(Body):
    name: Annotated[str, Field(min_length=1, max_length=200)]
    text: Annotated[str, Field(min_length=1, max_length=100_000)]


class PackChoice(Body):
    """Which prompt holds for a model, for a character, or (neither is named) where nothing else is said."""

    pack: Name = ""
    model: str = ""
    character_id: str = ""


class RunReply(Body):
    """`at` tells replies of one label apart: its place in the set."""

    set: str
    label: str
    at: int | None = Field(None, ge=0)
    input: Text = ""


class Reply(Body):
    """`at` is its place in the set as it was read; -1 is a new one."""

    at: int = Field(-1, ge=-1)
    label: str = Field(min_length=1, max_length=200)
    title: Name = ""
    message: Text = ""
    hidden: bool = False


Replies = Annotated[list[Reply], Field(max_length=500)]
SetName = Annotated[str, Field(min_length=1, max_length=200)]


class NewReplies(Body):
    name: SetName
    everywhere: bool = True
    sends: bool = True
    replies: Replies = Field(default_factory=list)


class ReplyChanges(Body):
    """What is left out stays; `replies` are all of the set, in their order."""

    revision: int
    name: SetName | None = None
    everywhere: bool | None = None
    sends: bool | None = None
    replies: Replies | None = None
