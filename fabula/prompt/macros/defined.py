"""Every macro there is, in one table. Knows no syntax.

The list is SillyTavern 1.19's; what a macro gives is in its handler or, where it only repeats a setting, in
`Scene.plain` under its lower-case name.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Sequence
from typing import Any, Final

from fabula.prompt.macros import chance, moments
from fabula.prompt.macros.blocks import split_at_else, trimmed
from fabula.prompt.macros.numbers import is_false_word, written
from fabula.prompt.macros.registry import Invocation, Macro, NotForThis, Table, table
from fabula.prompt.macros.scene import Said, Scene, Variables
from fabula.prompt.macros.syntax import scan

ELSE_MARK: Final = "\ue011else\ue011"
MAX_REPEATED: Final = 10_000  # spaces or line breaks of one macro

_WHOLE: Final = re.compile(r"-?\d+", re.A)
_VARIABLE: Final = re.compile(r"([.$])([a-zA-Z](?:[\w\-]*\w)?)", re.A)
_OFFSET: Final = re.compile(r"UTC([+-]\d+)", re.A)


# ── text ────────────────────────────────────────────────────────────────────────────────────────────────


def _repeated(character: str) -> Callable[[Invocation], str]:
    def gives(call: Invocation) -> str:
        count = call.argument(0, "1").strip()
        if not _WHOLE.fullmatch(count) or len(count) > 9 or int(count) < 0:
            raise NotForThis
        return character * min(int(count), MAX_REPEATED)

    return gives


def _trim(call: Invocation) -> str:
    return call.argument(0) if call.is_block else "{{trim}}"


def _banned(call: Invocation) -> str:
    call.scene.banned.append(re.sub(r'^"|"$', "", call.argument(0)))
    return ""


def _if(call: Invocation) -> str:
    """The arguments come raw, so that only the branch that is taken is resolved."""
    condition, content = call.arguments
    bare = condition.lstrip()
    inverted = bare.startswith("!")
    value = call.resolve(bare[1:].lstrip() if inverted else condition, offset=call.offset)
    holds = not _is_false(_looked_up(value, call))
    first, second = split_at_else(content, scan(content))
    result = call.resolve(first if holds != inverted else second, offset=call.offset)
    return result if call.keeps_space else trimmed(result)


def _looked_up(condition: str, call: Invocation) -> str:
    """A condition may be the bare name of a variable or of a macro without arguments."""
    variable = _VARIABLE.fullmatch(condition)
    if variable:
        holder = call.scene.local if variable[1] == "." else call.scene.everywhere
        return written(holder.get(variable[2]))
    macro = MACROS.get(condition.strip().lower())
    if macro and macro.least == 0:
        return call.resolve("{{" + condition + "}}", offset=call.offset)
    return condition


def _is_false(text: str) -> bool:
    return text == "" or is_false_word(text)


# ── chance ──────────────────────────────────────────────────────────────────────────────────────────────


def _choices(arguments: Sequence[str]) -> list[str]:
    """One argument is a list of its own: by `::`, or by commas (`\\,` is none)."""
    if len(arguments) != 1:
        return list(arguments)
    if "::" in arguments[0]:
        return [part.strip() for part in arguments[0].split("::")]
    return [part.strip().replace("\\,", ",") for part in re.split(r"(?<!\\),", arguments[0])]


def _random(call: Invocation) -> str:
    choices = _choices(call.arguments)
    return choices[int(call.scene.draw() * len(choices))] if choices else ""


def _pick(call: Invocation) -> str:
    choices = _choices(call.arguments)
    if not choices:
        return ""
    parts = [chance.text_hash(call.scene.chat_id), chance.text_hash(call.source), call.offset]
    seed = "-".join([*map(str, parts), *([call.scene.reroll] if call.scene.reroll else [])])
    return choices[int(chance.seeded(str(chance.text_hash(seed)))() * len(choices))]


def _roll(call: Invocation) -> str:
    total = chance.roll(call.argument(0), call.scene.draw)
    return "" if total is None else str(total)


# ── people and card ─────────────────────────────────────────────────────────────────────────────────────


def _group(call: Invocation) -> str:
    return ", ".join(call.scene.members) or call.scene.char


def _speaking(call: Invocation) -> str:
    scene = call.scene
    return ", ".join(name for name in scene.members if name not in scene.muted) or scene.char


def _others(call: Invocation) -> str:
    scene = call.scene
    return ", ".join([*(name for name in scene.members if name != scene.char), scene.user])


def _of_card(name: str) -> Callable[[Invocation], str]:
    return lambda call: call.field(name, getattr(call.scene.card, name))


def _greeting(call: Invocation) -> str:
    index = call.argument(0, "0").strip()
    greetings = call.scene.card.greetings
    if not index.isdecimal() or int(index) >= len(greetings):
        return ""
    return call.field(f"greeting {index}", greetings[int(index)])


# ── chat ────────────────────────────────────────────────────────────────────────────────────────────────


def _last(messages: Sequence[Said], wanted: Callable[[Said], bool]) -> int | None:
    """Index of the last wanted message; one whose alternative is still to be written does not count."""
    for index in range(len(messages) - 1, -1, -1):
        message = messages[index]
        if not (message.swipes and message.swipe >= message.swipes) and wanted(message):
            return index
    return None


def _last_text(wanted: Callable[[Said], bool]) -> Callable[[Invocation], str]:
    def gives(call: Invocation) -> str:
        index = _last(call.scene.messages, wanted)
        return "" if index is None else call.scene.messages[index].text

    return gives


def _last_id(call: Invocation) -> str:
    return written(_last(call.scene.messages, lambda message: True))


def _swipes(call: Invocation) -> str:
    swipes = call.scene.messages[-1].swipes if call.scene.messages else 0
    return str(swipes) if swipes else ""


def _swipe(call: Invocation) -> str:
    last = call.scene.messages[-1] if call.scene.messages else None
    return str(last.swipe + 1) if last and last.swipes else ""


def _range(call: Invocation) -> str:
    return f"0-{len(call.scene.messages) - 1}" if call.scene.messages else ""


# ── time ────────────────────────────────────────────────────────────────────────────────────────────────


def _now(scene: Scene) -> datetime.datetime:
    if scene.now is None:
        raise NotForThis
    return scene.now


def _time(call: Invocation) -> str:
    offset = _OFFSET.fullmatch(call.argument(0))
    at = _now(call.scene)
    return moments.formatted(
        moments.shifted(at, int(offset[1])) if offset and len(offset[1]) < 6 else at, "LT"
    )


def _in_format(layout: str) -> Callable[[Invocation], str]:
    return lambda call: moments.formatted(_now(call.scene), layout)


def _difference(call: Invocation) -> str:
    zone = call.scene.now.tzinfo if call.scene.now else datetime.UTC
    left, right = (moments.parsed(text, zone or datetime.UTC) for text in call.arguments)
    return (
        "Invalid date"
        if left is None or right is None
        else moments.span_in_words(left - right, relative=True)
    )


def _idle(call: Invocation) -> str:
    """Since the person's message before the last message that counts."""
    shown = [message for message in call.scene.messages if not message.is_hidden]
    before = next((message for message in reversed(shown[:-1]) if message.is_user), None)
    if before is None or before.sent is None:
        return "just now"
    return moments.span_in_words(_now(call.scene) - before.sent)


