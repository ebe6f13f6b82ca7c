"""A studio for benches: the product's own server, with an engine that can also be reached past it.

    python -m bench.host HOME --port N --engine llama.cpp|scripted|short|instant

llama.cpp   the real engine
instant     the real worker, connection and parser, before a server that sends tokens without computing any
scripted    a worker in the studio's own process: what the studio costs without any engine connection
short       such a worker that says one sentence, however much it was asked for

With FABULA_BENCH_PROFILE=FILE the process profiles itself with cProfile and writes the statistics there.
"""

from __future__ import annotations

import argparse
import contextlib
import cProfile
import dataclasses
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench import instant
from bench.studio import ENGINE_FILE, EngineAddress
from fabula.app import MakeWorker
from fabula.core.sampling import Sampling
from fabula.core.worker import Prompt
from fabula.engine.llamacpp.process import EngineProcess
from fabula.engine.scripted import Reply, ScriptedWorker
from fabula.server.run import serve
from fabula.store.home import Home


def tell_address(home: Home) -> None:
    """Writes down where each engine answers that is started from now on, so that a bench can ask it directly.

    Put around the product's own start, so that all else is wired as it is for everybody.
    """
    start = EngineProcess.start

    async def told(*given: Any, **named: Any) -> EngineProcess:
        engine = await start(*given, **named)
        address = EngineAddress(*engine.address, engine.key, engine.pid)
        (home.path / ENGINE_FILE).write_text(json.dumps(dataclasses.asdict(address)), encoding="utf-8")
        return engine

    EngineProcess.start = told  # type: ignore[method-assign]


def make_worker(engine: str) -> MakeWorker | None:
    """None is the product's own choice."""
    if engine == "instant":
        EngineProcess.program = Path(instant.__file__)
    if engine == "short":
        return lambda model: ScriptedWorker()
    return (lambda model: ScriptedWorker(_story)) if engine == "scripted" else None


def _story(prompt: Prompt, sampling: Sampling) -> Reply:
    """As many tokens as were asked for, at the pace of the environment."""
    count = sampling.max_tokens or instant.USUAL
    text = "".join(instant.piece(index) for index in range(count))
    return Reply(text, delay_s=instant.PACE_S)


@contextlib.contextmanager
def profiled(file: str) -> Iterator[None]:
    if not file:
        yield
        return
    profile = cProfile.Profile()
    with profile:
        yield
    profile.dump_stats(file)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("home", type=Path)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument(
        "--engine", choices=("llama.cpp", "scripted", "short", "instant"), default="llama.cpp"
    )
    given = parser.parse_args()
    home = Home(given.home)
    tell_address(home)
    with profiled(os.environ.get("FABULA_BENCH_PROFILE", "")):
        serve(home, {"port": given.port}, make_worker=make_worker(given.engine))


if __name__ == "__main__":
    main()
