"""The prompt in front of the answer, token by token with log-probabilities: `echo` with `logprobs`.

What evaluation harnesses ask of /v1/completions, mostly with `max_tokens` 0: to score a text and write
nothing. Knows no engine.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from fabula.app import Studio
from fabula.core.errors import FabulaError
from fabula.core.model import LocalModel
from fabula.core.scoring import Scored
from fabula.core.stream import Choice, Delta, Finished, Token
from fabula.core.worker import Pieces
from fabula.server.openai import parse
from fabula.server.stopping import Turn

FIELD = "logprobs of the echoed prompt"
UNKNOWN = math.nan  # the first token has nothing before it

Lead = tuple[Token, ...]


async def leads(
    studio: Studio, model: LocalModel, wish: parse.Wish, language: str
) -> tuple[parse.Wish, list[Lead]]:
    """The tokens of each prompt, which then are its echo. Where they cannot be scored, the answer says why;
    that is an error when nothing else was asked for."""
    try:
        top = max(wish.sampling.logprobs or 0, 0)
        load = wish.turn["wish"]
        scored = [await studio.scoring.score(model, prompt, top, load) for prompt in wish.prompts]
    except FabulaError as failure:
        if not wish.writes:
            raise
        why = f"{FIELD}: {failure.sentence(language)}"
        return dataclasses.replace(wish, ignored=(*wish.ignored, why)), []
    found = [
        tokens(row, has_own_bos(prompt, row, model)) for prompt, row in zip(wish.prompts, scored, strict=True)
    ]
    return dataclasses.replace(wish, echo=False), [lead for lead in found for _ in range(wish.choices)]


def has_own_bos(prompt: Pieces, scored: Scored, model: LocalModel) -> bool:
    """Whether the engine put a token before the text that is none of it."""
    text = prompt[0]
    return isinstance(text, str) and model.adds_bos and not text.startswith(scored.texts[0])


def tokens(scored: Scored, without_first: bool) -> Lead:
    logprobs = (UNKNOWN, *scored.logprobs)
    likeliest = ((), *scored.likeliest) if scored.likeliest else ((),) * len(scored.ids)
    rows = zip(scored.ids, scored.texts, logprobs, likeliest, strict=True)
    made = tuple(Token(text, (id,), Choice(id, text, value), best) for id, text, value, best in rows)
    return made[1:] if without_first else made


async def led(lead: Lead, turn: Turn) -> AsyncGenerator[Delta, None]:
    """The prompt's tokens right before the first token of the answer, or before its end."""
    waiting = list(lead)
    async with aclosing(turn):
        async for delta in turn:
            if waiting and isinstance(delta, Token | Finished):
                for token in waiting:
                    yield token
                waiting.clear()
            yield delta


async def unwritten(tokens: int, ignored: Sequence[str]) -> AsyncGenerator[Delta, None]:
    """An answer of no tokens."""
    yield Finished(
        reason="length",
        prompt_tokens=tokens,
        reused_tokens=0,
        processed_tokens=tokens,
        completion_tokens=0,
        prompt_ms=0.0,
        predicted_ms=0.0,
        effective={"max_tokens": 0},
        ignored=tuple(ignored),
    )
