"""The tokens of a folder as GGUF keeps them. Knows no model and no engine.

Two kinds: pairs of bytes merged by rank (`gpt2`), and pieces with scores (`llama`, SentencePiece). The latter
come from `tokenizer.model`, or from a `tokenizer.json` that was made of one: there a merge's rank is its
piece's score.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from fabula.core.errors import CannotConvert, ExtraMissing
from fabula.core.texts import phrase
from fabula.models.formats.gguf_writing import Value

NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = 1, 2, 3, 4, 5, 6
NEVER = -1e9  # the score of a piece that nothing is merged to
BYTE_PIECE = re.compile(r"<0x[0-9A-F]{2}>$")
JSON_LIMIT = 64 << 20  # bytes
SPECIAL = {"bos": "bos_token", "eos": "eos_token", "unknown": "unk_token", "padding": "pad_token"}


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """`kind` is GGUF's; `merges` of "gpt2", `scores` of "llama". `ids` of special tokens by GGUF's names."""

    kind: str
    tokens: tuple[str, ...]
    types: tuple[int, ...]
    scores: tuple[float, ...] = ()
    merges: tuple[str, ...] = ()
    ids: Mapping[str, int] = field(default_factory=dict)
    adds_bos: bool = False
    adds_space: bool = False
    pre: str = "default"

    def fields(self) -> dict[str, Value]:
        told: dict[str, Value] = {
            "tokenizer.ggml.model": self.kind,
            "tokenizer.ggml.pre": self.pre,
            "tokenizer.ggml.tokens": self.tokens,
            "tokenizer.ggml.token_type": self.types,
            "tokenizer.ggml.add_bos_token": self.adds_bos,
            "tokenizer.ggml.add_eos_token": False,
        }
        if self.kind == "llama":
            told |= {"tokenizer.ggml.scores": self.scores, "tokenizer.ggml.add_space_prefix": self.adds_space}
        if self.merges:
            told |= {"tokenizer.ggml.merges": self.merges}
        return told | {f"tokenizer.ggml.{name}_token_id": id for name, id in self.ids.items()}


def vocabulary(folder: Path, name: str, size: int, adds_bos: bool) -> Vocabulary:
    """`size` is that of the model's embedding. Raises CannotConvert or ExtraMissing."""
    told = read_json(folder / "tokenizer.json")
    added = _added(told, read_json(folder / "tokenizer_config.json"))
    if (folder / "tokenizer.model").is_file():
        made = _of_pieces(folder / "tokenizer.model", told)
    elif told:
        made = _of_json(told, name)
    else:
        raise CannotConvert(name, phrase("lab.convert.no_tokenizer"))
    whole = _whole(made, added, size, name)
    return replace(whole, ids=_ids(folder, whole.tokens), adds_bos=adds_bos)


def read_json(file: Path) -> dict[str, Any]:
    try:
        if file.stat().st_size > JSON_LIMIT:
            return {}
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _added(told: Mapping[str, Any], config: Mapping[str, Any]) -> dict[int, tuple[str, int]]:
    """Id → (text, type) of the tokens that were added to a vocabulary."""
    rows = [(row.get("id"), row) for row in told.get("added_tokens") or () if isinstance(row, dict)]
    named = config.get("added_tokens_decoder")
    rows += [(int(id), row) for id, row in named.items() if id.isdigit()] if isinstance(named, dict) else []
    return {
        id: (row["content"], CONTROL if row.get("special") else USER_DEFINED)
        for id, row in rows
        if isinstance(id, int) and isinstance(row.get("content"), str)
    }


# ── the kinds ───────────────────────────────────────────────────────────────────────────────────────


def _of_json(told: Mapping[str, Any], name: str) -> Vocabulary:
    model = told.get("model") or {}
    ranks = model.get("vocab")
    if model.get("type", "BPE") != "BPE" or not isinstance(ranks, dict):
        raise CannotConvert(name, phrase("lab.convert.tokenizer", type=f"{model.get('type')}"))
    tokens = _by_id(ranks)
    pairs = [_pair(merge) for merge in model.get("merges") or ()]
    if not model.get("byte_fallback"):
        merges = tuple(f"{left} {right}" for left, right in pairs)
        return Vocabulary("gpt2", tokens, (NORMAL,) * len(tokens), merges=merges)
    scores: dict[str, float] = {}
    for rank, (left, right) in enumerate(pairs):
        scores.setdefault(left + right, float(-rank))
    unknown = model.get("unk_token")
    types = [UNKNOWN if token == unknown else BYTE if BYTE_PIECE.match(token) else NORMAL for token in tokens]
    found = tuple(scores.get(token, NEVER) for token in tokens)
    return Vocabulary("llama", tokens, tuple(types), found, adds_space=_adds_space(told))


