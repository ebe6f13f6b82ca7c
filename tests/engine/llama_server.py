"""A stand-in for llama-server: its command line and environment, before the engine's own server.

Understands the arguments that `fabula.engine.llamacpp.loading` gives; refuses others as the real one does.
"""

from __future__ import annotations

import argparse
import os
import sys
import threading

parser = argparse.ArgumentParser()
parser.add_argument("--version", action="store_true")
for name in ("no-webui", "slots", "jinja", "no-kv-offload"):
    parser.add_argument(f"--{name}", action="store_true")
for name in ("ctx-size", "parallel", "threads", "threads-batch", "n-gpu-layers", "cache-ram"):
    parser.add_argument(f"--{name}", type=int)
for name in ("main-gpu", "ubatch-size", "batch-size", "yarn-orig-ctx", "port", "ctx-checkpoints"):
    parser.add_argument(f"--{name}", type=int)
for name in ("model", "cache-type-k", "cache-type-v", "flash-attn", "split-mode", "slot-save-path", "host"):
    parser.add_argument(f"--{name}")
for name in ("tensor-split", "override-tensor", "rope-scaling", "load-mode"):
    parser.add_argument(f"--{name}")
for name in ("rope-freq-base", "rope-freq-scale"):
    parser.add_argument(f"--{name}", type=float)
given = parser.parse_args()
if given.version:
    sys.stderr.write("version: 1 (stand-in)\n")
    sys.exit()

import xllamacpp  # noqa: E402  # --version must answer without it

params = xllamacpp.CommonParams()
params.model.path = given.model
params.n_ctx, params.n_parallel = given.ctx_size, given.parallel
params.cpuparams.n_threads = params.cpuparams_batch.n_threads = given.threads
params.cache_type_k = xllamacpp.ggml_type[f"GGML_TYPE_{given.cache_type_k.upper()}"]
params.cache_type_v = xllamacpp.ggml_type[f"GGML_TYPE_{given.cache_type_v.upper()}"]
params.cache_ram_mib = given.cache_ram
params.api_keys = [os.environ["LLAMA_API_KEY"]]
params.hostnames, params.port = [given.host], given.port
params.ui, params.endpoint_slots = not given.no_webui, given.slots
params.verbosity = 4
try:
    server = xllamacpp.Server(params)
except RuntimeError:  # a llama-server says no more than its log does
    sys.exit(1)
threading.Event().wait()