# ── variables ───────────────────────────────────────────────────────────────────────────────────────────

_Use = Callable[[Variables, tuple[str, ...]], Any]
_Holder = Callable[[Invocation], Variables]


def _set_part(held: Variables, given: tuple[str, ...]) -> None:
    name, key, value = given
    held.set(name, value, key)


def _variable_macros(holder: _Holder, word: str) -> list[Macro]:
    """The ten macros of one kind of variables; `word` is "var" or "globalvar"."""

    def macro(verb: str, use: _Use, count: int, *also: str) -> Macro:
        return Macro(verb, lambda call: written(use(holder(call), call.arguments)), count, count, also=also)

    return [
        macro(f"get{word}", lambda held, given: held.get(given[0]), 1),
        macro(f"set{word}", lambda held, given: held.set(given[0], given[1]), 2),
        macro(f"add{word}", lambda held, given: held.add(given[0], given[1]) and "", 2),
        macro(f"inc{word}", lambda held, given: held.add(given[0], 1), 1),
        macro(f"dec{word}", lambda held, given: held.add(given[0], -1), 1),
        macro(f"has{word}", lambda held, given: held.has(given[0]), 1, f"{word}exists"),
        macro(f"delete{word}", lambda held, given: held.delete(given[0]), 1, f"flush{word}"),
        macro(f"get{word}key", lambda held, given: held.get(given[0], given[1]), 2, f"get{word}index"),
        macro(
            f"set{word}key", lambda held, given: held.set(given[0], given[2], given[1]), 3, f"set{word}index"
        ),
    ]


# ── the table ───────────────────────────────────────────────────────────────────────────────────────────

