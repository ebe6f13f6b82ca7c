"""Directions: learned from a folder larger than the memory that they may take, how much and how long; what an
edit of such a folder cost; and what coarser weights do to them.

`losses` measures the tables LOST and STAYS of fabula.lab.directions, with the starter model. That is Q4_1,
and its numbers lie on a grid which Q4_1 would meet again at no loss; so its columns are stretched first by
amounts that the tensors before them take back: the same function, off the grid. Types whose blocks divide the
rows are made by the quantizer. The others (its rows have 576 numbers) are rounded in blocks across rows by
the same routines, and kept in 32 bits.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.report import Report, at_most, reported
from bench.studio import model_file
from fabula.core.model import LocalModel
from fabula.lab.directions import ablate, from_gguf, learn, maths
from fabula.lab.directions.ablate import Cut
from fabula.lab.directions.activations import Activations
from fabula.lab.directions.contrasts import Contrast, contrast
from fabula.lab.directions.saying import texts
from fabula.lab.directions.weights import GgufWeights
from fabula.lab.quantize import job as quantizing
from fabula.lab.quantize.exact import Engine
from fabula.lab.quantize.kernels import Kernels
from fabula.lab.quantize.mixes import TYPE_IDS
from fabula.lab.quantize.ordering import Wishes
from fabula.models.catalog import Catalog
from fabula.models.formats.gguf import read_header
from fabula.models.formats.types import TENSOR_TYPES
from fabula.store.home import Home
from fabula.store.job_child import Report as Silent

WIDTH, WITHIN, HEADS, VOCABULARY = 2048, 8192, 16, 2000
LAYER = 4 * WIDTH * WIDTH + 3 * WIDTH * WITHIN  # weights of a layer
BYTES = 3 << 30  # of the folder, as BF16
MEMORY = 1.2e9  # bytes that the work may take, torch and all
TIME = 1.5  # times one read of the file and the forward passes
TURNS = 3
LIMIT = 16  # prompts of each side
REPLY_S = 600.0  # for the replies of both models
PIECE = 8 << 20

Floats = NDArray[np.float32]
PARTS = "memory cost losses"
SET = "cheerful-gloomy"
TYPES = ("Q8_0", "Q6_K", "Q5_K", "Q5_1", "Q5_0", "Q4_K", "Q4_1", "Q4_0", "IQ4_NL", "Q3_K", "Q2_K")
BOTH_WAYS = "Q4_0"  # made by the quantizer and rounded, to see that these agree
STRETCH = 1.25  # at most, and at least its inverse
FULL = "full"
HEAD = 64  # numbers of a head
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
began, spent = time.monotonic(), time.process_time()
gather(asked.model, asked.texts, "last", into, 2, Report())
took, spent = time.monotonic() - began, time.process_time() - spent
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10
print(json.dumps({"took": took, "spent": spent, "peak": peak, "tokens": sum(map(len, ids))}))
"""
COST = """
import json, resource, sys, time
from pathlib import Path
from fabula.lab.directions import cost_streamed, replies
from fabula.lab.quantize.quality import Pair
from fabula.models.catalog import Catalog
from fabula.store.home import Home
from fabula.store.job_child import Report
import torch, transformers, transformers.models.llama.modeling_llama
replies.REPLIES_S = float(sys.argv[2])
home = Home(Path(sys.argv[1]))
shelf = Catalog(home.models)
pair = Pair(shelf.find("large"), shelf.find("other"))
began, spent = time.monotonic(), time.process_time()
told = cost_streamed.measured(pair, home.models / ".cost", Report(), 2)
took, spent = time.monotonic() - began, time.process_time() - spent
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10
told |= {"took": took, "spent": spent, "peak": peak}
del told["texts"], told["samples"]
print(json.dumps(told))
"""
BOUND = """
import json, os, sys, time
import torch
torch.set_num_threads(2)
file, layers, tokens, width, within = sys.argv[1], *map(int, sys.argv[2:])
began, spent = time.monotonic(), time.process_time()
with open(file, "rb", buffering=0) as source:
    buffer = bytearray(8 << 20)
    while source.readinto(buffer):
        pass
read = time.monotonic() - began
rows = [torch.randn(min(1024, tokens - at), width) for at in range(0, tokens, 1024)]
wide = [torch.randn(len(one), within) for one in rows]
square, up, down = torch.randn(width, width), torch.randn(width, within), torch.randn(within, width)
spent = time.process_time() - spent
began, computing = time.monotonic(), time.process_time()
for _ in range(layers):
    for narrow, broad in zip(rows, wide):
        for _ in range(4):
            narrow @ square
        narrow @ up, narrow @ up, broad @ down
spent += time.process_time() - computing
print(json.dumps({"read": read, "forward": time.monotonic() - began, "spent": spent}))
"""


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m bench direction", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of it: to see that it works")
    parser.add_argument("--parts", default=PARTS, help=f"some of {PARTS}")
    given = parser.parse_args(arguments)
    parts = given.parts.split()
    size = BYTES // 10 if given.quick else BYTES
    # a part alone has a file of its own, so that it does not take the place of the other's figures
    name = "direction" if parts == PARTS.split() else f"direction_{'_'.join(parts)}"
    with reported(name, ", ".join(parts)) as report:
        if "memory" in parts:
            with tempfile.TemporaryDirectory() as folder:
                measure(report, Path(folder), max(2, size // (2 * LAYER)))
        if "cost" in parts:
            with tempfile.TemporaryDirectory() as folder:
                costs(report, Path(folder), max(2, size // (2 * LAYER)))
        if "losses" in parts:
            with tempfile.TemporaryDirectory() as folder:
                losses(report, Home(Path(folder)).create(), TYPES[:2] if given.quick else TYPES)


def measure(report: Report, folder: Path, layers: int) -> None:
    home = folder / "home"
    file = make(home / "models" / "large", layers)
    report.heading(f"{layers} layers, {file.stat().st_size / 1e9:.2f} GB as BF16, 2 threads")
    ratios, shares = [], []
    for _ in range(TURNS):  # in turns: others work on the machine too
        shutil.rmtree(home / "directions", ignore_errors=True)
        told = run(CHILD, home, LIMIT)
        bound = run(BOUND, file, layers, told["tokens"], WIDTH, WITHIN)
        ratios.append(told["took"] / (bound["read"] + bound["forward"]))
        shares.append(told["spent"] / bound["spent"])
    report.measure("memory at its peak", told["peak"] / 1e9, "GB", at_most(MEMORY / 1e9))
    report.measure("time", told["took"], "s")
    report.measure("one read of the file", bound["read"], "s")
    report.measure(f"products alone, {told['tokens']} tokens", bound["forward"], "s")
    report.measure("time by the sum of both", statistics.median(ratios), "×", at_most(TIME))
    report.measure("processor time by the sum of both", statistics.median(shares), "×")
    report.keep(
        "turns", [{"time": ratio, "processor": share} for ratio, share in zip(ratios, shares, strict=True)]
    )


def costs(report: Report, folder: Path, layers: int) -> None:
    """Of two folders, first without replies, then with as many tokens as `REPLY_S` lets come."""
    home = folder / "home"
    file = make(home / "models" / "large", layers)
    make(home / "models" / "other", layers, seed=4)
    report.heading(
        f"what an edit cost: 2 × {layers} layers, {file.stat().st_size / 1e9:.2f} GB as BF16, 2 threads"
    )
    for name, seconds in (("without replies", 0), ("with replies", REPLY_S)):
        told = run(COST, home, seconds)
        bound = run(BOUND, file, layers, told["tokens"], WIDTH, WITHIN)
        report.measure(f"{name}: memory at its peak", told["peak"] / 1e9, "GB", at_most(MEMORY / 1e9))
        report.measure(f"{name}: time", told["took"], "s")
        report.note(f"{name}: {told['tokens']} tokens read, {told['streamed']}")
        if not seconds:  # a token of a reply has no such bound
            report.measure(
                "processor time by that of reading and products", told["spent"] / (2 * bound["spent"]), "×"
            )


def run(program: str, *arguments: Any) -> dict[str, Any]:
    """In a process of its own, whose memory is its own."""
    wanted = {**os.environ, "OMP_NUM_THREADS": "2", "OMP_WAIT_POLICY": "passive"}
    command = [sys.executable, "-c", program, *map(str, arguments)]
    printed = subprocess.run(command, capture_output=True, text=True, check=True, env=wanted).stdout
    found: dict[str, Any] = json.loads(printed.splitlines()[-1])
    return found


def make(folder: Path, layers: int, seed: int = 3) -> Path:
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
    return weights(folder / "model.safetensors", layers, seed)


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


def weights(file: Path, layers: int, seed: int) -> Path:
    """The same few random numbers again and again: making three gigabytes of new ones takes minutes."""
    rows: dict[str, Any] = {}
    at = 0
    for name, shape in shapes(layers).items():
        size = 2 * int(np.prod(shape))
        rows[name] = {"dtype": "BF16", "shape": shape, "data_offsets": [at, at + size]}
        at += size
    head = json.dumps(rows).encode()
    random = np.random.default_rng(seed).standard_normal(PIECE // 2, np.float32) * np.float32(0.02)
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


# ── what coarser weights do ─────────────────────────────────────────────────────────────────────────


def losses(report: Report, home: Home, types: tuple[str, ...]) -> None:
    plain, full = reference(home)
    pair = contrast(SET)
    truth = directions(home, full, pair)
    middle = slice(
        *(round(share * (len(truth) - 1)) + end for share, end in zip(learn.DEPTH, (0, 1), strict=True))
    )
    report.heading(f"{SET}, {model_file().stem}: cosine with the full weights' direction, layers {middle}")
    tell(report, "the same off its grid", directions(home, plain, pair), truth, middle)
    for name in types:
        is_made = fits(full, name)
        model = made(home, full, name) if is_made else rounded(home, full, name)
        tell(
            report,
            f"{name}, {'made' if is_made else 'rounded'}",
            directions(home, model, pair),
            truth,
            middle,
        )
        if name == BOTH_WAYS:
            other = rounded(home, full, name)
            tell(report, f"{name}, rounded", directions(home, other, pair), truth, middle)
            other.path.unlink()
        model.path.unlink()
    report.heading("share of the direction that rounding puts back after an edit in place")
    for name in types:
        report_back(report, name, full, truth, middle)


def tell(report: Report, name: str, found: Floats, truth: Floats, middle: slice) -> None:
    cosines = np.einsum("ld,ld->l", found, truth)[middle]
    report.measure(f"{name}: mean", float(cosines.mean()))
    report.measure(f"{name}: least", float(cosines.min()))
    report.keep(name, [{"cosines": [round(float(one), 6) for one in cosines]}])


def reference(home: Home) -> tuple[LocalModel, LocalModel]:
    """The starter model in 32 bits as it is, and off its grid."""
    shutil.copyfile(model_file(), home.models / "starter.gguf")
    asked = Wishes(model="starter", type="F32", name="plain", measure=False, threads=1, force=True)
    quantizing.run(home, asked.arguments(), Silent())
    shutil.copyfile(home.models / "plain.gguf", home.models / f"{FULL}.gguf")
    stretch(tensors(home.models / f"{FULL}.gguf"))
    catalog = Catalog(home.models)
    return catalog.find("plain"), catalog.find(FULL)


def tensors(file: Path) -> dict[str, Floats]:
    """Of a file in 32 bits, rows first; what is written to them is written to the file."""
    header = read_header(file)
    return {
        one.name: np.memmap(file, np.float32, "r+", header.data_start + one.offset, one.shape[::-1])
        for one in header.tensors
    }


def stretch(found: dict[str, Floats]) -> None:
    """What a norm, the values or the gated products are multiplied with is taken back by their readers."""
    random = np.random.default_rng(7)

    def amounts(count: int) -> Floats:
        return (STRETCH ** random.uniform(-1, 1, count)).astype(np.float32)

    for number in itertools.count():
        layer = {
            name.split(".")[2]: rows for name, rows in found.items() if name.startswith(f"blk.{number}.")
        }
        if not layer:
            return
        for norm, readers in (
            ("attn_norm", ("attn_q", "attn_k", "attn_v")),
            ("ffn_norm", ("ffn_gate", "ffn_up")),
        ):
            by = amounts(len(layer[norm]))
            layer[norm][:] *= by
            for reader in readers:
                layer[reader][:] /= by
        by = amounts(len(layer["ffn_up"]))
        layer["ffn_up"][:] *= by[:, None]
        layer["ffn_down"][:] /= by
        values, output = layer["attn_v"], layer["attn_output"]
        by = amounts(len(values))
        values[:] *= by[:, None]
        output[:] /= shared(by, output.shape[1])


def shared(by: Floats, columns: int) -> Floats:
    """For the columns behind attention: several heads in a row read the same values."""
    heads = by.reshape(-1, HEAD)
    return np.repeat(heads, columns // len(by), axis=0).reshape(-1)


def fits(model: LocalModel, name: str) -> bool:
    block = TENSOR_TYPES[TYPE_IDS[name]].block
    return all(rows.shape[-1] % block == 0 for key, rows in tensors(model.path).items() if is_matrix(key))


def is_matrix(name: str) -> bool:
    return name.startswith("blk.") and "norm" not in name


def made(home: Home, full: LocalModel, name: str) -> LocalModel:
    quantizing.run(
        home, Wishes(model=FULL, type=name, name=name, measure=False, threads=1).arguments(), Silent()
    )
    return Catalog(home.models).find(name)


def rounded(home: Home, full: LocalModel, name: str) -> LocalModel:
    """Every matrix of every layer."""
    file = home.models / f"{name}-rounded.gguf"
    shutil.copyfile(full.path, file)
    kernels = prepared(name)
    for key, rows in tensors(file).items():
        if is_matrix(key):
            rows[:] = through(kernels, name, rows)
    return Catalog(home.models).find(file.stem)


def prepared(name: str) -> Kernels:
    kernels = Kernels()
    kernels.prepare([TYPE_IDS[name]], [TYPE_IDS[name]])
    return kernels


def through(kernels: Kernels, name: str, rows: Floats) -> Floats:
    """Packed and unpacked again; in blocks across rows where they do not divide a row."""
    type_, block = TYPE_IDS[name], TENSOR_TYPES[TYPE_IDS[name]].block
    wide = np.ascontiguousarray(rows).reshape(-1, block if rows.shape[-1] % block else rows.shape[-1])
    packed = np.empty(len(wide) * kernels.row_size(type_, wide.shape[1]), np.uint8)
    kernels.pack(type_, wide, packed)
    back = np.empty(rows.size, np.float32)
    kernels.unpack(type_, packed, back)
    return back.reshape(rows.shape)


def directions(home: Home, model: LocalModel, pair: Contrast) -> Floats:
    """[layers, width], as `learn` finds them."""
    prompts = pair.positive.learn + pair.negative.learn
    shape = (model.layers, len(prompts), model.embedding)
    into = Activations.begin(home.directions / model.name, shape, model.name)
    from_gguf.gather(model, texts(model, prompts), "last", into, Engine.of(home, 1), Silent())
    count = len(pair.positive.learn)
    found = np.asarray(into.rows(), np.float64)
    into.remove()
    apart = found[:, :count].mean(1) - found[:, count:].mean(1)
    return np.stack([maths.unit(row) for row in apart])


def report_back(report: Report, name: str, full: LocalModel, truth: Floats, middle: slice) -> None:
    """As if a file of that type were edited in place: its weights are cut, and packed in the same type."""
    kernels, weights, shares = prepared(name), GgufWeights(full), []
    for writer in weights.writers:
        if writer.layer is not None and writer.layer in range(len(truth))[middle]:
            rows = through(kernels, name, weights.read(writer, 0, writer.shape[0]))
            cut = Cut(np.asarray(truth[writer.layer], np.float64))
            after = through(kernels, name, cut_of(rows, cut))
            shares.append(back(cut.direction @ rows, cut.direction @ after))
    weights.close()
    again, whole = zip(*shares, strict=True)
    report.measure(f"{name}: put back, mean", float(np.mean(again)))
    report.measure(f"{name}: put back, most", max(again))
    report.measure(f"{name}: left in all, mean", float(np.mean(whole)))


def back(before: NDArray[np.float64], after: NDArray[np.float64]) -> tuple[float, float]:
    """Of rᵀW: how much of it is there again, and all that is there along r, new noise too."""
    return float(before @ after / (before @ before)), float(np.linalg.norm(after) / np.linalg.norm(before))


def cut_of(rows: Floats, cut: Cut) -> Floats:
    """[width, columns]"""
    after = np.empty_like(rows)

    def put(first: int, piece: Floats) -> None:
        after[first : first + len(piece)] = piece

    ablate.cut_rows(lambda first, count: rows[first : first + count], put, len(rows), rows.shape[1], cut)
    return after
