"""What comes out of a model while it writes, and the facts of one generation. Knows no wire format."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any, Literal

from fabula.core.texts import Phrase

FinishReason = Literal["stop", "length", "loop", "tool_calls", "stopped", "interrupted", "error"]
"""stop: the model ended or a stop string came · tool_calls: it ended, and asks for tools · length: a limit
was reached · loop: it only repeated itself · stopped: the person pressed Stop · interrupted: a process died
· error: the engine failed."""


CacheSource = Literal["slot", "disk", "none"]
"""Where the reused part of a prompt came from: the engine's memory, a saved state, or nowhere."""

CacheReason = Literal["", "first", "changed", "rescaled", "no_way_back", "damaged", "crowded"]
"""Why the rest was read. first: nothing of this chat was kept · changed: the conversation was changed before
its end · no_way_back: the model's memory cannot be taken back to that place (recurrent and sliding-window
models between two checkpoints) · rescaled: the scale of an adapter is another one, for which all is read
anew · damaged: the saved state was damaged, and thrown away · crowded: another program's conversation has
taken the slot in between, as there are fewer slots than conversations."""

LEAST_TOKENS, LEAST_MS = 2, 1.0
"""A rate is told from these on: of a single token engines time hardly anything."""


@dataclass(frozen=True, slots=True)
class Choice:
    """A candidate token with its log-probability (natural log)."""

    id: int
    text: str
    logprob: float
    bytes: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Loading:
    """The model is being loaded before the request can run. `why` says it when it was loaded already."""

    model: str
    why: Phrase | None = None


@dataclass(frozen=True, slots=True)
class Queued:
    """Others come first. `behind` names the model that has to end its work when memory is what is missing."""

    position: int  # 1 = the next
    behind: str = ""


@dataclass(frozen=True, slots=True)
class Exactness:
    """Parameters that only the exact engine honours, and whether it writes the reply; if not, why not."""

    needed: tuple[str, ...]
    used: bool
    why: Phrase | None = None

    def facts(self) -> dict[str, Any]:
        return {"needed": list(self.needed), "used": self.used, "why": self.why.kept() if self.why else ""}


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """The prompt is made and goes to the engine: what is known of the generation before its first token."""

    engine: str
    effective: dict[str, Any]
    ignored: tuple[str, ...] = ()
    cut_messages: int = 0
    cut_tokens: int = 0  # of a raw prompt, at its beginning
    story: dict[str, Any] | None = None  # of a character's reply: how its prompt was laid out
    exact: dict[str, Any] | None = None  # where the usual engine lacks something: `Exactness.facts`
    prompt_ids: tuple[int, ...] = ()  # where they were asked for


@dataclass(frozen=True, slots=True)
class Prefill:
    """Progress of reading the prompt, in tokens. `reused` of `total` came from the cache."""

    processed: int
    total: int
    reused: int


@dataclass(slots=True, unsafe_hash=True)
class Token:
    """A piece of text and the ids that were sampled for it (several when the engine held text back).

    Nobody changes one. It is not frozen because one is made for each token, which takes three times as long
    where it is (measured, the processor's caches cold).
    """

    text: str
    ids: tuple[int, ...] = ()
    chosen: Choice | None = None
    likeliest: tuple[Choice, ...] = ()


