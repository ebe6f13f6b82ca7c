"""What a saved slot state depends on, and how many checkpoints a slot keeps. Knows no request."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from fabula.core.model import LocalModel
from fabula.core.plan import Plan
from fabula.models.formats.identify import parts_of

SAMPLES = 16
SAMPLE_BYTES = 65_536
OPTIONS = ("kv_type_v", "flash_attention", "rope_scaling", "rope_base", "rope_scale", "rope_original")
FORMAT = 1  # raised when states of an older Fabula must not be used any more

MOST_CHECKPOINTS = 32
FEWEST_CHECKPOINTS = 4
SMALLEST_STEP = 64  # tokens
WINDOW = 1536  # tokens that a checkpoint of a sliding-window model holds, for most of them
HEAD = 64  # values of state per value of embedding in recurrent models
STATE_BYTES = 4


def fingerprint(model: LocalModel, plan: Plan, engine: str) -> str:
    """Equal for workers that understand each other's slot states: same weights, cache and engine."""
    about = {
        "format": FORMAT,
        "engine": engine,
        "model": weights(model.path),
        "context": plan.context,
        "kv_type": plan.kv_type,
        "options": [getattr(plan.options, name) for name in OPTIONS],
    }
    return hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()


def weights(path: Path) -> str:
    """Size, time of change and samples of each file of the model: hashing all of it would take longer than
    loading."""
    digest = hashlib.sha256()
    for part in parts_of(path):
        facts = part.stat()
        digest.update(f"{facts.st_size} {facts.st_mtime_ns}".encode())
        with part.open("rb") as file:
            for sample in range(SAMPLES):
                file.seek(facts.st_size * sample // SAMPLES)
                digest.update(file.read(SAMPLE_BYTES))
    return digest.hexdigest()


def checkpoints(model: LocalModel, plan: Plan) -> dict[str, int]:
    """How many checkpoints a slot keeps, and how far apart, so that they reach over the whole context.

    They lie in the machine's memory, in the part that the plan gives to evicted prompts.
    """
    window = model.layers * model.kv_heads * (model.key_length + model.value_length) * 2 * WINDOW
    state = model.layers * model.embedding * (HEAD + 2) * STATE_BYTES
    largest = max(window, state, 1)
    fitting = plan.prompt_cache // (plan.slots * largest)
    count = max(FEWEST_CHECKPOINTS, min(MOST_CHECKPOINTS, fitting))
    return {"checkpoints": count, "checkpoint_step": max(SMALLEST_STEP, plan.context // count)}
