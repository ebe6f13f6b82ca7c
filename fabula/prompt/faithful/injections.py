"""Texts that are put into a prompt from elsewhere: notes, lore at a depth, personas. Knows no template."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from fabula.prompt.faithful.model import Injection, Place, StoryMessage
from fabula.prompt.lore.entry import Role

# The keys decide the order of texts that stand together; capitals come before small letters.
SUMMARY = "1_memory"
NOTE = "2_floating_prompt"
DEPTH_PROMPT = "DEPTH_PROMPT"
PERSONA = "PERSONA_DESCRIPTION"
QUIET = "QUIET_PROMPT"
STORY = "__STORY_STRING__"
LORE = "customDepthWI"

WORDS = {
    SUMMARY: "summary",
    NOTE: "note",
    DEPTH_PROMPT: "depth_prompt",
    PERSONA: "persona",
    QUIET: "quiet",
    STORY: "story",
    LORE: "lore",
}
ROLES = (Role.SYSTEM, Role.USER, Role.ASSISTANT)
MAX_DEPTH = 10_000


def gathered(injections: Sequence[Injection], place: int) -> str:
    """The texts of one place outside the chat, joined."""
    return _joined([injection for injection in injections if injection.place == place])


def at_depth(injections: Sequence[Injection], depth: int, role: int) -> str:
    """The texts of one depth and role in the chat, joined."""
    wanted = (Place.IN_CHAT, depth, role)
    return _joined([found for found in injections if (found.place, found.depth, found.role) == wanted])


def _joined(injections: list[Injection]) -> str:
    texts = (injection.text.strip() for injection in sorted(injections, key=lambda found: found.key))
    return "\n".join(text for text in texts if text)


def depths(injections: Sequence[Injection]) -> list[int]:
    return sorted({found.depth for found in injections if found.place == Place.IN_CHAT and found.text})


def inserted(
    messages: Sequence[StoryMessage],
    injections: Sequence[Injection],
    *,
    user: str,
    char: str,
    continues: bool,
    resolve: Callable[[str], str],
) -> tuple[list[StoryMessage], list[int]]:
    """The chat with what is injected, newest first, and the places of the injected messages in it.

    A depth counts the chat's own messages from its end. At one depth the system's text is lowest, above it
    the person's, then the character's. When a reply is lengthened nothing stands behind it.
    """
    newest = list(reversed(messages))
    places: list[int] = []
    for depth in depths(injections):
        told = [_message(injections, depth, role, user, char, resolve) for role in ROLES]
        found = [message for message in told if message]
        where = 1 if continues and depth == 0 else depth
        start = min(where + len(places), len(newest))
        newest[start:start] = found
        places += range(start, start + len(found))
    return newest, places


def _message(
    injections: Sequence[Injection],
    depth: int,
    role: int,
    user: str,
    char: str,
    resolve: Callable[[str], str],
) -> StoryMessage | None:
    text = resolve(at_depth(injections, depth, role)).lstrip()
    name = {Role.SYSTEM: "", Role.USER: user, Role.ASSISTANT: char}[Role(role)]
    if not text:
        return None
    return StoryMessage(
        text=text,
        name=name,
        is_user=role == Role.USER,
        is_narrator=role == Role.SYSTEM,
        id=label(injections, depth, role),
    )


def label(injections: Sequence[Injection], depth: int, role: int) -> str:
    """What stands at a depth, for the plan: "note, depth_prompt @4"."""
    here = sorted(
        found.key for found in injections if (found.depth, found.role) == (depth, role) and found.text
    )
    in_chat = {found.key for found in injections if found.place == Place.IN_CHAT}
    names = dict.fromkeys(_named(key) for key in here if key in in_chat)
    return f"{', '.join(names)} @{depth}"


def _named(key: str) -> str:
    """The word for a text, by the beginning of its key."""
    return next((word for start, word in WORDS.items() if key.startswith(start)), key)
