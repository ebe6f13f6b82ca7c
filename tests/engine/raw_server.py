"""llama.cpp's own server as somebody else runs it: python raw_server.py MODEL. Ends with its stdin."""

from __future__ import annotations

import os
import sys

import xllamacpp

params = xllamacpp.CommonParams()
params.model.path = sys.argv[1]
params.n_ctx, params.n_parallel = 2048 * 2, 2
params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 2
params.api_keys = [os.environ["RAW_KEY"]]
params.hostnames, params.port = ["127.0.0.1"], 0
params.ui = False
server = xllamacpp.Server(params)
print(server.listening_address, flush=True)  # noqa: T201  # the handshake
sys.stdin.read()
os._exit(0)
