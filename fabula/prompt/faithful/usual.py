"""The chat-completion prompts that hold where no preset is chosen. Knows no chat; the texts are our own."""

from __future__ import annotations

from typing import Final

from fabula.prompt.faithful.manager import ChatSettings, Managed

ORDER: Final = (
    *("main", "worldInfoBefore", "personaDescription", "charDescription", "charPersonality", "scenario"),
    *("worldInfoAfter", "dialogueExamples", "chatHistory", "jailbreak"),
)


def usual(system: str, post_history: str = "") -> ChatSettings:
    """`system` is the main prompt, `post_history` what stands behind the chat."""
    texts = {"main": system, "jailbreak": post_history}
    return ChatSettings(
        prompts={id: Managed(id=id, text=texts.get(id, "")) for id in ORDER},
        order=tuple((id, True) for id in ORDER),
        new_chat="[The story begins.]",
        new_group_chat="[The story begins. Those in it: {{group}}.]",
        new_example="[An example of how it may sound:]",
        group_nudge="[Write the next reply of {{char}}, and of nobody else.]",
        impersonation=IMPERSONATION,
        continue_nudge="[Go on from where the last message ends, without repeating any of it.]",
        continues_by_prefill=True,
    )


IMPERSONATION: Final = (
    "[Write the next message of {{user}}, as {{user}} would: only what {{user}} says and does, in the manner "
    "of {{user}}'s messages so far. Write nothing for {{char}}.]"
)
