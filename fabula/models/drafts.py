"""Which small model may guess ahead for a larger one: both have to write the same tokens. Knows no engine.

The larger one checks every guess, so that what is written is its own; a draft only decides how fast. Ids must
mean the same in both. Publishers pad the vocabularies of one family to different lengths, and llama.cpp lets
them differ by so many at the end.
"""

from __future__ import annotations

from fabula.core.model import LocalModel
from fabula.core.texts import Phrase, phrase
from fabula.models.formats.gguf import BadHeader, Header, raw_strings, read_header

PADDING = 128  # tokens
KIND = ("tokenizer.ggml.model", "tokenizer.ggml.pre")
TOKENS = "tokenizer.ggml.tokens"


def obstacle(model: LocalModel, draft: LocalModel) -> Phrase | None:
    """Why `draft` cannot guess for `model`; None when it can."""
    if draft.elsewhere or draft.problem or draft.pooling or draft.format != "gguf":
        return phrase("models.draft.writes_nothing")
    if model.tokenizer and model.tokenizer == draft.tokenizer:
        return None
    try:
        return _differs(read_header(model.path), read_header(draft.path))
    except BadHeader as bad:
        return phrase("models.draft.unreadable", reason=f"{bad}")


def _differs(one: Header, other: Header) -> Phrase | None:
    sizes = sorted((one.length(TOKENS), other.length(TOKENS)))
    if any(one.text(key) != other.text(key) for key in KIND) or sizes[1] - sizes[0] > PADDING:
        return phrase("models.draft.vocabulary", model=one.length(TOKENS), draft=other.length(TOKENS))
    shared = (raw_strings(header, TOKENS, sizes[0]) for header in (one, other))
    if len(set(shared)) > 1:
        return phrase("models.draft.other_tokens")
    return None
