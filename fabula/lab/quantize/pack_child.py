"""The program that packs a folder for GPU engines with auto-round. Needs nothing of Fabula: it may run in any
Python that has auto-round.

    stdin    one line of JSON: folder, work, method, group, iterations, samples, length, texts, window, most,
             threads; when it closes, whoever asked is gone
    stdout   lines `FABULA {…}`: {"stage": …, "done": …, "total": …} and at the end {"made": …, "measured": …}
    stderr   what auto-round says; its bar tells how many blocks are done

What was written is measured as it was written: the packed numbers are unpacked again into the model.
"""

from __future__ import annotations

import json
import math
import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

FORMATS = {"gptq": "auto_gptq", "awq": "auto_awq"}
AWQ_ORDER = (0, 4, 1, 5, 2, 6, 3, 7)  # where each of eight columns lies in a number of 32 bits
BITS = 4
PARTS = ("qweight", "qzeros", "scales")


def main() -> None:
    asked = json.loads(sys.stdin.readline())
    threading.Thread(target=_end_with_stdin, daemon=True).start()
    os.environ |= {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
    import torch
    from transformers import AutoTokenizer

    torch.set_num_threads(asked["threads"])
    tokenizer = AutoTokenizer.from_pretrained(asked["folder"])
    windows = [(name, ids) for name, ids in _windows(asked, tokenizer)]
    work = Path(asked["work"])
    before = _rows(asked, _model(asked), windows, work / "rows", "before")
    made = _packed(asked, tokenizer, work)
    model = _model(asked)
    _unpack_into(model, made, asked["method"])
    after = _rows(asked, model, windows, None, "after")
    _tell(made=str(made), measured=_measured(windows, before, after))


def _end_with_stdin() -> None:
    sys.stdin.read()
    os._exit(1)


def _tell(**said: Any) -> None:
    sys.stdout.write(f"FABULA {json.dumps(said)}\n")
    sys.stdout.flush()


def _model(asked: dict[str, Any]) -> Any:
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(asked["folder"], dtype="auto").eval()


def _windows(asked: dict[str, Any], tokenizer: Any) -> Iterator[tuple[str, list[int]]]:
    for name, text in asked["texts"]:
        ids = tokenizer(text).input_ids
        for start in range(0, min(len(ids), asked["most"]), asked["window"]):
            if len(part := ids[start : start + asked["window"]]) >= 16:
                yield name, part


# ── packing ─────────────────────────────────────────────────────────────────────────────────────────


def _packed(asked: dict[str, Any], tokenizer: Any, work: Path) -> Path:
    """The folder that auto-round wrote."""
    import torch
    from auto_round import AutoRound

    maker = AutoRound(
        _model(asked),
        tokenizer,
        scheme="W4A16",
        group_size=asked["group"],
        iters=asked["iterations"],
        dataset=asked["samples"],
        nsamples=len(asked["samples"]),
        seqlen=asked["length"],
        batch_size=4,
        device_map="cuda" if torch.cuda.is_available() else "cpu",
        enable_torch_compile=False,  # it wants a compiler
        **({"sym": False} if asked["method"] == "awq" else {}),
    )
    maker.quantize_and_save(str(work / "made"), format=FORMATS[asked["method"]])
    return next(path.parent for path in sorted((work / "made").rglob("config.json")))


def _unpack_into(model: Any, folder: Path, method: str) -> None:
    import torch
    from safetensors import safe_open

    modules = dict(model.named_modules())
    for file in sorted(folder.glob("*.safetensors")):
        with safe_open(str(file), "pt") as opened:
            for name in opened.keys():  # noqa: SIM118  # it is no dictionary
                if not name.endswith(".qweight"):
                    continue
                stem = name.removesuffix(".qweight")
                packed, zeros, scales = (opened.get_tensor(f"{stem}.{part}") for part in PARTS)
                weight = modules[stem].weight
                with torch.no_grad():
                    weight.copy_(unpacked(packed, zeros, scales, method).T.to(weight.dtype))


def unpacked(packed: Any, zeros: Any, scales: Any, method: str) -> Any:
    """Weights [in, out] of one layer. GPTQ keeps zero points less one, and eight rows in a number; AWQ eight
    columns, in an order of its own."""
    import torch

    shifts = torch.arange(0, 32, BITS)
    points = (zeros[:, :, None] >> shifts) & 15  # [groups, out / 8, 8]
    if method == "gptq":
        values = ((packed[:, None, :] >> shifts[None, :, None]) & 15).reshape(-1, packed.shape[1])
        points = (points + 1).reshape(zeros.shape[0], -1)
    else:
        order = torch.tensor(AWQ_ORDER)
        values = ((packed[:, :, None] >> shifts) & 15)[:, :, order].reshape(packed.shape[0], -1)
        points = points[:, :, order].reshape(zeros.shape[0], -1)
    group = values.shape[0] // scales.shape[0]
    return (values - points.repeat_interleave(group, 0)) * scales.float().repeat_interleave(group, 0)


# ── measuring ───────────────────────────────────────────────────────────────────────────────────────


def _rows(asked: dict[str, Any], model: Any, windows: Any, keep: Path | None, stage: str) -> list[Any]:
    """With `keep`, each window's log-probabilities in a file; without, how far they are from those."""
    import torch

    rows = Path(asked["work"]) / "rows"
    rows.mkdir(exist_ok=True)
    found = []
    for number, (_, ids) in enumerate(windows):
        _tell(stage=stage, done=number, total=len(windows))
        with torch.no_grad():
            logs = torch.log_softmax(model(torch.tensor([ids])).logits[0].float(), -1)
        following = torch.tensor(ids[1:])
        chosen = logs[range(len(ids) - 1), following].double()
        if keep:
            torch.save(logs, keep / f"{number}")
            found.append((chosen, None, None))
            continue
        source = torch.load(rows / f"{number}", weights_only=True)
        kl = (source.exp() * (source - logs)).sum(-1).clamp(min=0).double()
        found.append((chosen, kl, source.argmax(-1) == logs.argmax(-1)))
    return found


def _measured(windows: Any, before: list[Any], after: list[Any]) -> dict[str, Any]:
    names = list(dict.fromkeys(name for name, _ in windows))
    numbers = {name: [n for n, (of, _) in enumerate(windows) if of == name] for name in names}
    parts = [{"text": name} | _summed(numbers[name], before, after) for name in names]
    return _summed(range(len(windows)), before, after) | {"texts": parts}


def _summed(numbers: Any, before: list[Any], after: list[Any]) -> dict[str, Any]:
    import torch

    kl = torch.cat([after[n][1] for n in numbers])
    return {
        "tokens": len(kl),
        "perplexity": math.exp(-torch.cat([after[n][0] for n in numbers]).mean()),
        "source_perplexity": math.exp(-torch.cat([before[n][0] for n in numbers]).mean()),
        "kl": float(kl.mean()),
        "largest_kl": float(kl.max()),
        "same_top": float(torch.cat([after[n][2] for n in numbers]).double().mean()),
    }


if __name__ == "__main__":
    main()
