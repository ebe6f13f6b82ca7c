"""A plan as the child program's settings, and as the arguments of a llama-server. Pure.

Knows no process; the program inside the child is `child`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fabula.core.load import LoadOptions
from fabula.core.model import LocalModel
from fabula.core.plan import Plan
from fabula.engine.builds.builds import Build
from fabula.models.fit.asking import Answer


def engine_name(build: Build, version: str) -> str:
    """As people know it."""
    if build.program:
        return f"llama.cpp ({build.program} {version})".replace(" )", ")")
    return f"llama.cpp (xllamacpp {version}{', ' if build.name else ''}{build.name})"


FEWEST = 32  # tokens of a batch
LONGEST_TEXT = 2048  # tokens; a larger batch takes more memory than the plan knows of
EXPERTS = r"ffn_(up|down|gate|gate_up)_(ch|)exps"
"""How llama.cpp names the tensors of experts."""


def config(
    model: LocalModel,
    plan: Plan,
    slots_folder: str,
    checkpoints: dict[str, int],
    adapters: Sequence[Path] = (),
    draft: Path | None = None,
) -> dict[str, Any]:
    """The child's settings, but for the key."""
    options = plan.options
    return {
        "model": str(model.path),
        "context": plan.context,
        "slots": plan.slots,
        "threads": plan.threads,
        "gpu_layers": plan.gpu_layers,
        "kv_type": plan.kv_type,
        "kv_type_v": options.kv_type_v or plan.kv_type,
        # The engine's memory of prompts does not know with which scales of adapters they were read.
        "prompt_cache_mib": 0 if adapters else plan.prompt_cache >> 20,
        "adapters": [str(path) for path in adapters],
        "slots_folder": slots_folder,
        **checkpoints,
        "batch": options.batch or _batch(model, plan),
        "pooling": pooling(model, options),
        "projector": model.projector,
        "flash_attention": options.flash_attention or "auto",
        "split_mode": options.split_mode or "layer",
        "tensor_split": list(options.tensor_split or ()),
        "main_gpu": options.main_gpu or 0,
        "kv_offload": options.kv_offload is not False,
        "overrides": overrides(options),
        "rope_scaling": options.rope_scaling or "",
        "rope_base": options.rope_base or 0.0,
        "rope_scale": options.rope_scale or 0.0,
        "rope_original": options.rope_original or 0,
        "load_mode": load_mode(options),
        "speculation": options.speculation or "none",
        "draft": str(draft or ""),
    }


def pooling(model: LocalModel, options: LoadOptions) -> str:
    """How the model makes embeddings; "" = it makes none."""
    return options.pooling or model.pooling


def whole_texts(model: LocalModel, options: LoadOptions) -> LoadOptions:
    """The options for a model that makes embeddings: how, a batch that holds a whole text, and, where it does
    nothing else, no more context than it has positions."""
    how = pooling(model, options)
    if not how:
        return options
    context = options.context
    if context and model.pooling and model.trained_context:
        context = min(context, model.trained_context)
    batch = options.batch or min(context or LONGEST_TEXT, LONGEST_TEXT)
    return dataclasses.replace(options, context=context, batch=max(batch, FEWEST), pooling=how)


def _batch(model: LocalModel, plan: Plan) -> int:
    """A text whose embedding is wanted has to fit into one batch. 0 = the engine's own."""
    return min(plan.context, LONGEST_TEXT) if pooling(model, plan.options) else 0


def overrides(options: LoadOptions) -> str:
    """Keeps the experts of the first layers, or of all, in the machine's memory."""
    layers = options.moe_cpu or 0
    if layers < 0:
        return f"{EXPERTS}=CPU"
    return ",".join(rf"blk\.{layer}\.{EXPERTS}=CPU" for layer in range(layers))


def load_mode(options: LoadOptions) -> str:
    if options.mmap is None and options.mlock is None:
        return "AUTO"
    mapped, locked = options.mmap is not False, options.mlock is True
    return {(True, True): "MMAP_MLOCK", (True, False): "MMAP", (False, True): "MLOCK"}.get(
        (mapped, locked), "NONE"
    )


def arguments(config: dict[str, Any]) -> list[str]:
    """A llama-server's command line. The key is none of it: other users of the machine can read it."""
    pairs = {
        "--model": config["model"],
        "--ctx-size": config["context"] * config["slots"],
        "--parallel": config["slots"],
        "--threads": config["threads"],
        "--threads-batch": config["threads"],
        "--n-gpu-layers": config["gpu_layers"],
        "--cache-type-k": config["kv_type"],
        "--cache-type-v": config["kv_type_v"],
        "--cache-ram": config["prompt_cache_mib"],
        "--ctx-checkpoints": config["checkpoints"],
        "--flash-attn": config["flash_attention"],
        "--split-mode": config["split_mode"],
        "--main-gpu": config["main_gpu"],
        "--slot-save-path": config["slots_folder"],
        "--ubatch-size": config["batch"] or "",
        "--batch-size": config["batch"] or "",
        "--tensor-split": ",".join(f"{share:g}" for share in config["tensor_split"]),
        "--override-tensor": config["overrides"],
        "--rope-scaling": config["rope_scaling"],
        "--rope-freq-base": config["rope_base"] or "",
        "--rope-freq-scale": 1 / config["rope_scale"] if config["rope_scale"] else "",
        "--yarn-orig-ctx": config["rope_original"] or "",
    }
    told = [f"{part}" for name, value in pairs.items() if value != "" for part in (name, value)]
    return [*told, *FLAGS, *_switches(config), *_adapters(config)]


def shown_arguments(model: LocalModel, plan: Plan) -> list[str]:
    """What a person would tell a llama-server to load the model like this."""
    settings = config(model, plan, "", {"checkpoints": 0, "checkpoint_step": 0})
    told = arguments(settings)
    at = told.index("--ctx-checkpoints")  # the server's own number of them is not the plan's matter
    return [*told[:at], *told[at + 2 :]]


def answered_arguments(answer: Answer) -> list[str]:
    """The same for an answer of the planner; nothing where no file is known or nothing fits."""
    plan = answer.plan
    return [] if plan.verdict == "no" or plan.tier == "rough" else shown_arguments(answer.model, plan)


FLAGS = ("--no-webui", "--slots", "--jinja")
NGRAMS = {
    "ngram": (
        *("--spec-type", "ngram-simple"),
        *("--spec-ngram-simple-size-n", "4", "--spec-ngram-simple-size-m", "16"),
    ),
    "ngram_map": ("--spec-type", "ngram-map-k"),
    "ngram_mod": ("--spec-type", "ngram-mod"),
}


def _adapters(config: dict[str, Any]) -> list[str]:
    loaded = [part for path in config["adapters"] for part in ("--lora", path)]
    return [*loaded, "--lora-init-without-apply"] if loaded else []


def _switches(config: dict[str, Any]) -> list[str]:
    """The load mode is only told when it was wished: older servers have other words for it."""
    mode = config["load_mode"].lower().replace("_", "+")
    return [
        *NGRAMS.get(config["speculation"], ()),
        *(["--model-draft", config["draft"]] if config["draft"] else []),
        *_pooled(config["pooling"]),
        *(["--mmproj", config["projector"]] if config["projector"] else []),
        *(["--no-kv-offload"] if not config["kv_offload"] else []),
        *(["--load-mode", mode] if mode != "auto" else []),
    ]


def _pooled(how: str) -> list[str]:
    if how == "rank":
        return ["--reranking"]
    return ["--embeddings", "--pooling", how] if how else []
