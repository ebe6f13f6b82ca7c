"""Request bodies of what stories are told with. Unknown fields are an error. Knows no route."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from fabula.server.native import bodies
from fabula.server.native.bodies import MAX_TEXT, Body, Values

Text = Annotated[str, Field(max_length=MAX_TEXT)]
Name = Annotated[str, Field(max_length=200)]
Depth = Annotated[int, Field(ge=0, le=10_000)]
Role = Literal[0, 1, 2]
Layout = Literal["steady", "text", "messages"]


class Links(Body):
    """Where it holds: in every story, or in those of some characters or personas (by id)."""

    everywhere: bool = False
    characters: list[str] = Field(default_factory=list)
    personas: list[str] = Field(default_factory=list)


# ── chats ───────────────────────────────────────────────────────────────────────────────────────────


class Note(Body):
    """The author's note. `place`: 0 behind the head, 1 in the chat at a depth, 2 before the head. `interval`:
    told when the messages of the person are a multiple of it, 0 = never."""

    text: Text = ""
    interval: int = Field(1, ge=0, le=10_000)
    place: Literal[0, 1, 2] = 1
    depth: Depth = 4
    role: Role = 0
    scanned: bool = False


class Member(Body):
    character_id: str
    muted: bool = False


class Group(Body):
    """`order`: 0 natural, 1 list, 2 manual, 3 pooled. `join`: 0 the speaker's card, 1 all, 2 those of the
    muted too; `prefix` and `suffix` stand around each text of joined cards."""

    members: list[Member] = Field(min_length=1, max_length=100)
    order: Literal[0, 1, 2, 3] = 0
    join: Literal[0, 1, 2] = 0
    prefix: Text = ""
    suffix: Text = ""
    self_replies: bool = False
    auto_s: float = Field(0, ge=0, le=3600)


class Story(Body):
    """What holds in one chat's story; what is not given stays as it is."""

    layout: Layout = "steady"
    context: Name = ""
    instruct: Name = ""
    prompts: Name = ""
    pack: Name = ""
    persona_id: str = ""
    lorebooks: list[str] = Field(default_factory=list)
    replies: list[str] = Field(default_factory=list)
    note: Note = Field(default_factory=lambda: Note.model_validate({}))
    group: Group | None = None
    scenario: Text = ""
    examples: Text = ""
    post_history: Text = ""
    starts_reply_with: Text = ""
    pin_examples: bool = False
    strip_examples: bool = False
    user_icon: Name = ""


class NewChat(bodies.NewChat):
    """With what holds in its story."""

    story: Story = Field(default_factory=Story)


class StoryChanges(Story):
    revision: int


class Lore(Body):
    """How lorebooks are searched; what is not given is as usual."""

    depth: int = Field(2, ge=0, le=1000)
    budget: float = Field(25, ge=1, le=100)
    budget_cap: int = Field(0, ge=0)
    include_names: bool = True
    recursive: bool = True
    max_recursion_steps: int = Field(0, ge=0, le=100)
    case_sensitive: bool = False
    whole_words: bool = True
    min_activations: int = Field(0, ge=0, le=1000)
    min_activations_depth: int = Field(0, ge=0, le=1000)
    group_scoring: bool = False
    strategy: Literal[0, 1, 2] = 1
    unicode_words: bool = True
    v3_regex: bool = True


class Defaults(Body):
    """What holds in all stories; what is not given stays as it is."""

    layout: Layout = "steady"
    context: Name = ""
    instruct: Name = ""
    prompts: Name = ""
    system_prompt: Text = ""
    post_history: Text = ""
    card_prompts: bool = True
    card_post_history: bool = True
    card_scripts: bool = False
    collapse_newlines: bool = False
    v3: bool | None = None
    lore: Lore = Field(default_factory=lambda: Lore.model_validate({}))


class Variables(Body):
    variables: Values


class Speakers(Body):
    """`asked`: the person has just said something."""

    asked: bool = False


class Aside(Body):
    kind: Literal["impersonate", "quiet"] = "impersonate"
    prompt: Text = ""
    model: str = ""
    sampling: Values = Field(default_factory=dict)
    speaker: str = ""


class CharacterNote(Body):
    """A note that goes wherever the character speaks, in place of the chat's, before it or behind it."""

    text: Text = ""
    place: Literal["replace", "before", "after"] = "replace"


# ── things that are kept ────────────────────────────────────────────────────────────────────────────


class NewLorebook(Body):
    name: str = Field(min_length=1, max_length=200)
    links: Links = Field(default_factory=Links)


class LorebookChanges(Body):
    revision: int
    name: str = Field("", max_length=200)
    links: Links | None = None


class Entry(Body):
    """`fields` are named as in a world file of SillyTavern: key, keysecondary, content, comment, order …"""

    revision: int
    fields: Values


class EntryMarks(Body):
    """`fields` for all of them, or `remove`."""

    revision: int
    uids: list[str] = Field(max_length=10_000)
    fields: Values = Field(default_factory=dict)
    remove: bool = False


class EntryOrder(Body):
    revision: int
    uids: list[str] = Field(max_length=10_000)


class LorebookBack(NewLorebook):
    """`document` as GET /lorebooks/{id}/file gave it."""

    document: Values


class LoreTest(Body):
    """What is said next, in a chat or to a character. `context` is a window in tokens, 0 = the model's."""

    text: Text = ""
    chat_id: str = ""
    character_id: str = ""
    model: str = ""
    context: int = Field(0, ge=0, le=100_000_000)


class PersonaFields(Body):
    name: str = Field("", max_length=200)
    title: str = Field("", max_length=200)
    description: Text = ""
    place: Literal[0, 2, 3, 4, 9] = 0
    depth: Depth = 2
    role: Role = 0
    links: Links = Field(default_factory=Links)


class NewPersona(PersonaFields):
    name: str = Field(min_length=1, max_length=200)


class PersonaChanges(PersonaFields):
    revision: int


class PersonaBack(NewPersona):
    picture: str = Field("", pattern="^([0-9a-f]{64})?$")


class NewScript(Body):
    """`fields` are named as in a script file of SillyTavern: scriptName, findRegex, replaceString …"""

    fields: Values
    links: Links = Links(everywhere=True)


class ScriptChanges(Body):
    revision: int
    fields: Values = Field(default_factory=dict)
    links: Links | None = None
    position: int | None = Field(None, ge=0, le=100_000)


class Try(Body):
    """A script on a text, without keeping anything."""

    fields: Values
    text: Text


def given(body: Body) -> dict[str, Any]:
    """What was said, and nothing that was not."""
    return body.model_dump(exclude_unset=True)
