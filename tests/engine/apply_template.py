"""A program that renders chat templates with the engine's own server: JSON on stdin, JSON on stdout.

Asked: {model, templates: {name: source}, requests: [body of /apply-template]}. Answered, on a line of its
own after ANSWER: {name: [prompt, or null where the engine refuses]}; null for a template that it cannot read.
"""

from __future__ import annotations

import json
import os
import sys
import urllib.error
import urllib.request
from typing import Any

ANSWER = "TEMPLATES "


def main() -> None:
    import xllamacpp

    asked = json.loads(sys.stdin.read())
    found = {name: _rendered(xllamacpp, asked, source) for name, source in asked["templates"].items()}
    sys.stdout.write(f"\n{ANSWER}{json.dumps(found)}\n")
    sys.stdout.flush()
    os._exit(0)


def _rendered(xllamacpp: Any, asked: dict[str, Any], source: str) -> list[str | None] | None:
    params = xllamacpp.CommonParams()
    params.model.path, params.chat_template = asked["model"], source
    params.n_ctx, params.n_parallel, params.warmup = 256, 1, False
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    params.hostnames, params.port, params.ui, params.fit_params = ["127.0.0.1"], 0, False, False
    try:
        server = xllamacpp.Server(params)
    except RuntimeError:
        return None
    return [_ask(server.listening_address, body) for body in asked["requests"]]


def _ask(address: str, body: dict[str, Any]) -> str | None:
    request = urllib.request.Request(f"{address}/apply-template", json.dumps(body).encode())
    try:
        with urllib.request.urlopen(request) as answer:
            return str(json.loads(answer.read())["prompt"])
    except urllib.error.HTTPError as refused:
        refused.close()
        return None


if __name__ == "__main__":
    main()