_SETTINGS: Final = (
    *("input", "mesExamples", "model", "lastGenerationType", "firstIncludedMessageId"),
    *("firstDisplayedMessageId", "systemPrompt", "chatStart", "defaultExpression", "availableExpressions"),
    *("summary", "charPrefix", "charNegativePrefix", "authorsNote", "charAuthorsNote", "defaultAuthorsNote"),
    *("reasoningPrefix", "reasoningSuffix", "reasoningSeparator", "instructStoryStringPrefix"),
    *("instructStoryStringSuffix", "instructUserSuffix", "instructSystemPrefix", "instructSystemSuffix"),
    *("instructStop", "instructUserFiller", "instructSystemInstructionPrefix"),
)
_PLAIN: Final[dict[str, tuple[str, ...]]] = {
    **dict.fromkeys(_SETTINGS, ()),
    "maxPrompt": ("maxPromptTokens",),
    "maxContext": ("maxContextTokens",),
    "maxResponse": ("maxResponseTokens",),
    "instructUserPrefix": ("instructInput",),
    "instructAssistantPrefix": ("instructOutput",),
    "instructAssistantSuffix": ("instructSeparator",),
    "instructFirstAssistantPrefix": ("instructFirstOutputPrefix",),
    "instructLastAssistantPrefix": ("instructLastOutputPrefix",),
    "instructFirstUserPrefix": ("instructFirstInput",),
    "instructLastUserPrefix": ("instructLastInput",),
    "defaultSystemPrompt": ("instructSystem", "instructSystemPrompt"),
    "exampleSeparator": ("chatSeparator",),
}
"""Macros that repeat a setting, and their other names."""


def _plain(name: str) -> Callable[[Invocation], str]:
    return lambda call: call.scene.plain.get(name, "")


MACROS: Final[Table] = table(
    [
        Macro("space", _repeated(" "), 0, 1),
        Macro("newline", _repeated("\n"), 0, 1),
        Macro("noop", lambda call: ""),
        Macro("trim", _trim, 0, 1),
        Macro("if", _if, 2, 2, raw=True),
        Macro("else", lambda call: ELSE_MARK),
        Macro("reverse", lambda call: call.argument(0)[::-1], 1, 1),
        Macro("//", lambda call: "", 1, 1, also=("comment",)),
        Macro("banned", _banned, 1, 1),
        Macro("outlet", lambda call: call.scene.outlets.get(call.argument(0), ""), 1, 1),
        Macro("isMobile", lambda call: call.scene.plain.get("ismobile", "false")),
        Macro("hasExtension", lambda call: "false", 1, 1),
        Macro("lastExpression", lambda call: call.scene.plain.get("lastexpression", ""), 0, 1),
        Macro("roll", _roll, 1, 1),
        Macro("random", _random, takes_list=True),
        Macro("pick", _pick, takes_list=True),
        Macro("user", lambda call: call.scene.user),
        Macro("char", lambda call: call.scene.char),
        Macro("group", _group, also=("charIfNotGroup",)),
        Macro("groupNotMuted", _speaking),
        Macro("notChar", _others),
        Macro("charDescription", _of_card("description"), also=("description",)),
        Macro("charPersonality", _of_card("personality"), also=("personality",)),
        Macro("charScenario", _of_card("scenario"), also=("scenario",)),
        Macro("mesExamplesRaw", _of_card("examples")),
        Macro("charPrompt", _of_card("system_prompt")),
        Macro("charInstruction", _of_card("post_history"), also=("charJailbreak",)),
        Macro("charDepthPrompt", _of_card("depth_prompt")),
        Macro("charCreatorNotes", _of_card("creator_notes"), also=("creatorNotes",)),
        Macro("charVersion", _of_card("version"), also=("version", "char_version")),
        Macro("charFirstMessage", _greeting, 0, 1, also=("greeting",)),
        Macro("persona", lambda call: call.field("persona", call.scene.persona)),
        Macro("original", lambda call: ""),
        Macro("lastMessage", _last_text(lambda message: True)),
        Macro("lastMessageId", _last_id),
        Macro("lastUserMessage", _last_text(lambda message: message.is_user and not message.is_hidden)),
        Macro("lastCharMessage", _last_text(lambda message: not message.is_user and not message.is_hidden)),
        Macro("lastSwipeId", _swipes),
        Macro("currentSwipeId", _swipe),
        Macro("allChatRange", _range),
        Macro("time", _time, 0, 1),
        Macro("date", _in_format("LL")),
        Macro("weekday", _in_format("dddd")),
        Macro("isotime", _in_format("HH:mm")),
        Macro("isodate", _in_format("YYYY-MM-DD")),
        Macro("datetimeformat", lambda call: moments.formatted(_now(call.scene), call.argument(0)), 1, 1),
        Macro("idleDuration", _idle, also=("idle_duration",)),
        Macro("timeDiff", _difference, 2, 2),
        *_variable_macros(lambda call: call.scene.local, "var"),
        *_variable_macros(lambda call: call.scene.everywhere, "globalvar"),
        *(Macro(name, _plain(name.lower()), also=also) for name, also in _PLAIN.items()),
    ]
)
