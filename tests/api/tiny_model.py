"""Writes the smallest GGUF that the catalogue takes: a header, a vocabulary, one tensor. Knows no studio."""

from __future__ import annotations

import struct
from pathlib import Path

U32, STRING, ARRAY, F32 = 4, 8, 9, 0
TEMPLATE = (
    "{% for message in messages %}<{{ message.role }}>{{ message.content }}</>{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}"
)
FACTS: dict[str, str | int | list[str]] = {
    "general.architecture": "llama",
    "general.name": "Tiny",
    "general.file_type": 0,
    "general.license": "cc0-1.0",
    "general.languages": ["en"],
    "llama.block_count": 1,
    "llama.context_length": 2048,
    "llama.embedding_length": 32,
    "llama.attention.head_count": 1,
    "tokenizer.ggml.model": "gpt2",
    "tokenizer.ggml.tokens": ["a", "b"],
    "tokenizer.chat_template": TEMPLATE,
}


def write(path: Path, **more: str | int | list[str]) -> Path:
    """An empty 32 × 4 tensor behind a whole header: 512 bytes of weights. `more` are further facts."""
    facts = FACTS | more
    head = struct.pack("<4sIQQ", b"GGUF", 3, 1, len(facts))
    head += b"".join(_string(key) + _value(value) for key, value in facts.items())
    head += _string("token_embd.weight") + struct.pack("<IQQIQ", 2, 32, 4, F32, 0)
    path.write_bytes(head + bytes(-len(head) % 32) + bytes(32 * 4 * 4))
    return path


def _string(text: str) -> bytes:
    return struct.pack("<Q", len(text.encode())) + text.encode()


def _value(value: str | int | list[str]) -> bytes:
    if isinstance(value, int):
        return struct.pack("<II", U32, value)
    if isinstance(value, str):
        return struct.pack("<I", STRING) + _string(value)
    return struct.pack("<IIQ", ARRAY, STRING, len(value)) + b"".join(map(_string, value))
