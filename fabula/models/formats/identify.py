"""Say what a model file is, from its own header. Knows nothing of the folder it lies in or of loading it.

A file that cannot be used is described too: `LocalModel.problem` is then a text key (`models.problem.…`),
and `problem_sentence` makes a sentence of it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from fabula.core import texts
from fabula.core.model import LocalModel
from fabula.models.formats.gguf import BadHeader, Header, hashed, positions, read_header, string_at
from fabula.models.formats.types import FILE_TYPES, GUESSED, TENSOR_TYPES

_SPLIT = re.compile(r"^(?P<stem>.+)-(?P<part>\d{5})-of-(?P<parts>\d{5})$")
PARTS_LIMIT = 1000  # a name may claim 99,999 parts

TOKENIZER_KEYS = (
    "tokenizer.ggml.model",
    "tokenizer.ggml.pre",
    "tokenizer.ggml.tokens",
    "tokenizer.ggml.scores",
    "tokenizer.ggml.token_type",
    "tokenizer.ggml.merges",
    "tokenizer.ggml.add_space_prefix",
)

# What the engine does where a header does not say whether a BOS token comes first.
_BOS_MODELS = ("llama", "bert")
_BOS_PRE = ("llama3", "llama-v3", "llama-bpe", "falcon3", "falcon-h1", "pixtral", "tekken")


POOLINGS = {1: "mean", 2: "cls", 3: "last", 4: "rank"}
ENCODERS = (
    *("bert", "nomic-bert", "nomic-bert-moe", "neo-bert", "jina-bert-v2", "jina-bert-v3", "modern-bert"),
    *("eurobert", "gemma-embedding", "llama-embed"),
)
"""Architectures that write no text; where their header does not say how, embeddings are means."""

INFILL_KEYS = (
    ("tokenizer.ggml.fim_pre_token_id", "tokenizer.ggml.prefix_token_id"),
    ("tokenizer.ggml.fim_suf_token_id", "tokenizer.ggml.suffix_token_id"),
    ("tokenizer.ggml.fim_mid_token_id", "tokenizer.ggml.middle_token_id"),
)
INFILL_NAMES = (
    ("<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"),
    ("<fim_prefix>", "<fim_suffix>", "<fim_middle>"),
    ("<fim-prefix>", "<fim-suffix>", "<fim-middle>"),
    ("<｜fim▁begin｜>", "<｜fim▁hole｜>", "<｜fim▁end｜>"),
    ("▁<PRE>", "▁<SUF>", "▁<MID>"),
    ("<|code_prefix|>", "<|code_suffix|>", "<|code_middle|>"),
)
"""Of tokens before, behind and for the middle of a gap, by family, where the header names none."""


@dataclass(frozen=True, slots=True)
class SplitName:
    """The parts of `name-00001-of-00003.gguf`."""

    stem: str
    part: int
    parts: int


def split_name(path: Path) -> SplitName | None:
    """How a file name says that the model is in several files; None for a whole model."""
    match = _SPLIT.match(path.stem)
    if match is None or not 1 <= int(match["part"]) <= int(match["parts"]) <= PARTS_LIMIT:
        return None
    return SplitName(match["stem"], int(match["part"]), int(match["parts"]))


def model_name(path: Path) -> str:
    """The name for people: the file name without `.gguf` and without the number of a part."""
    split = split_name(path)
    return split.stem if split else path.stem


def parts_of(path: Path) -> list[Path]:
    """All files of the model whose first file is `path`, whether they exist or not."""
    split = split_name(path)
    if split is None:
        return [path]
    return [
        path.with_name(f"{split.stem}-{n:05}-of-{split.parts:05}{path.suffix}")
        for n in range(1, split.parts + 1)
    ]


def problem_sentence(model: LocalModel, language: str = "en") -> str:
    """Why the model cannot be loaded, "" when it can."""
    if not model.problem:
        return ""
    return texts.say(model.problem, language, name=model.name, size=model.size, file=model.path.name)


def identify(path: Path) -> LocalModel:
    """The model that starts in `path`. Never raises for what is wrong with the file: see `problem`."""
    return identify_with_headers(path)[0]


def identify_with_headers(path: Path) -> tuple[LocalModel, list[Header]]:
    """The model and the headers of all its parts that are there; of a damaged one those before it."""
    files = parts_of(path)
    here = [file for file in files if file.is_file()]
    headers: list[Header] = []
    try:
        headers.extend(read_header(file) for file in here)
        if not headers:
            raise BadHeader("unreadable", "no file")
        model = describe(path, headers)
    except BadHeader as bad:
        problem = f"models.problem.{bad.reason}"
        return LocalModel(name=model_name(path), path=path, size=_size(files), problem=problem), headers
    if len(here) < len(files):
        return _with_problem(model, "models.problem.parts_missing"), headers
    return _with_problem(model, _problem(headers)), headers


def _size(files: Sequence[Path]) -> int:
    return sum(file.stat().st_size for file in files if file.is_file())


def _with_problem(model: LocalModel, problem: str) -> LocalModel:
    return replace(model, problem=problem) if problem else model


def _problem(headers: Sequence[Header]) -> str:
    first = headers[0]
    kind, architecture = first.text("general.type"), first.text("general.architecture")
    if kind in ("adapter", "mmproj", "imatrix", "controlvector"):
        return f"models.problem.{kind}"
    if architecture == "clip":
        return "models.problem.mmproj"
    if any(header.data_end > header.file_size for header in headers):
        return "models.problem.truncated"
    if not architecture or not any(header.tensors for header in headers):
        return "models.problem.no_weights"
    if not first.number(f"{architecture}.context_length", 1):  # the engine loads it, and aborts at a prompt
        return "models.problem.no_context"
    return ""


def describe(path: Path, headers: Sequence[Header]) -> LocalModel:
    """What the headers of all parts of a model say of it."""
    header = headers[0]
    architecture = header.text("general.architecture")

    def number(key: str, default: int = 0) -> int:
        return header.number(f"{architecture}.{key}", default)

    heads = number("attention.head_count")
    embedding = number("embedding_length")
    head_length = embedding // heads if heads else 0
    return LocalModel(
        name=model_name(path),
        path=path,
        size=sum(each.file_size for each in headers),
        title=header.text("general.name"),
        architecture=architecture,
        parameters=sum(tensor.elements for each in headers for tensor in each.tensors),
        quantization=_quantization(headers),
        trained_context=number("context_length"),
        layers=number("block_count"),
        embedding=embedding,
        heads=heads,
        kv_heads=number("attention.head_count_kv", heads),
        key_length=number("attention.key_length", head_length),
        value_length=number("attention.value_length", head_length),
        vocabulary=header.length("tokenizer.ggml.tokens") or number("vocab_size"),
        experts=number("expert_count"),
        chat_template=header.text("tokenizer.chat_template"),
        bos_token=_token(header, "tokenizer.ggml.bos_token_id"),
        eos_token=_token(header, "tokenizer.ggml.eos_token_id"),
        adds_bos=_adds_bos(header),
        tokenizer=hashed(header, TOKENIZER_KEYS),
        pooling=_pooling(header, architecture),
        infill=_infill(header),
        licence=header.text("general.license"),
        languages=header.texts("general.languages"),
    )


def _pooling(header: Header, architecture: str) -> str:
    """What is not said of a model that writes text is that it makes no embeddings."""
    said = POOLINGS.get(header.number(f"{architecture}.pooling_type"), "")
    return said or ("mean" if architecture in ENCODERS else "")


def _infill(header: Header) -> tuple[int, ...]:
    said = [max(header.number(key, -1) for key in keys) for keys in INFILL_KEYS]
    if min(said) >= 0:
        return tuple(said)
    for names in INFILL_NAMES:
        found = positions(header, "tokenizer.ggml.tokens", names)
        if min(found) >= 0:
            return found
    return ()


def _token(header: Header, key: str) -> str:
    return string_at(header, "tokenizer.ggml.tokens", header.number(key, -1))


def _adds_bos(header: Header) -> bool:
    said = header.metadata.get("tokenizer.ggml.add_bos_token")
    if isinstance(said, bool):
        return said
    pre = header.text("tokenizer.ggml.pre")
    return header.text("tokenizer.ggml.model") in _BOS_MODELS or pre in _BOS_PRE


BASE_TYPES = {"IQ3_M": "IQ3_S", "IQ3_XS": "IQ3_S", "IQ2_M": "IQ2_S", "IQ2_S": "IQ2_XS", "MXFP4_MOE": "MXFP4"}
"""File types whose most frequent type of tensor is not a part of their name."""


def _quantization(headers: Sequence[Header]) -> str:
    """The name of the file type, else what the file name says if the tensors agree, else their own type."""
    file_type = headers[0].number("general.file_type", -1)
    if file_type >= 0 and file_type % GUESSED in FILE_TYPES:
        return FILE_TYPES[file_type % GUESSED]
    own = _main_type(headers)
    said = re.split(r"[-.]", model_name(headers[0].path).upper())
    named = [name for name in FILE_TYPES.values() if name in said]
    if named and (not own or named[0].startswith(own) or BASE_TYPES.get(named[0]) == own):
        return named[0]
    return own


def _main_type(headers: Sequence[Header]) -> str:
    """Of most of the bytes; vocabularies have types of their own, and small models are mostly vocabulary."""
    sizes: Counter[int] = Counter()
    layers: Counter[int] = Counter()
    for header in headers:
        for tensor in header.tensors:
            counter = layers if tensor.name.startswith("blk.") else sizes
            counter[tensor.type] += tensor.size or 0
    counted = layers or sizes
    kind = counted.most_common(1)[0][0] if counted else -1
    return TENSOR_TYPES[kind].name if kind in TENSOR_TYPES else ""
