"""Prompts with images as the engine takes them. Knows no process and no image format.

The engine has a marker of its own for each process, so that no text can name an image that is not there.
Slots with images in them are not saved: a state does not say which images it was made from.
"""

from __future__ import annotations

import base64
import dataclasses
import hashlib
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from fabula.core.messages import IMAGE
from fabula.core.worker import Prompt

Spell = Callable[[Sequence[int]], Awaitable[str]]


class Eye:
    """`marker` is the engine's, `spell` gives the text of token ids."""

    def __init__(self, marker: str, spell: Spell) -> None:
        self._marker, self._spell = marker, spell

    async def seen(self, prompt: Prompt) -> Prompt:
        """With one text, in which the engine's marker stands for each image."""
        if not prompt.images:
            return prompt
        parts = [piece if isinstance(piece, str) else await self._spell(piece) for piece in prompt.pieces]
        text = "".join(parts).replace(IMAGE, self._marker)
        return dataclasses.replace(prompt, pieces=(text,))


def pictured(prompt: Prompt) -> dict[str, Any]:
    """What the engine is asked instead of a plain prompt."""
    (text,) = prompt.pieces
    files = [base64.b64encode(image).decode() for image in prompt.images]
    return {"prompt": {"prompt_string": text, "multimodal_data": files}}


def pictured_trace(prompt: Prompt) -> str:
    """What a slot will hold, to compare it by: the text, and which images."""
    (text,) = prompt.pieces
    return f"{text}\0" + "".join(hashlib.sha256(image).hexdigest() for image in prompt.images)
