"""Which of the engine's ways of cutting a text into words is the tokenizer's: found by trying them.

A tokenizer.json says with patterns how a text is cut before pairs are merged; the engine knows ways only by
name. So the tokens of a varied text are made by the tokenizer itself, and by the engine with a file that has
nothing but the vocabulary: the name that gives the same tokens is the right one for this vocabulary.
"""

from __future__ import annotations

import ctypes
import tempfile
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from fabula.core.errors import CannotConvert, DirectUnavailable, ExtraMissing
from fabula.core.texts import phrase
from fabula.engine.direct.library import Drifted, Library
from fabula.engine.direct.weights import Refused
from fabula.lab.convert.vocabulary import Vocabulary, read_json
from fabula.lab.quantize.quality import neutral
from fabula.models.formats import gguf_writing
from fabula.models.formats.gguf_writing import Value

WHOLE_WORDS = ("llama-bpe", "tekken", "youtu", "chameleon")
"""Ways in which a word that is a token is never merged from its parts."""
OTHERS = (
    *("gpt-2", "qwen2", "llama-bpe", "smollm", "tekken", "deepseek-llm", "deepseek-v3", "gpt-4o", "gemma4"),
    *("deepseek-r1-qwen", "deepseek-coder", "qwen35", "falcon", "starcoder", "refact", "command-r", "mpt"),
    *("stablelm2", "olmo", "dbrx", "smaug-bpe", "poro-chat", "glm4", "chatglm-bpe", "viking", "bloom"),
    *("gpt3-finnish", "exaone", "exaone4", "minerva-7b", "megrez", "superbpe", "trillion", "bailingmoe"),
    *("llama4", "pixtral", "seed-coder", "hunyuan", "hunyuan-dense", "kimi-k2", "joyai-llm", "grok-2"),
    *("minimax-m2", "afmoe", "solar-open", "codeshell", "jais", "default"),
)
"""The engine's names, the frequent ones first; one that it does not know (any more) is passed over."""

SAMPLE = Path(__file__).with_name("sample.md")
"""Contractions, numbers, blanks, code, scripts, signs: where ways of cutting differ."""


def sample() -> list[str]:
    """With letters and their marks as one: the engine never joins them, as some tokenizers do first."""
    hard = unicodedata.normalize("NFC", SAMPLE.read_text(encoding="utf-8"))
    return [hard, *(line for line in hard.splitlines() if line), *(text.text for text in neutral())]


def spelled(vocabulary: Vocabulary, folder: Path, name: str) -> Vocabulary:
    """With the way that gives the tokenizer's own tokens. Raises CannotConvert where none does."""
    texts = sample()
    wanted = expected(folder, texts)
    differs = ""
    for way in _ways(vocabulary, folder):
        tried = replace(vocabulary, pre=way)
        with _engine(tried) as (library, handle):
            if handle is None:
                continue
            found = [tokens(library, handle, text) for text in texts]
        if found == wanted:
            return tried
        differs = differs or _difference(texts, wanted, found)
    raise CannotConvert(name, phrase("lab.convert.spelling", text=differs))


def _ways(vocabulary: Vocabulary, folder: Path) -> Sequence[str]:
    if vocabulary.kind != "gpt2":
        return ("default",)
    whole = (read_json(folder / "tokenizer.json").get("model") or {}).get("ignore_merges")
    return (*WHOLE_WORDS, *OTHERS) if whole else OTHERS


def expected(folder: Path, texts: Sequence[str]) -> list[list[int]]:
    """By the tokenizer's own library, without tokens before and behind. Raises ExtraMissing."""
    if not (folder / "tokenizer.json").is_file():
        from sentencepiece import SentencePieceProcessor

        pieces = SentencePieceProcessor(model_file=str(folder / "tokenizer.model"))
        return [pieces.encode(text) for text in texts]
    try:
        from tokenizers import Tokenizer
    except ImportError as missing:
        raise ExtraMissing(folder.name, "lab", "tokenizers") from missing
    own: Any = Tokenizer.from_file(str(folder / "tokenizer.json"))
    own.no_truncation()
    return [list(own.encode(text, add_special_tokens=False).ids) for text in texts]


@contextmanager
def _engine(vocabulary: Vocabulary) -> Iterator[tuple[Library, int | None]]:
    """The engine with nothing but this vocabulary; None where it refuses it."""
    try:
        library = Library()
    except Drifted as drift:
        raise DirectUnavailable(phrase("engine.direct.drifted", detail=f"{drift}")) from drift
    with tempfile.TemporaryDirectory(prefix="fabula-") as folder:
        file = Path(folder) / "vocabulary.gguf"
        told: Mapping[str, Value] = {"general.architecture": "llama", **vocabulary.fields()}
        with file.open("wb") as out:
            gguf_writing.write(out, told, [])
        params = library.model_default_params()
        params.vocab_only, params.n_gpu_layers = True, 0
        handle = library.model_load_from_file(str(file).encode(), params)
        try:
            yield library, handle or None
        finally:
            if handle:
                library.model_free(handle)


def tokens(library: Library, handle: int, text: str) -> list[int]:
    raw, vocabulary = text.encode(), library.model_get_vocab(handle)
    room = len(raw) + 8
    ids = (ctypes.c_int32 * room)()
    count = int(library.tokenize(vocabulary, raw, len(raw), ids, room, False, True))
    if count < 0:
        raise Refused(f"{len(raw)} bytes gave {-count} tokens")
    return list(ids[:count])


def _difference(texts: Sequence[str], wanted: Sequence[list[int]], found: Sequence[list[int]]) -> str:
    """The first text of which other tokens were made, shortened."""
    pairs = zip(texts, wanted, found, strict=True)
    return next((text for text, mine, theirs in pairs if mine != theirs), "")[:80]
