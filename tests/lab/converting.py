"""Folders of every family that is converted, with tokenizers of every kind, and how the engine reads them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import tiny_folders
from numpy.typing import NDArray

from fabula.core.load import LoadOptions
from fabula.core.plan import Plan
from fabula.engine.beside import REFERENCE
from fabula.engine.direct.worker import DirectWorker
from fabula.models.formats.identify import identify

SHAPES: dict[str, dict[str, Any]] = {
    "llama": {},
    "mistral": {"head_dim": 32},
    "qwen2": {"tie_word_embeddings": True},
    "qwen3": {"head_dim": 32},
    "gemma": {"head_dim": 32, "tie_word_embeddings": True},
    "gemma2": {"head_dim": 32, "tie_word_embeddings": True, "query_pre_attn_scalar": 32, "sliding_window": 8},
    "gemma3_text": {
        "head_dim": 32,
        "tie_word_embeddings": True,
        "query_pre_attn_scalar": 32,
        "sliding_window": 8,
        "num_hidden_layers": 6,
        "intermediate_size": 64,
    },
}
ROPES: dict[str, dict[str, Any]] = {
    "llama3": {
        "factor": 8.0,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": 64,
    },
    "linear": {"factor": 4.0},
    "yarn": {"factor": 4.0, "original_max_position_embeddings": 128},
}
WORDS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+"
REST = r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
PATTERNS = {"qwen2": rf"{WORDS}|\p{{N}}|{REST}", "llama-bpe": rf"{WORDS}|\p{{N}}{{1,3}}|{REST}"}
"""The families' own, from their tokenizer.json."""


def plan(name: str, context: int = 512) -> Plan:
    return Plan(
        model=name,
        tier="rough",
        verdict="fits",
        devices=(),
        context=context,
        slots=1,
        gpu_layers=0,
        threads=2,
        kv_type="f32",
        options=LoadOptions().over(REFERENCE),
    )


@asynccontextmanager
async def engine(file: Path, folder: Path) -> AsyncIterator[DirectWorker]:
    worker = DirectWorker(folder / "logs", folder / "direct.json")
    try:
        await worker.load(identify(file), plan(file.stem))
        yield worker
    finally:
        await worker.close()


async def rows(worker: DirectWorker, ids: list[int], file: Path) -> NDArray[np.float32]:
    """Log-probabilities [tokens, vocabulary]."""
    await worker.keep_rows(ids, 0, len(ids), file)
    return np.fromfile(file, np.float32).reshape(len(ids), -1)


def theirs(folder: Path, ids: list[int]) -> NDArray[np.float32]:
    """The same, by transformers."""
    import torch
    import transformers

    model = transformers.AutoModelForCausalLM.from_pretrained(
        folder, dtype=torch.float32, attn_implementation="eager"
    )
    for layer in model.model.layers:
        if "gelu" in f"{type(layer.mlp.act_fn).__name__}".lower():
            layer.mlp.act_fn = looked_up()
    with torch.no_grad():
        logits = model(torch.tensor([ids])).logits[0]
    return np.asarray(torch.log_softmax(logits.double(), -1).float())


def looked_up() -> Any:
    """GELU as the engine has it on processors: a table of 16-bit numbers."""
    import torch

    class LookedUp(torch.nn.Module):
        def forward(self, values: Any) -> Any:
            made = torch.nn.functional.gelu(values.half().float(), approximate="tanh")
            return made.half().float()

    return LookedUp()


def words() -> list[str]:
    """To train tokenizers on: many scripts."""
    from fabula.lab.convert.spelling import sample

    return sample()


def cut_by(folder: Path, pattern: str, **model: Any) -> int:
    """A byte-level tokenizer that cuts texts by a pattern; its size."""
    from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

    made = Tokenizer(models.BPE(**model))
    made.normalizer = normalizers.NFC()
    made.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(pattern), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    made.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    special = ["<|end|>", "<|user|>", "<|assistant|>", "<|system|>"]
    trainer = trainers.BpeTrainer(
        vocab_size=900, special_tokens=special, initial_alphabet=alphabet, show_progress=False
    )
    made.train_from_iterator(words(), trainer)
    return _save(made, folder)


def _save(made: Any, folder: Path, **more: Any) -> int:
    folder.mkdir(parents=True, exist_ok=True)
    made.save(str(folder / "tokenizer.json"))
    told = {"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": "<|end|>", **more}
    (folder / "tokenizer_config.json").write_text(json.dumps(told))
    return int(made.get_vocab_size())


def pieces(folder: Path) -> Path:
    """A SentencePiece model of pairs, as Llama 2's and Gemma's are: `tokenizer.model`."""
    import sentencepiece

    folder.mkdir(parents=True, exist_ok=True)
    (folder / "words.txt").write_text("\n".join(words()), encoding="utf-8")
    sentencepiece.SentencePieceTrainer.train(
        input=str(folder / "words.txt"),
        model_prefix=str(folder / "tokenizer"),
        model_type="bpe",
        vocab_size=1200,
        byte_fallback=True,
        split_digits=True,
        normalization_rule_name="identity",
        remove_extra_whitespaces=False,
        allow_whitespace_only_pieces=True,
        character_coverage=0.98,
        num_threads=1,
        minloglevel=2,
    )
    told = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "add_bos_token": True}
    (folder / "tokenizer_config.json").write_text(json.dumps(told))
    return folder / "tokenizer.model"


def folder(place: Path, kind: str, **changes: Any) -> Path:
    return tiny_folders.folder(place, kind, **(SHAPES.get(kind, {}) | changes))
