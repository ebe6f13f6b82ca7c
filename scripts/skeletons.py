"""Work out what the best-known kinds of models take, type by type: fabula/models/known/skeletons.json

A kind is the list of its tensors: out of the headers of tests/fixtures, or built here from the numbers that
its makers publish (config.json). The types are those that Fabula's own quantizer gives them: llama.cpp's.
"""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Any

from fabula.lab.quantize import rules
from fabula.lab.quantize.mixes import mix_named
from fabula.models.fit.anatomy import Anatomy, Layer, Read, anatomy
from fabula.models.formats.gguf import Header, Tensor, read_header_from

ROOT = Path(__file__).parent.parent
FIXTURES = ROOT / "tests" / "fixtures"
TARGET = ROOT / "fabula" / "models" / "known" / "skeletons.json"
UNKNOWN_SIZE = 1 << 50

MIXES = (
    *("F16", "Q8_0", "Q6_K", "Q5_K_M", "Q5_K_S", "Q5_0", "Q4_K_M", "Q4_K_S", "Q4_0", "IQ4_XS"),
    *("Q3_K_L", "Q3_K_M", "Q3_K_S", "IQ3_M", "IQ3_XXS", "Q2_K", "IQ2_M", "IQ2_XXS"),
)

READ = (
    *("fit/llama-3.1-8b", "fit/llama-3.2-1b", "fit/llama-3.2-3b", "fit/mistral-7b-v0.2", "fit/llama-2-7b"),
    *("fit/llama-2-13b", "fit/llama-2-20b-merge", "fit/llama-3.1-70b", "fit_more/llama-3.1-405b"),
    *("fit/mistral-small-24b", "fit/mistral-nemo-12b", "fit/mixtral-8x7b", "fit_more/qwen2.5-0.5b"),
    *("fit/qwen2.5-7b", "fit/qwen2.5-14b", "fit/qwen2.5-32b", "fit/qwen3-8b", "fit/qwen3-30b-a3b"),
    *("fit_more/qwen3-235b-a22b", "fit_more/qwen2-57b-a14b", "fit_more/gemma-3-4b", "fit/gemma-3-12b"),
    *("fit/gemma-3-27b", "fit/gemma-2-9b", "fit_more/chatglm3-6b", "fit/gpt-oss-20b"),
    *("fit_more/rwkv6-1.6b", "fit_more/rwkv7-1.5b", "fit_more/smollm2-135m"),
)
SAME = {"mistral-7b-v0.2": "mistral-7b"}


@dataclass(frozen=True)
class Config:
    """A plain transformer, as its config.json describes it."""

    name: str
    architecture: str
    layers: int
    width: int
    heads: int
    kv: int
    head: int
    forward: int
    vocabulary: int
    context: int
    tied: bool = False
    window: int = 0


# name, architecture, layers, width, heads, key heads, head, feed-forward, vocabulary, context, tied, window
PUBLISHED = """
llama-1-33b         llama  60 6656 52 52 128 17920  32000  2048
llama-2-70b         llama  80 8192 64  8 128 28672  32000  4096
mistral-small-22b   llama  56 6144 48  8 128 16384  32768 32768
skywork-13b         llama  52 4608 36 36 128 12288  65536  4096
chinese-llama-2-7b  llama  32 4096 32 32 128 11008  55296  4096
chinese-llama-2-13b llama  40 5120 40 40 128 13824  55296  4096
qwen-14b            qwen   40 5120 40 40 128 13696 152064  8192
qwen1.5-0.5b        qwen2  24 1024 16 16  64  2816 151936 32768 1
qwen1.5-1.8b        qwen2  24 2048 16 16 128  5504 151936 32768
qwen1.5-4b          qwen2  40 2560 20 20 128  6912 151936 32768
qwen1.5-7b          qwen2  32 4096 32 32 128 11008 151936 32768
qwen1.5-14b         qwen2  40 5120 40 40 128 13696 152064 32768
qwen1.5-32b         qwen2  64 5120 40  8 128 27392 152064 32768
qwen1.5-72b         qwen2  80 8192 64 64 128 24576 152064 32768
qwen1.5-110b        qwen2  80 8192 64  8 128 49152 152064 32768
qwen2.5-1.5b        qwen2  28 1536 12  2 128  8960 151936 32768 1
qwen2.5-3b          qwen2  36 2048 16  2 128 11008 151936 32768 1
qwen2.5-72b         qwen2  80 8192 64  8 128 29568 152064 32768
qwen3-0.6b          qwen3  28 1024 16  8 128  3072 151936 40960 1
qwen3-1.7b          qwen3  28 2048 16  8 128  6144 151936 40960 1
qwen3-4b            qwen3  36 2560 32  8 128  9728 151936 40960 1
qwen3-14b           qwen3  40 5120 40  8 128 17408 151936 40960
qwen3-32b           qwen3  64 5120 64  8 128 25600 151936 40960
gemma-2b            gemma  18 2048  8  1 256 16384 256000  8192 1
gemma-7b            gemma  28 3072 16 16 256 24576 256000  8192 1
gemma-2-2b          gemma2 26 2304  8  4 256  9216 256000  8192 1 4096
gemma-2-27b         gemma2 46 4608 32 16 128 36864 256000  8192 1 4096
gemma-3-1b          gemma3 26 1152  4  1 256  6912 262144 32768 1  512
"""


