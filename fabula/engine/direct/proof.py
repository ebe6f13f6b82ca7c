"""Find out by computing whether a library is what `abi` says; keep the answer. Knows no model of a person's.

A tiny model is loaded with parameters that all differ, and what the library made of them is read back from
its getters, its log and the size of its memory: fields that were swapped show here. Its log-probabilities
are then compared with known ones. The answer holds for one version and content of the library.
"""

from __future__ import annotations

import ctypes
import hashlib
import json
import re
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fabula.engine.direct import tiny
from fabula.engine.direct.library import Drifted, Library
from fabula.store.files import write_atomic

IDS = (1, 17, 5, 60, 33, 2, 90, 8, 41, 77, 12, 64)
LOGPROBS = (
    *(-5.02729, -3.48892, -5.84779, -4.13014, -3.25669, -6.16458),
    *(-4.56199, -5.24936, -5.50075, -6.07179, -5.31468),
)
"""Of each of `IDS` but the first after those before it, in nats. A forward pass in numpy gives the same."""
TOLERANCE = 1e-3
ASKED = {"n_batch": 96, "n_ubatch": 64, "n_seq_max": 3, "n_threads": 1, "n_threads_batch": 2}
CONTEXT = 768
F32, F16, Q8_0 = 0, 1, 8
KV_RATIO = (0.45, 0.6)  # q8_0 against f16
DECODE = 1


def proven(library: Library, version: str, kept: Path | None) -> None:
    """Raises Drifted. What was found is kept in the file, for this version and content of the library."""
    facts = library.path.stat()
    about = {"version": version, "size": facts.st_size, "changed": facts.st_mtime_ns}
    said = _read(kept)
    if said and {name: said.get(name) for name in about} == about:
        return
    digest = hashlib.sha256(library.path.read_bytes()).hexdigest()
    if not (said.get("version") == version and said.get("sha256") == digest):
        prove(library)
    if kept:
        kept.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(kept, json.dumps(about | {"sha256": digest}).encode())


def _read(kept: Path | None) -> dict[str, Any]:
    try:
        said = json.loads(kept.read_text(encoding="utf-8")) if kept else {}
    except (OSError, ValueError):
        return {}
    return said if isinstance(said, dict) else {}


def prove(library: Library) -> None:
    """Raises Drifted."""
    with tempfile.TemporaryDirectory() as folder:
        path = tiny.write(Path(folder) / "proof.gguf")
        params = library.model_default_params()
        params.n_gpu_layers = 0
        model = library.model_load_from_file(str(path).encode(), params)
        if not model:
            raise Drifted(f"the proof's model was not loaded: {library.complaint()}")
        try:
            with_q8 = _state_size(library, model, flash=1, kv=Q8_0)
            with_f16 = _state_size(library, model, flash=0, kv=F16)
            if not KV_RATIO[0] < with_q8 / with_f16 < KV_RATIO[1]:
                raise Drifted(f"the type of the cache was not heard: {with_q8} and {with_f16} bytes")
            _compare(logprobs(library, model, IDS))
        finally:
            library.model_free(model)


def _context(library: Library, model: int, flash: int, kv: int) -> int:
    library.lines.clear()
    params = library.context_default_params()
    rows = ASKED["n_batch"]
    wanted = ASKED | {"n_ctx": CONTEXT, "kv_unified": True, "n_outputs_max": rows}
    for name, value in (wanted | {"n_outputs_max_per_seq": rows}).items():
        setattr(params, name, value)
    params.flash_attn_type, params.type_k, params.type_v = flash, kv, kv
    context: int | None = library.init_from_model(model, params)
    if not context:
        raise Drifted(f"the proof's context was not made: {library.complaint()}")
    _compare_getters(library, context, flash)
    return context


def _compare_getters(library: Library, context: int, flash: int) -> None:
    found = {name: getattr(library, name)(context) for name in ASKED}
    lengths = library.n_ctx(context), library.n_ctx_seq(context)
    word = "enabled" if flash else "disabled"
    if found != ASKED or lengths != (CONTEXT, CONTEXT):
        raise Drifted(f"asked for {ASKED} and {CONTEXT} tokens, got {found} and {lengths}")
    if not re.search(rf"flash_attn\s*= {word}", library.said()):
        raise Drifted("the switch of flash attention was not heard")


def _state_size(library: Library, model: int, flash: int, kv: int) -> int:
    context = _context(library, model, flash, kv)
    try:
        _decode(library, context, range(1, 65))
        return int(library.state_seq_get_size(context, 0))
    finally:
        library.free(context)


def logprobs(library: Library, model: int, ids: Sequence[int]) -> list[float]:
    """Of each id but the first after those before it."""
    context = _context(library, model, flash=0, kv=F32)
    try:
        rows = _decode(library, context, ids).astype(np.float64)
    finally:
        library.free(context)
    rows -= rows.max(axis=1, keepdims=True)
    rows -= np.log(np.exp(rows).sum(axis=1, keepdims=True))
    return [float(rows[place, id]) for place, id in enumerate(ids[1:])]


def _decode(library: Library, context: int, ids: Sequence[int]) -> Any:
    """Logits after every id [n, V]."""
    batch = library.batch_ext_init(context)
    place = ctypes.c_int32()
    for number, id in enumerate(ids):
        index = library.batch_ext_add_token(batch, 0, id)
        place.value = number
        library.batch_ext_set_pos(batch, index, ctypes.byref(place))
        library.batch_ext_set_output_logits(batch, index, True)
    failed = library.process(context, DECODE, batch)
    library.batch_ext_free(batch)
    if failed:
        raise Drifted(f"the proof's tokens were not read ({failed}): {library.complaint()}")
    pointer = ctypes.cast(library.get_logits(context), ctypes.POINTER(ctypes.c_float))
    return np.ctypeslib.as_array(pointer, (len(ids), tiny.VOCABULARY)).copy()


def _compare(found: Sequence[float]) -> None:
    worst = max(abs(mine - known) for mine, known in zip(found, LOGPROBS, strict=True))
    if not worst <= TOLERANCE:
        raise Drifted(f"log-probabilities differ by {worst:.2g} nats from the known ones")
