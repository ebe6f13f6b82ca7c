"""A model on this machine, as its own header describes it. Knows no file format."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Reach = Literal["machine", "network", "internet"]
"""How far a text goes to its model: a server on this machine, in the person's own network, or anywhere."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Elsewhere:
    """The server that runs a model which is not on this machine."""

    server: str  # as the person has named it
    kind: str  # what it speaks
    host: str  # where texts go
    reach: Reach
    model: str  # what the server calls the model
    abilities: tuple[str, ...] = ()  # as far as it tells: "images", "tools", "thinking"
    parameters: tuple[str, ...] = ()  # of a request, where it tells which the model takes
    reply_limit: int = 0  # tokens


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalModel:
    """One set of weights on disk, or what is known of a model that is `elsewhere`.

    Sizes are bytes, lengths tokens; "" or 0 where the header does not say.
    """

    name: str  # what people and clients call it; unique on this machine
    path: Path
    size: int
    format: str = "gguf"
    title: str = ""
    architecture: str = ""
    parameters: int = 0
    quantization: str = ""
    packed: str = ""  # how safetensors say that their weights are packed; "" = they are not
    trained_context: int = 0
    layers: int = 0
    embedding: int = 0
    heads: int = 0
    kv_heads: int = 0
    key_length: int = 0
    value_length: int = 0
    vocabulary: int = 0
    experts: int = 0  # of each layer of a mixture of experts
    chat_template: str = ""
    bos_token: str = ""
    eos_token: str = ""
    adds_bos: bool = False
    tokenizer: str = ""  # hash of vocabulary and merges: equal hashes tokenize alike
    pooling: str = ""  # how it makes embeddings, "rank" where it judges pairs; "" = it writes text
    infill: tuple[int, ...] = ()  # its tokens before, behind and for the middle of a gap; () = it has none
    projector: str = ""  # the path of the file through which it sees images; "" = it sees none
    licence: str = ""
    languages: tuple[str, ...] = ()
    problem: str = ""  # why it cannot be loaded, "" when it can
    place: str = ""  # the program or folder whose file is used where it lies; "" = it is Fabula's own
    elsewhere: Elsewhere | None = None  # its `path` is then empty
    base: str = ""  # of a derived model, the one whose weights it uses