def published() -> Iterator[Config]:
    for line in PUBLISHED.split("\n")[1:-1]:
        name, architecture, *rest = line.split()
        numbers = [int(each) for each in rest]
        yield Config(name, architecture, *numbers[:8], bool(numbers[8:9]), *numbers[9:])


F32, F16 = 0, 1
WITH_HEAD_NORMS, WITH_MORE_NORMS = ("qwen3", "gemma3"), ("gemma2", "gemma3")


def header_of(config: Config) -> Header:
    """As its converter would write it, in F16."""
    rows = [("token_embd.weight", (config.width, config.vocabulary)), ("output_norm.weight", (config.width,))]
    if not config.tied:
        rows.append(("output.weight", (config.width, config.vocabulary)))
    for number in range(config.layers):
        rows += [(f"blk.{number}.{name}", shape) for name, shape in block(config)]
    tensors = tuple(Tensor(name, shape, F32 if len(shape) == 1 else F16, 0) for name, shape in rows)
    key = config.architecture
    metadata: dict[str, Any] = {
        "general.architecture": key,
        f"{key}.block_count": config.layers,
        f"{key}.context_length": config.context,
        f"{key}.embedding_length": config.width,
        f"{key}.feed_forward_length": config.forward,
        f"{key}.attention.head_count": config.heads,
        f"{key}.attention.head_count_kv": config.kv,
        f"{key}.attention.key_length": config.head,
        f"{key}.attention.value_length": config.head,
    }
    if config.window:
        metadata[f"{key}.attention.sliding_window"] = config.window
    return Header(Path(config.name), 3, UNKNOWN_SIZE, metadata, tensors, 0)


def block(config: Config) -> Iterator[tuple[str, tuple[int, ...]]]:
    width, forward = config.width, config.forward
    queries, keys = config.heads * config.head, config.kv * config.head
    yield from (("attn_norm.weight", (width,)), ("ffn_norm.weight", (width,)))
    if config.architecture == "qwen":
        yield from (("attn_qkv.weight", (width, 3 * width)), ("attn_qkv.bias", (3 * width,)))
    else:
        yield ("attn_q.weight", (width, queries))
        yield from ((f"attn_{part}.weight", (width, keys)) for part in "kv")
    yield ("attn_output.weight", (queries, width))
    yield from ((f"ffn_{part}.weight", (width, forward)) for part in ("gate", "up"))
    yield ("ffn_down.weight", (forward, width))
    if config.architecture == "qwen2":
        yield from (
            (f"attn_{part}.bias", (size,)) for part, size in (("q", queries), ("k", keys), ("v", keys))
        )
    if config.architecture in WITH_HEAD_NORMS:
        yield from ((f"attn_{part}_norm.weight", (config.head,)) for part in "qk")
    if config.architecture in WITH_MORE_NORMS:
        yield from ((f"post_{part}_norm.weight", (width,)) for part in ("attention", "ffw"))


def retyped(header: Header, mix: str) -> Header:
    """With the types that a quantizer gives its tensors; what it would not touch stays."""
    tensors = rules.in_order(header.tensors)
    chosen = rules.choose(rules.anatomy(header), tensors, mix_named(mix), informed=mix.startswith("IQ"))
    return replace(header, tensors=tuple(replace(each.tensor, type=each.type) for each in chosen))


def read_fixture(name: str) -> Header:
    folder, model = name.split("/")
    for row in json.loads((FIXTURES / folder / "headers.json").read_text(encoding="utf-8")):
        if row["model"] == model and row["ft"] == "Q4_K_M":
            packed = gzip.decompress((FIXTURES / folder / row["file"]).read_bytes())
            return read_header_from(io.BytesIO(packed), UNKNOWN_SIZE, Path(model))
    raise FileNotFoundError(name)