@dataclass(frozen=True, slots=True)
class Thought:
    """A piece of reasoning, or ids of a tag around it, which has no text that is shown."""

    text: str
    ids: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class ToolCallPart:
    """A piece of the reply's tool call `index`: the first has its id and name, the others JSON text."""

    index: int
    id: str = ""
    name: str = ""
    arguments: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rewrites:
    """What it took to keep banned texts out of a reply.

    `unavoided` are matches that stand in it, because all alternatives were matches too. `notes` are ends of
    text keys: mirostat, adaptive_p (their running state began anew), no_way_back (the model read more than a
    token again), slow_regex (one took too long, and was left out).
    """

    count: int = 0
    wasted_tokens: int = 0  # written, and taken back before anyone saw them
    reread_tokens: int = 0
    unavoided: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def facts(self) -> dict[str, Any]:
        return {
            "rewrites": self.count,
            "wasted_tokens": self.wasted_tokens,
            "reread_tokens": self.reread_tokens,
            "unavoided": list(self.unavoided),
            "notes": list(self.notes),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """The last delta of every stream that did not fail."""

    reason: FinishReason
    prompt_tokens: int
    reused_tokens: int
    processed_tokens: int
    completion_tokens: int
    prompt_ms: float
    predicted_ms: float
    stop_string: str = ""
    engine: str = ""
    first_token_ms: float = 0.0
    cut_messages: int = 0  # messages of the chat that no longer fitted into the context
    cut_tokens: int = 0  # tokens of a raw prompt that did not, at its beginning
    effective: dict[str, Any] | None = None  # the sampling that was really used
    ignored: tuple[str, ...] = ()  # parameters that were asked for and had no effect
    reasoning_tokens: int = 0  # of the completion tokens, those of the reasoning and its tags
    cache: CacheSource | Literal[""] = ""  # "" = not known
    cache_reason: CacheReason = ""
    form_problem: Phrase | None = None  # why the reply has not the form that was asked for
    cost: float | None = None  # US dollars, where a remote server tells it
    answer_read_again: bool = False  # the next turn's prompt leaves the reasoning out, so no cache can help
    bans: Rewrites | None = None  # None = no texts were banned
    guessed_tokens: int = 0  # ahead of the model, by a draft or from the text before
    guessed_right: int = 0  # of them; the others were thrown away
    story: dict[str, Any] | None = None  # as in Prepared
    exact: dict[str, Any] | None = None  # as in Prepared

    def facts(self, model: str) -> dict[str, Any]:
        """What is kept with the text and shown under it (the object Facts of docs/api.md)."""
        return {
            "model": model,
            "engine": self.engine,
            "effective": _summed_up(self.effective or {}),
            "ignored": list(self.ignored),
            "prompt_tokens": self.prompt_tokens,
            "reused_tokens": self.reused_tokens,
            "processed_tokens": self.processed_tokens,
            "cache": self.cache,
            "cache_reason": self.cache_reason,
            "completion_tokens": self.completion_tokens,
            "reasoning_tokens": self.reasoning_tokens,
            "answer_read_again": self.answer_read_again,
            "form_problem": self.form_problem.kept() if self.form_problem else "",
            "cost": self.cost,
            "first_token_ms": round(self.first_token_ms, 1),
            "tokens_per_second": round(self.tokens_per_second, 2),
            "finish_reason": self.reason,
            "cut_messages": self.cut_messages,
            "bans": self.bans.facts() if self.bans else None,
            "guessed_tokens": self.guessed_tokens,
            "guessed_right": self.guessed_right,
            "story": self.story,
            "exact": self.exact,
        }

    @property
    def tokens_per_second(self) -> float:
        """Rate of writing, without the prompt. 0 when too little was timed to tell."""
        if self.completion_tokens < LEAST_TOKENS or self.predicted_ms < LEAST_MS:
            return 0.0
        return self.completion_tokens / self.predicted_ms * 1000


LISTED = 100  # texts of a list that are kept with each reply; a list of thousands is told by its hash


def _summed_up(effective: dict[str, Any]) -> dict[str, Any]:
    """With long lists of banned texts as {count, sha256}: the hash is of their lines."""
    long = {name: effective[name] for name in ("banned_strings", "banned_regexes") if name in effective}
    return effective | {
        name: {"count": len(texts), "sha256": hashlib.sha256("\n".join(texts).encode()).hexdigest()}
        for name, texts in long.items()
        if len(texts) > LISTED
    }


Delta = Loading | Queued | Prepared | Prefill | Token | Thought | ToolCallPart | Finished
