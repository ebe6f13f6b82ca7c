"""Write one reply, token by token, with every sampler and with rewinds. Runs in the child process only.

What a reply must not contain is found by `engine.bans`; going back costs a cut of the memory and a choice
from logits that were kept, no computation of the model.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from fabula.core.sampling import Sampling
from fabula.core.stream import Choice, Token
from fabula.engine.bans.draft import Draft
from fabula.engine.bans.matcher import Bans
from fabula.engine.direct.context import Context
from fabula.engine.direct.scoring import log_softmax
from fabula.engine.direct.weights import Refused, TooLong
from fabula.engine.sampling.candidates import Candidates
from fabula.engine.sampling.chain import Chain
from fabula.engine.sampling.guidance import guided
from fabula.engine.sampling.history import Vocabulary

KEPT_ROWS = 64  # of positions that may be gone back to; beyond, one token is read again
REPLY, NEGATIVE = 0, 1  # sequences


class Form(Protocol):
    """What a reply has to look like; it can go back."""

    def allows(self, token: int) -> bool: ...
    def allowed(self, given: Candidates) -> Candidates | None: ...
    def accept(self, token: int) -> None: ...
    def back_to(self, written: int) -> None: ...


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A reply as it is asked for; `negative` is read for guidance, () = there is none."""

    ids: Sequence[int]
    negative: Sequence[int]
    sampling: Sampling
    seed: int
    shown: frozenset[int] = frozenset()  # special tokens whose text is wanted
    marks: tuple[str, ...] = ()
    triggers: tuple[str, ...] = ()


@dataclass
class Ended:
    """The facts of a reply."""

    reason: str = "stop"
    reused: int = 0
    prompt_ms: float = 0.0
    predicted_ms: float = 0.0
    stop_string: str = ""
    rewrites: int = 0
    wasted_tokens: int = 0
    unavoided: tuple[str, ...] = ()
    written: list[int] = field(default_factory=list)


