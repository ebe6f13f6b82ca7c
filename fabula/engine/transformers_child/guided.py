"""Replies that keep to a form: a grammar in GBNF by our own reader, JSON schemas by llguidance.

Runs in the child only; knows no model, only how its tokens are written.
"""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fabula.engine.direct.forms import ENOUGH, span
from fabula.engine.direct.weights import Refused
from fabula.engine.parsing.gbnf import BadGrammar, Gbnf, Stacks
from fabula.engine.sampling.candidates import Candidates
from fabula.engine.transformers_child.weights import Vocabulary

LIBRARY = "llguidance"
OWN = "%llguidance"  # the first word of a grammar in the library's language
SCHEMA: Any = {"whitespace_flexible": True, "whitespace_pattern": r"( |\n[ \t]{0,20})", "lenient": False}
"""As much space as in the grammars of other engines: else small models write nothing but space."""
UNKNOWN = -1  # the first character of a token that begins within one


def is_here() -> bool:
    return importlib.util.find_spec(LIBRARY) is not None


class Guide:
    """Makes forms for the replies of one model. Raises Refused for what is not understood."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary

    def grammar(self, text: str, triggers: Sequence[str] = ()) -> WholeGrammar | Guided | None:
        """None for one in the library's language where that is missing: the studio tells that."""
        if text.startswith(OWN):
            if not is_here():
                return None
            from llguidance import grammar_from

            return self._guided(grammar_from("lark", text))
        try:
            return WholeGrammar(Gbnf(text), self._vocabulary, self._firsts, triggers)
        except BadGrammar as wrong:
            raise Refused(f"the grammar was not understood: {wrong}") from wrong

    def schema(self, text: str) -> Guided:
        from llguidance import LLMatcher

        return self._guided(LLMatcher.grammar_from_json_schema(json.loads(text), overrides=SCHEMA))

    def _guided(self, grammar: str) -> Guided:
        from llguidance import LLMatcher

        matcher = LLMatcher(self._tokenizer, grammar, log_level=0)
        if matcher.is_error():
            raise Refused(f"the form was not understood: {matcher.get_error()}"[:500])
        return Guided(matcher)

    @cached_property
    def _tokenizer(self) -> Any:
        """The library sorts the tokens, which takes a second."""
        from llguidance import LLTokenizer, TokenizerWrapper

        ends = sorted(self._vocabulary.ends)
        return LLTokenizer(TokenizerWrapper(_Tokens(self._vocabulary)), eos_token=ends or None)

    @cached_property
    def _firsts(self) -> NDArray[np.int32]:
        """The code of each token's first character [V]."""
        pieces = (self._vocabulary.piece(id) for id in range(self._vocabulary.vocabulary))
        return np.array([_first(piece) for piece in pieces], np.int32)


class _Tokens:
    """What the library wants to know of a tokenizer. Special tokens are the text that they stand for, as in
    grammars; only those that end a reply are none."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary
        self.special_token_ids = sorted(vocabulary.ends)
        self.eos_token_id = self.special_token_ids[0] if self.special_token_ids else 0
        self.bos_token_id = None
        self.tokens = [vocabulary.piece(id) for id in range(vocabulary.vocabulary)]

    def __call__(self, text: str) -> list[int]:
        return self._vocabulary.tokenize(text, add_special=False, parse_special=False)


class Guided:
    """Tells which tokens may follow, as the library's matcher does."""

    def __init__(self, matcher: Any) -> None:
        self._matcher = matcher
        self._written = 0

    def allows(self, token: int) -> bool:
        return bool(self._matcher.validate_tokens([token]))

    def allowed(self, given: Candidates) -> Candidates | None:
        """Those that may follow; None when none of them may."""
        bits = np.frombuffer(self._matcher.compute_bitmask(), np.uint8)
        kept = np.unpackbits(bits, bitorder="little").astype(np.bool_)[given.ids]
        return given.keep(kept) if kept.any() else None

    def accept(self, token: int) -> None:
        if not self._matcher.consume_token(token):
            raise Refused(f"the form was lost: {self._matcher.get_error()}"[:500])
        self._written += 1

    def back_to(self, written: int) -> None:
        if written < self._written:
            self._matcher.rollback(self._written - written)
            self._written = written


