"""Text-completion formats as data: how messages are wrapped, how the head is laid out. Knows no message."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal

Names = Literal["none", "force", "always"]
"""Whether messages begin with the speaker's name; "force": only in groups and under other personas."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Instruct:
    """An instruct template; field names are those of SillyTavern's files."""

    name: str = ""
    input_sequence: str = ""
    output_sequence: str = ""
    system_sequence: str = ""
    first_input_sequence: str = ""
    last_input_sequence: str = ""
    first_output_sequence: str = ""
    last_output_sequence: str = ""
    last_system_sequence: str = ""
    input_suffix: str = ""
    output_suffix: str = ""
    system_suffix: str = ""
    stop_sequence: str = ""
    story_string_prefix: str = ""
    story_string_suffix: str = ""
    user_alignment_message: str = ""
    activation_regex: str = ""
    wrap: bool = True
    macro: bool = True
    names_behavior: Names = "force"
    skip_examples: bool = False
    system_same_as_user: bool = False
    sequences_as_stop_strings: bool = True

    @property
    def separator(self) -> str:
        return "\n" if self.wrap else ""


STORY = "".join(
    "{{#if %s}}{{%s}}\n{{/if}}" % (name, name)  # noqa: UP031  # braces
    for name in (
        *("anchorBefore", "system", "wiBefore", "description", "personality", "scenario", "wiAfter"),
        *("persona", "anchorAfter"),
    )
)
"""The usual order of the head, a line for each part that there is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """A context template; `story_string_position` is a `model.Place`."""

    name: str = ""
    story_string: str = STORY + "{{trim}}"
    example_separator: str = ""
    chat_start: str = ""
    use_stop_strings: bool = False
    names_as_stop_strings: bool = True
    story_string_position: int = 0
    story_string_depth: int = 1
    story_string_role: int = 0
    always_force_name2: bool = True
    trim_sentences: bool = False
    single_line: bool = False


def instruct_of(row: Mapping[str, Any]) -> Instruct:
    """From a preset file, also from before the names of 1.13: what such a file lacks is as it meant it."""
    return Instruct(**_known(Instruct, _modern(row)))


def context_of(row: Mapping[str, Any]) -> Context:
    """From a preset file. Files that knew no anchors get them at the ends of their head."""
    known = _known(Context, row)
    story = known.get("story_string", Context.__dataclass_fields__["story_string"].default)
    if "anchorBefore" not in story:
        story = "{{#if anchorBefore}}{{anchorBefore}}\n{{/if}}" + story
    if "anchorAfter" not in story:
        head, trim, tail = story.rpartition("{{trim}}")
        anchor = "{{#if anchorAfter}}{{anchorAfter}}\n{{/if}}"
        story = head + anchor + trim + tail if trim else story + anchor
    return Context(**known | {"story_string": story})


def _known(kind: type[Instruct] | type[Context], row: Mapping[str, Any]) -> dict[str, Any]:
    names = {field.name for field in fields(kind)}
    return {key: value for key, value in row.items() if key in names and value is not None}


def _modern(row: Mapping[str, Any]) -> dict[str, Any]:
    new = dict(row)
    if "separator_sequence" in new:
        new.setdefault("output_suffix", new.pop("separator_sequence"))
    if "names" in new or "names_force_groups" in new:
        behavior = "always" if new.get("names") else ("force" if new.get("names_force_groups") else "none")
        new.setdefault("names_behavior", behavior)
    renamed = (
        ("system_sequence_prefix", "story_string_prefix"),
        ("system_sequence_suffix", "story_string_suffix"),
    )
    for old, name in renamed:
        if old in new:
            new.setdefault(name, new[old])
    return new


_WORDS: Mapping[str, str] = {
    "instructstorystringprefix": "story_string_prefix",
    "instructstorystringsuffix": "story_string_suffix",
    "instructuserprefix": "input_sequence",
    "instructusersuffix": "input_suffix",
    "instructassistantprefix": "output_sequence",
    "instructassistantsuffix": "output_suffix",
    "instructsystemprefix": "system_sequence",
    "instructsystemsuffix": "system_suffix",
    "instructfirstassistantprefix": "first_output_sequence",
    "instructlastassistantprefix": "last_output_sequence",
    "instructfirstuserprefix": "first_input_sequence",
    "instructlastuserprefix": "last_input_sequence",
    "instructsysteminstructionprefix": "last_system_sequence",
    "instructstop": "stop_sequence",
    "instructuserfiller": "user_alignment_message",
}
_FALLBACKS = {
    "instructfirstassistantprefix": "output_sequence",
    "instructlastassistantprefix": "output_sequence",
    "instructfirstuserprefix": "input_sequence",
    "instructlastuserprefix": "input_sequence",
}


def template_words(context: Context, instruct: Instruct | None) -> dict[str, str]:
    """The values of macros that repeat the templates, by lower-case name."""
    words = {"chatstart": context.chat_start, "exampleseparator": context.example_separator}
    if instruct is None:
        return words
    for word, name in _WORDS.items():
        words[word] = getattr(instruct, name) or getattr(instruct, _FALLBACKS.get(word, name))
    return words