class Reply:
    """`show` is given tokens that stand; `prefill` (processed, total, reused) while the prompt is read;
    `pause` raises where the work is to end."""

    def __init__(
        self,
        context: Context,
        asked: Asked,
        form: Form | None,
        *,
        show: Callable[[Token], None],
        prefill: Callable[[int, int, int], None],
        pause: Callable[[], None],
    ) -> None:
        self._context, self._asked, self._form = context, asked, form
        self._show, self._prefill, self._pause = show, prefill, pause
        self._weights = context.weights
        sampling = asked.sampling
        vocabulary = Vocabulary(self._weights.vocabulary, self._weights.ends, self._weights.piece)
        self._chain = Chain(sampling, vocabulary, asked.ids, seed=asked.seed)
        bans = Bans.of(sampling.banned_strings, sampling.banned_regexes)
        self._draft = Draft(bans, stops=sampling.stop, marks=asked.marks, triggers=asked.triggers)
        self._written: list[int] = []
        self._half: list[tuple[int, bytes, Any]] = []  # tokens whose last character is not complete
        self._rows: dict[int, NDArray[np.float32]] = {}
        self._end = Ended()

    def write(self) -> Ended:
        """Raises TooLong for a prompt that leaves no room, Refused when no token may follow."""
        self._read_prompt()
        began = time.perf_counter()
        room = self._room()
        goes_on = True
        while goes_on:
            self._pause()
            is_full = len(self._written) >= room
            goes_on = not self._is_over() if is_full else self._choose()
            self._end.reason = "length" if is_full else "stop"
        for ready in self._draft.ready(all=True):
            self._show(ready)
        self._end.predicted_ms = (time.perf_counter() - began) * 1000
        return self._ended()

    # ── the prompt ──────────────────────────────────────────────────────────────────────────────────

    def _read_prompt(self) -> None:
        asked, context, began = self._asked, self._context, time.perf_counter()
        if len(asked.ids) + len(asked.negative) >= context.length:
            raise TooLong(len(asked.ids) + len(asked.negative), context.length)
        total = len(asked.ids)
        self._end.reused = context.reuse(asked.ids, total - 1)

        def told() -> None:
            self._pause()
            self._prefill(context.held(), total, self._end.reused)

        row = context.last(asked.ids, pause=told)
        self._prefill(total, total, self._end.reused)
        if asked.negative:
            row = self._guided(row, context.last(asked.negative, sequence=NEGATIVE, pause=self._pause))
        self._rows = {0: row}
        self._end.prompt_ms = (time.perf_counter() - began) * 1000

    def _room(self) -> int:
        """Tokens of the reply that fit and are wanted."""
        asked = self._asked
        left = self._context.length - len(asked.ids) - len(asked.negative)
        left = left // 2 if asked.negative else left
        return min(asked.sampling.max_tokens or left, left)

    # ── one token ───────────────────────────────────────────────────────────────────────────────────

    def _choose(self) -> bool:
        """Draws a token and takes in what follows from it; whether the reply goes on."""
        row = self._row()
        token = self._drawn(row)
        if token in self._weights.ends:
            return not self._is_over()
        told = self._told(row, token)
        self._chain.accept(token)
        if self._form:
            self._form.accept(token)
        self._written.append(token)
        self._half.append((token, self._weights.piece(token, token in self._asked.shown), told))
        for whole in self._whole():
            verdict = self._draft.add(whole)
            if verdict == "stop":
                self._end.stop_string = self._draft.stop_string
                return False
            if verdict == "back":
                self._go_back()
                break
        for ready in self._draft.ready():
            self._show(ready)
        return True

    def _is_over(self) -> bool:
        """Nothing follows; but what was held back for its end may still have to be another."""
        rest = any(self._draft.add(whole) == "back" for whole in self._whole(at_end=True))
        if rest or self._draft.finish() == "back":
            self._go_back()
            return False
        return True

    def _drawn(self, row: NDArray[np.float32]) -> int:
        """Drawn freely first: that the form allows it is the usual case, and costs one look."""
        forbidden = self._draft.forbidden if not self._half else frozenset()
        try:
            token = self._chain.draw(self._chain.candidates(row, forbidden))
            if not self._form or self._form.allows(token):
                return token
            allowed = self._form.allowed(self._chain.biased(row, forbidden))
        except ValueError as nothing:
            raise Refused(f"{nothing}") from nothing
        if allowed is None:
            raise Refused("no token can follow that keeps to the form that was asked for")
        return self._chain.draw(self._chain.applied(allowed))

    def _row(self) -> NDArray[np.float32]:
        """The logits at the end of what stands; kept, or made by reading the last token."""
        place = len(self._written)
        if place not in self._rows:
            self._rows[place] = self._read_last(place)
            for old in [at for at in self._rows if at < place - KEPT_ROWS]:
                del self._rows[old]
        return self._rows[place]

    def _read_last(self, place: int) -> NDArray[np.float32]:
        row = self._after(self._asked.ids, place, REPLY)
        if not self._asked.negative:
            return row
        return self._guided(row, self._after(self._asked.negative, place, NEGATIVE))

    def _after(self, prompt: Sequence[int], place: int, sequence: int) -> NDArray[np.float32]:
        """The logits after a prompt and `place` tokens of the reply."""
        row = None
        if place:
            row = self._context.advance(self._written[-1], len(prompt) + place - 1, sequence)
        if row is None:
            row = self._context.last([*prompt, *self._written], sequence=sequence, pause=self._pause)
        return row

    def _guided(self, wanted: NDArray[np.float32], unwanted: NDArray[np.float32]) -> NDArray[np.float32]:
        return guided(wanted, unwanted, self._asked.sampling.guidance_scale).astype(np.float32)

    def _go_back(self) -> None:
        """To what the draft still has."""
        place = sum(len(token.ids) for token in self._draft.tokens)
        del self._written[place:]
        self._half.clear()
        self._chain.rewind(place)
        if self._form:
            self._form.back_to(place)
        self._rows = {at: row for at, row in self._rows.items() if at <= place}

    # ── text ────────────────────────────────────────────────────────────────────────────────────────

    def _whole(self, *, at_end: bool = False) -> list[Token]:
        """The held tokens, when together they end with a whole character."""
        raw = b"".join(piece for _, piece, _ in self._half)
        if not self._half or (not at_end and _is_cut(raw)):
            return []
        held, self._half = self._half, []
        text = raw.decode("utf-8", "replace")
        if held[0][2] is None:
            return [Token(text, tuple(token for token, _, _ in held))]
        first, *others = held
        return [
            Token(text, (first[0],), *first[2]),
            *(Token("", (token,), *told) for token, _, told in others),
        ]

    def _told(self, row: NDArray[np.float32], token: int) -> tuple[Choice, tuple[Choice, ...]] | None:
        """The token's log-probability before all samplers, and the likeliest ones."""
        count = self._asked.sampling.logprobs
        if count is None:
            return None
        values = log_softmax(row[None])[0]
        best = np.argpartition(-values, min(count, len(values) - 1))[:count]
        best = best[np.argsort(-values[best], kind="stable")]
        return self._choice(token, values[token]), tuple(self._choice(int(id), values[id]) for id in best)

    def _choice(self, token: int, logprob: float) -> Choice:
        raw = self._weights.piece(token)
        return Choice(token, raw.decode("utf-8", "replace"), float(logprob), tuple(raw))

    def _ended(self) -> Ended:
        end, draft = self._end, self._draft
        end.rewrites, end.wasted_tokens, end.unavoided = draft.rewrites, draft.wasted_tokens, draft.unavoided
        end.written = self._written
        return end


def _is_cut(raw: bytes) -> bool:
    """Whether the bytes end within a character that may still be completed."""
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError as wrong:
        return wrong.reason == "unexpected end of data"
    return False