WIDER = (
    ("rwkv6-7b", "fit_more/rwkv6-1.6b", 32, {2048: 4096, 7168: 14_336, 32: 64, 64: 128, 160: 320}),
    ("rwkv7-2.9b", "fit_more/rwkv7-1.5b", 32, {2048: 2560, 8192: 10_240}),
)
"""Recurrent models with a smaller one's shape and other lengths: layers, and what each length becomes."""


def wider(header: Header, layers: int, lengths: dict[int, int]) -> Header:
    """The second layer stands for those that the smaller model does not have."""

    def grown(tensor: Tensor, name: str) -> Tensor:
        head = tensor.name.endswith("time_mix_first.weight")  # (head size, heads): only the second grows
        shape = tuple(
            length if head and not axis else lengths.get(length, length)
            for axis, length in enumerate(tensor.shape)
        )
        return replace(tensor, name=name, shape=shape)

    rest = [grown(tensor, tensor.name) for tensor in header.tensors if not tensor.name.startswith("blk.")]
    for number in range(layers):
        like = f"blk.{min(number, 1)}."
        rest += [
            grown(tensor, tensor.name.replace(like, f"blk.{number}.", 1))
            for tensor in header.tensors
            if tensor.name.startswith(like)
        ]
    key = header.text("general.architecture")
    width, forward = header.number(f"{key}.embedding_length"), header.number(f"{key}.feed_forward_length")
    changed = {
        "block_count": layers,
        "embedding_length": lengths[width],
        "feed_forward_length": lengths[forward],
    }
    metadata = header.metadata | {f"{key}.{name}": value for name, value in changed.items()}
    return replace(header, tensors=tuple(rest), metadata=metadata)


def kind(header: Header, source: str) -> dict[str, Any]:
    bodies = {mix: anatomy([retyped(header, mix)]) for mix in MIXES}
    body = bodies["F16"]
    return {
        "source": source,
        "parameters": sum(tensor.elements for tensor in header.tensors),
        "architecture": body.architecture,
        "context": body.trained_context,
        "tied": body.tied,
        "unused_layers": body.unused_layers,
        "widths": {name: value for name, value in plain(body.widths).items() if value},
        "notes": list(body.notes),
        "types": {mix: packed(each) for mix, each in bodies.items()},
    }


def plain(widths: Any) -> dict[str, int]:
    return {name: int(getattr(widths, name)) for name in widths.__slots__}


def packed(body: Anatomy) -> list[Any]:
    """[inputs, embeddings, output, tables, on host, reads of the output, kinds of layers, [kind, count] …]"""
    kinds = list(dict.fromkeys(body.layers))
    runs = [[each, len(list(same))] for each, same in groupby(kinds.index(layer) for layer in body.layers)]
    sizes = [body.inputs, body.embeddings, body.output, body.shared_tables, list(body.on_host)]
    return [*sizes, reads(body.output_reads), [packed_layer(layer) for layer in kinds], runs]


def packed_layer(layer: Layer) -> list[Any]:
    numbers = (
        *(layer.weights, layer.on_device, layer.experts, layer.largest, layer.repacked),
        *(layer.keys, layer.values, layer.heads, layer.window, layer.state),
    )
    return [*numbers, reads(layer.reads)]


def reads(rows: tuple[Read, ...]) -> list[list[Any]]:
    return [[row.kind, round(row.size), round(row.numbers), int(row.expert)] for row in rows]


def main() -> None:
    kinds = {}
    for name in READ:
        model = name.split("/")[1]
        kinds[SAME.get(model, model)] = kind(read_fixture(name), f"tests/fixtures/{name}")
    for config in published():
        kinds[config.name] = kind(header_of(config), "config.json of its makers")
    for name, smaller, layers, lengths in WIDER:
        kinds[name] = kind(
            wider(read_fixture(smaller), layers, lengths), f"tests/fixtures/{smaller}, made larger"
        )
    about = (
        "Made by scripts/skeletons.py: what the layers of well-known kinds of models take, in bytes, by type."
    )
    lines = (f' "{name}": {json.dumps(each, separators=(",", ":"))}' for name, each in sorted(kinds.items()))
    TARGET.write_text(f'{{"about": "{about}", "kinds": {{\n' + ",\n".join(lines) + "\n}}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