State = tuple[Stacks | None, bytes]
"""Where the text stands in the grammar, and the bytes of a character that is not whole. Before a trigger
there are no stacks, and the bytes are all that was written."""


class WholeGrammar:
    """Tells which tokens may follow. With `triggers`, everything may until one of these words was written,
    with which the grammar begins."""

    def __init__(
        self, grammar: Gbnf, vocabulary: Vocabulary, firsts: NDArray[np.int32], triggers: Sequence[str] = ()
    ) -> None:
        self._grammar, self._vocabulary, self._firsts = grammar, vocabulary, firsts
        self._triggers = tuple(word.encode() for word in triggers if word)
        self._states: list[State] = [(None if self._triggers else grammar.start, b"")]

    def allows(self, token: int) -> bool:
        stacks, open_ = self._states[-1]
        if token in self._vocabulary.ends:
            return stacks is None or (not open_ and self._grammar.is_whole(stacks))
        return self._after(token) is not None

    def allowed(self, given: Candidates) -> Candidates | None:
        """The likeliest `ENOUGH` of those that fit: more change nothing that is drawn."""
        ranked, places = given.sorted(), []
        for place in np.flatnonzero(self._may_begin(ranked)).tolist():
            if self.allows(int(ranked.ids[place])):
                places.append(place)
                if len(places) == ENOUGH:
                    break
        return ranked.keep(np.isin(np.arange(len(ranked)), places)) if places else None

    def accept(self, token: int) -> None:
        after = self._states[-1] if token in self._vocabulary.ends else self._after(token)
        if after is None:
            raise Refused("the grammar was lost")
        self._states.append(after)

    def back_to(self, written: int) -> None:
        del self._states[written + 1 :]

    def _may_begin(self, ranked: Candidates) -> NDArray[np.bool_]:
        """Those whose first character may follow, which is asked once for all tokens that begin so."""
        stacks, open_ = self._states[-1]
        firsts = self._firsts[ranked.ids]
        if stacks is None or open_:
            return np.ones(len(ranked), np.bool_)
        codes = np.unique(firsts)
        fit = [code for code in codes.tolist() if code == UNKNOWN or self._grammar.step(stacks, code)]
        return np.isin(firsts, fit) | np.isin(ranked.ids, list(self._vocabulary.ends))

    def _after(self, token: int) -> State | None:
        """Where the text stands after a token; None where it cannot follow."""
        stacks, raw = self._states[-1]
        piece = self._vocabulary.piece(token)
        if not piece:
            return None  # it would only wait
        raw += piece
        if stacks is not None:
            return self._read(stacks, raw)
        places = [place for word in self._triggers if (place := raw.find(word)) >= 0]
        return self._read(self._grammar.start, raw[min(places) :]) if places else (None, raw)

    def _read(self, stacks: Stacks, raw: bytes) -> State | None:
        try:
            text, rest = raw.decode("utf-8"), b""
        except UnicodeDecodeError as wrong:
            if wrong.reason != "unexpected end of data":
                return None
            text, rest = raw[: wrong.start].decode("utf-8"), raw[wrong.start :]
        for character in text:
            stacks = self._grammar.step(stacks, ord(character))
            if not stacks:
                return None
        if rest and not self._grammar.may_follow(stacks, *span(rest)):
            return None
        return stacks, rest


def _first(piece: bytes) -> int:
    for length in range(1, min(len(piece), 4) + 1):
        try:
            return ord(piece[:length].decode("utf-8"))
        except UnicodeDecodeError:
            continue
    return UNKNOWN
