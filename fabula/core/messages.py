"""What is said in a conversation. Knows nothing of trees, templates or engines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Role = Literal["system", "user", "assistant"]
ROLES: tuple[Role, ...] = ("system", "user", "assistant")


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message as the prompt sees it.

    `token_ids` are the ids that a model sampled for `text`; they are sent instead of the text, so that
    re-tokenizing never breaks a cached prefix. They hold only for the tokenizer whose hash is `tokenizer`.
    """

    role: Role
    text: str
    name: str = ""
    id: str = ""
    token_ids: tuple[int, ...] = ()
    tokenizer: str = ""
