"""Learning a direction from a folder larger than the memory that it may take: how much, and how long."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from bench.report import Report, at_most, reported

WIDTH, WITHIN, HEADS, VOCABULARY = 2048, 8192, 16, 2000
LAYER = 4 * WIDTH * WIDTH + 3 * WIDTH * WITHIN  # weights of a layer
BYTES = 3 << 30  # of the folder, as BF16
MEMORY = 1.2e9  # bytes that the work may take, torch and all
TIME = 1.5  # times one read of the file and the forward passes
LIMIT = 16  # prompts of each side
PIECE = 8 << 20
CHILD = """
import json, resource, sys, time
from pathlib import Path
from fabula.lab.directions import learn
from fabula.lab.directions.recipe import Recipe
from fabula.store.home import Home
from fabula.store.job_child import Report
import torch, transformers, transformers.models.llama.modeling_llama
recipe = Recipe(model="large", positive="formal-casual", limit=int(sys.argv[2]), threads=2)
home, began = Home(Path(sys.argv[1])), time.monotonic()
asked = learn.task(home, recipe)
from fabula.lab.directions.activations import Activations
from fabula.lab.directions.streaming import gather, tokens
ids = tokens(asked.model, asked.texts, "last")
into = Activations.begin(home.directions / "bench", asked.shape, "bench")
began = time.monotonic()
gather(asked.model, asked.texts, "last", into, 2, Report())
took = time.monotonic() - began
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10
print(json.dumps({"took": took, "peak": peak, "tokens": sum(map(len, ids))}))
"""
BOUND = """
import json, os, sys, time
import torch
torch.set_num_threads(2)
file, layers, tokens, width, within = sys.argv[1], *map(int, sys.argv[2:])
began = time.monotonic()
with open(file, "rb", buffering=0) as source:
    buffer = bytearray(8 << 20)
    while source.readinto(buffer):
        pass
read = time.monotonic() - began
rows = [torch.randn(min(1024, tokens - at), width) for at in range(0, tokens, 1024)]
wide = [torch.randn(len(one), within) for one in rows]
square, up, down = torch.randn(width, width), torch.randn(width, within), torch.randn(within, width)
began = time.monotonic()
for _ in range(layers):
    for narrow, broad in zip(rows, wide):
        for _ in range(4):
            narrow @ square
        narrow @ up, narrow @ up, broad @ down
print(json.dumps({"read": read, "forward": time.monotonic() - began}))
"""


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m bench direction", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a folder of a tenth: to see that it works")
    given = parser.parse_args(arguments)
    size = BYTES // 10 if given.quick else BYTES
    title = "learning a direction layer by layer"
    with reported("direction", title) as report, tempfile.TemporaryDirectory() as folder:
        measure(report, Path(folder), max(2, size // (2 * LAYER)))


def measure(report: Report, folder: Path, layers: int) -> None:
    home = folder / "home"
    file = make(home / "models" / "large", layers)
    report.heading(f"{layers} layers, {file.stat().st_size / 1e9:.2f} GB as BF16, 2 threads")
    told = run(CHILD, home, LIMIT)
    bound = run(BOUND, file, layers, told["tokens"], WIDTH, WITHIN)
    least = bound["read"] + bound["forward"]
    report.measure("memory at its peak", told["peak"] / 1e9, "GB", at_most(MEMORY / 1e9))
    report.measure("time", told["took"], "s")
    report.measure("one read of the file", bound["read"], "s")
    report.measure(f"products alone, {told['tokens']} tokens", bound["forward"], "s")
    report.measure("time by the sum of both", told["took"] / least, "×", at_most(TIME))


def run(program: str, *arguments: Any) -> dict[str, float]:
    """In a process of its own, whose memory is its own."""
    wanted = {**os.environ, "OMP_NUM_THREADS": "2", "OMP_WAIT_POLICY": "passive"}
    command = [sys.executable, "-c", program, *map(str, arguments)]
    printed = subprocess.run(command, capture_output=True, text=True, check=True, env=wanted).stdout
    found: dict[str, float] = json.loads(printed.splitlines()[-1])
    return found


def make(folder: Path, layers: int) -> Path:
    """A llama of random numbers in one file, and a tokenizer of bytes; answers the file."""
    folder.mkdir(parents=True)
    tokenizer(folder)
    config = {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_size": WIDTH,
        "intermediate_size": WITHIN,
        "num_hidden_layers": layers,
        "num_attention_heads": HEADS,
        "num_key_value_heads": HEADS,
        "vocab_size": VOCABULARY,
        "tie_word_embeddings": True,
        "max_position_embeddings": 2048,
    }
    (folder / "config.json").write_text(json.dumps(config))
    return weights(folder / "model.safetensors", layers)


def shapes(layers: int) -> dict[str, tuple[int, ...]]:
    layer = {f"self_attn.{name}_proj": (WIDTH, WIDTH) for name in "qkvo"}
    layer |= {f"mlp.{name}_proj": (WITHIN, WIDTH) for name in ("gate", "up")}
    layer |= {"mlp.down_proj": (WIDTH, WITHIN)}
    norms = dict.fromkeys(("input_layernorm", "post_attention_layernorm"), (WIDTH,))
    found = {
        f"model.layers.{number}.{name}.weight": shape
        for number in range(layers)
        for name, shape in (layer | norms).items()
    }
    return {"model.embed_tokens.weight": (VOCABULARY, WIDTH), "model.norm.weight": (WIDTH,), **found}


def weights(file: Path, layers: int) -> Path:
    """The same few random numbers again and again: making three gigabytes of new ones takes minutes."""
    rows: dict[str, Any] = {}
    at = 0
    for name, shape in shapes(layers).items():
        size = 2 * int(np.prod(shape))
        rows[name] = {"dtype": "BF16", "shape": shape, "data_offsets": [at, at + size]}
        at += size
    head = json.dumps(rows).encode()
    random = np.random.default_rng(3).standard_normal(PIECE // 2, np.float32) * np.float32(0.02)
    block = (random.view(np.uint32) >> np.uint32(16)).astype(np.uint16).tobytes()
    ones = np.full(WIDTH, 0x3F80, np.uint16).tobytes()
    with file.open("wb") as out:
        out.write(len(head).to_bytes(8, "little") + head)
        for name, row in rows.items():
            size = row["data_offsets"][1] - row["data_offsets"][0]
            for left in range(size, 0, -PIECE):
                out.write(ones if "norm" in name else block[: min(PIECE, left)])
    return file


def tokenizer(folder: Path) -> None:
    from tokenizers import Tokenizer, models, pre_tokenizers

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    made = Tokenizer(models.BPE({letter: id for id, letter in enumerate(alphabet)}, []))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.save(str(folder / "tokenizer.json"))
    told = {"tokenizer_class": "PreTrainedTokenizerFast"}
    (folder / "tokenizer_config.json").write_text(json.dumps(told))