def _by_id(ranks: Mapping[str, int]) -> tuple[str, ...]:
    """Holes in the numbers become unused tokens later."""
    found = [""] * (max(ranks.values(), default=-1) + 1)
    for token, id in ranks.items():
        found[id] = token
    return tuple(found)


def _pair(merge: Any) -> tuple[str, str]:
    left, right = merge.split(" ", 1) if isinstance(merge, str) else merge
    return left, right


def _adds_space(told: Mapping[str, Any]) -> bool:
    """Whether a text begins as if a blank stood before it."""
    shown = json.dumps([told.get("normalizer"), told.get("pre_tokenizer")])
    return (
        '"Prepend"' in shown or '"prepend_scheme": "first"' in shown or '"prepend_scheme": "always"' in shown
    )


def _of_pieces(file: Path, told: Mapping[str, Any]) -> Vocabulary:
    try:
        from sentencepiece import SentencePieceProcessor
    except ImportError as missing:
        raise ExtraMissing(file.parent.name, "lab", "sentencepiece") from missing
    model = SentencePieceProcessor(model_file=str(file))
    count = model.get_piece_size()
    tokens = tuple(model.id_to_piece(id) for id in range(count))
    scores = tuple(float(model.get_score(id)) for id in range(count))
    kinds = (
        (model.is_unknown, UNKNOWN),
        (model.is_control, CONTROL),
        (model.is_unused, UNUSED),
        (model.is_byte, BYTE),
    )
    types = tuple(next((kind for test, kind in kinds if test(id)), NORMAL) for id in range(count))
    adds_space = _adds_space(told) if told else model.encode("a", out_type=str)[0].startswith("▁")
    return Vocabulary("llama", tokens, types, scores, adds_space=adds_space)


# ── together ────────────────────────────────────────────────────────────────────────────────────────


def _whole(made: Vocabulary, added: Mapping[int, tuple[str, int]], size: int, name: str) -> Vocabulary:
    """As many tokens as the embedding has rows: added ones in their places, holes unused."""
    if len(made.tokens) > size or max(added, default=-1) >= size:
        found = max(len(made.tokens), max(added, default=-1) + 1)
        raise CannotConvert(name, phrase("lab.convert.too_many_tokens", found=found, size=size))
    tokens = list(made.tokens) + [""] * (size - len(made.tokens))
    types = list(made.types) + [UNUSED] * (size - len(made.types))
    scores = list(made.scores) + [NEVER] * (size - len(made.scores)) if made.kind == "llama" else []
    for id, (text, kind) in added.items():
        tokens[id] = text
        types[id] = types[id] if types[id] in (UNKNOWN, BYTE) else kind
    for id, token in enumerate(tokens):
        if not token:
            tokens[id], types[id] = f"[PAD{id}]", UNUSED
    return replace(made, tokens=tuple(tokens), types=tuple(types), scores=tuple(scores))


def _ids(folder: Path, tokens: Sequence[str]) -> dict[str, int]:
    """Special tokens, by the tokenizer's settings, else by the model's."""
    told, places = read_json(folder / "tokenizer_config.json"), {token: id for id, token in enumerate(tokens)}
    generation, config = read_json(folder / "generation_config.json"), read_json(folder / "config.json")
    found = {}
    for name, key in SPECIAL.items():
        value = told.get(key)
        text = value.get("content") if isinstance(value, dict) else value
        id = places.get(text) if isinstance(text, str) else None
        if id is None and name in ("bos", "eos"):
            id = _first(generation.get(f"{key}_id"), config.get(f"{key}_id"))
        if id is not None and 0 <= id < len(tokens):
            found[name] = id
    return found


def _first(*values: Any) -> int | None:
    for value in values:
        value = value[0] if isinstance(value, list) and value else value
        if isinstance(value, int) and not isinstance(value, bool):
            return value
    return None
