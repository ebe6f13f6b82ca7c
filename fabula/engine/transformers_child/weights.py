"""A model's vocabulary as bytes, from its fast tokenizer. Runs in the child only; knows no context."""

from __future__ import annotations

import functools
import json
import re
from pathlib import Path
from typing import Any

from fabula.engine.direct.weights import Refused
from fabula.engine.transformers_child.library import CannotLoad, Model, Settings, tokenizer

_BYTE = re.compile(r"<0x([0-9A-Fa-f]{2})>")
SPACE = "▁"  # SentencePiece's


class Vocabulary:
    """How tokens are written. `ends` end a reply."""

    def __init__(self, folder: Path, size: int, ends: set[int]) -> None:
        self._tokenizer = tokenizer(folder)
        if not getattr(self._tokenizer, "is_fast", False):
            raise CannotLoad("it has no tokenizer.json")
        kept = json.loads(self._tokenizer.backend_tokenizer.to_str())
        self._is_bytes = "ByteLevel" in json.dumps([kept.get("decoder"), kept.get("pre_tokenizer")])
        self._added = {int(row["id"]): row for row in kept.get("added_tokens") or []}
        self.vocabulary = size
        known = {self._tokenizer.eos_token_id} | ends
        named = {id for id, row in self._added.items() if row["content"] in ENDS}
        self.ends = frozenset(id for id in (*known, *named) if isinstance(id, int))

    def tokenize(self, text: str, *, add_special: bool, parse_special: bool = True) -> list[int]:
        found: Any = self._tokenizer(
            text,
            add_special_tokens=add_special,
            split_special_tokens=not parse_special,
            return_attention_mask=False,
        )
        return [int(id) for id in found["input_ids"]]

    @functools.lru_cache(maxsize=1 << 18)  # noqa: B019  # one model per process, until it ends
    def piece(self, token: int, special: bool = True) -> bytes:
        """A token's text; that of a special one only where asked. Places beyond the tokenizer are empty."""
        if not 0 <= token < self.vocabulary:
            raise Refused(f"there is no token {token}: the vocabulary has {self.vocabulary}")
        if row := self._added.get(token):
            return row["content"].encode() if special or not row.get("special") else b""
        text: str | None = self._tokenizer.convert_ids_to_tokens(token)
        return b"" if text is None else self._bytes(text)

    def _bytes(self, text: str) -> bytes:
        if self._is_bytes:
            table = _byte_table()
            return b"".join(table.get(letter, letter.encode()) for letter in text)
        if match := _BYTE.fullmatch(text):
            return bytes([int(match[1], 16)])
        return text.replace(SPACE, " ").encode()


ENDS = frozenset(
    {
        *("<|im_end|>", "<|endoftext|>", "<|eot_id|>", "<|end|>", "<end_of_turn>", "<|end_of_text|>"),
        *("</s>", "<|eom_id|>", "<|return|>", "<|call|>", "<|END_OF_TURN_TOKEN|>", "<｜end▁of▁sentence｜>"),
    }
)
"""By their text: the engines of GGUF end a reply at all of them, whatever the settings of a model name."""


@functools.cache
def _byte_table() -> dict[str, bytes]:
    """GPT-2's letters for bytes: printable ones stand for themselves, the others for those from 256 on."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in plain]
    table = {chr(byte): bytes([byte]) for byte in plain}
    return table | {chr(256 + place): bytes([byte]) for place, byte in enumerate(others)}


class Weights(Vocabulary):
    """Raises CannotLoad when the folder cannot be loaded."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.model = Model(settings)
        self.width, self.layers = self.model.width, self.model.layers
        super().__init__(Path(settings.folder), self.model.vocabulary, self.model.ends())
