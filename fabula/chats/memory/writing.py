"""How a summary is asked for. Knows no table and no engine.

In the steady layout it is asked for behind the last reply, so that all before it is read already. Where
messages are to be summed up that the window holds no more, they are told anew, block by block.
"""

from __future__ import annotations

from collections.abc import Sequence

from fabula.chats.records import PathMessage
from fabula.core.messages import Message

BLOCK = 3000  # characters of the transcript that are summed up at a time
ROOM = 3  # tokens of the summary per word that is asked for, Chinese counted too
ASKED = (
    "[Pause the story. In at most {words} words, sum up what has happened so far and what has to be "
    "remembered: who is there, where they are, what was promised, what is still open. What an earlier "
    "summary says belongs to it. Write only the summary, in the language of the story.]"
)
GOING_ON = (
    "You sum up a story. In at most {words} words, write what has happened and what has to be remembered, "
    "the earlier summary included. Write only the summary, in the language of the story."
)


def behind(words: int) -> str:
    return ASKED.format(words=words)


def blocks(path: Sequence[PathMessage]) -> list[str]:
    """What was said, in parts that fit into any window."""
    found: list[str] = []
    for message in path:
        name = message.name or message.role
        for start in range(0, max(len(message.text), 1), BLOCK):
            line = f"{name}: {message.text[start : start + BLOCK]}"
            if found and len(found[-1]) + len(line) < BLOCK:
                found[-1] = f"{found[-1]}\n{line}"
            else:
                found.append(line)
    return found


def anew(words: int, before: str, block: str) -> tuple[Message, ...]:
    """The messages that ask for a summary of one block on top of the one before."""
    earlier = f"Earlier summary:\n{before}\n\n" if before else ""
    return (
        Message(role="system", text=GOING_ON.format(words=words)),
        Message(role="user", text=f"{earlier}What followed:\n{block}"),
    )


def sampling(words: int) -> dict[str, object]:
    return {"max_tokens": words * ROOM, "temperature": 0.3, "stop": []}
