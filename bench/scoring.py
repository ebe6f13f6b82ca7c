"""What exact work costs: many continuations of one prefix, scoring against reading, banned texts.

The model is the starter, in reference precision (cache of 32-bit numbers, no flash attention). Continuations
together and one by one are measured in turns; one by one is what a server without such a call has to do: read
prefix and continuation anew each time.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from collections.abc import Awaitable
from pathlib import Path

from bench.paired import mean, ratio
from bench.report import Report, at_least, reported
from bench.studio import model_file
from fabula.core.load import LoadOptions
from fabula.core.model import LocalModel
from fabula.core.plan import Plan
from fabula.core.sampling import Sampling
from fabula.core.stream import Finished
from fabula.core.worker import Prompt
from fabula.engine.beside import REFERENCE
from fabula.engine.direct.worker import DirectWorker

PREFIX, CONTINUATIONS = 300, 64
TEXT = "The keeper climbed the stairs of the lighthouse again and counted the ships that passed the cape. "
ENDINGS = (
    " It was a quiet night.",
    " Nobody came.",
    " The lamp went out at once.",
    " He had counted eleven ships.",
)
STORY = "<|im_start|>user\nWrite a long story about a storm.<|im_end|>\n<|im_start|>assistant\n"
THREADS = 2
READ = 512  # tokens


async def seconds(work: Awaitable[object]) -> float:
    began = time.perf_counter()
    await work
    return time.perf_counter() - began


async def measure(report: Report, worker: DirectWorker, rounds: int, alone: int) -> None:
    """`alone`: how many of the continuations are scored one by one; the rest takes as long each."""
    ids = await worker.tokenize(Prompt((TEXT * 40,)))
    prefix = tuple(ids[:PREFIX])
    endings = [
        Prompt((tuple(await worker.tokenize(Prompt((ENDINGS[n % 4],), add_special=False))),))
        for n in range(CONTINUATIONS)
    ]
    together, singly, read, scored = [], [], [], []
    for turn in range(rounds):
        # Another first token each time, so that nothing of an earlier round is reused.
        head = (1000 + turn, *prefix[1:])
        together.append(await seconds(worker.choices(Prompt((head,)), endings)))
        one_by_one = 0.0
        for number in range(alone):
            other = (2000 + 100 * turn + number, *prefix[1:])
            one_by_one += await seconds(worker.choices(Prompt((other,)), endings[number : number + 1]))
        singly.append(one_by_one / alone * CONTINUATIONS)
        read.append(await seconds(_read(worker, (3000 + turn, *ids[1:READ]))))
        scored.append(await seconds(worker.score(Prompt(((4000 + turn, *ids[1:READ]),)))))
    report.heading(f"{CONTINUATIONS} continuations of a prefix of {PREFIX} tokens")
    report.measure("together", mean(together), "s")
    report.measure(f"one by one (of {alone} scored so)", mean(singly), "s")
    report.measure("times faster together", ratio(singly, together), "×", at_least(20))
    report.heading(f"A text of {READ} tokens")
    report.measure("read, the last logits only", mean([READ / taken for taken in read]), "tokens/s")
    report.measure("scored, every token", mean([READ / taken for taken in scored]), "tokens/s")
    report.measure("scoring takes, against reading", ratio(scored, read), "×")


async def _read(worker: DirectWorker, ids: tuple[int, ...]) -> None:
    async for delta in worker.stream(Prompt((ids,)), Sampling(max_tokens=1, temperature=0)):
        assert not isinstance(delta, Finished) or delta.reused_tokens == 0


async def measure_bans(report: Report, worker: DirectWorker, rounds: int, tokens: int) -> None:
    """The same reply with and without 5,000 phrases of which none occurs, and one with many that do."""
    none = tuple(f"zq{n} phrase that is never written" for n in range(5000))
    plain = Sampling(temperature=0, max_tokens=tokens, ignore_eos=True)
    often = (" the", " and", " of", " was", " his", " in")
    rates: dict[str, list[float]] = {"plain": [], "with": [], "often": []}
    for _ in range(rounds):
        for name, banned in (("plain", ()), ("with", none), ("often", often)):
            sampling = Sampling(**plain.changed() | {"banned_strings": banned})
            async for delta in worker.stream(Prompt((STORY,)), sampling):
                if isinstance(delta, Finished):
                    end = delta
            rates[name].append(end.tokens_per_second)
    assert end.bans
    report.heading(f"Banned texts, replies of {tokens} tokens")
    report.measure("no bans", mean(rates["plain"]), "tokens/s")
    report.measure("5,000 phrases that never occur", mean(rates["with"]), "tokens/s")
    report.measure("share of the speed that is left", ratio(rates["with"], rates["plain"]), "×")
    taken = ratio(rates["often"], rates["plain"])
    report.measure("words that occur often: share that is left", taken, "×")
    wasted = end.bans.wasted_tokens
    report.note(
        f"with them {end.bans.count} rewrites took {wasted} tokens back; {tokens / (tokens + wasted):.2f}"
    )
    report.note("of the speed would be left if going back cost nothing but these tokens")


async def run(report: Report, *, quick: bool) -> None:
    file = model_file()
    model = LocalModel(name="starter", path=file, size=file.stat().st_size)
    plan = Plan(
        model=model.name,
        tier="rough",
        verdict="fits",
        devices=(),
        context=2048,
        slots=1,
        gpu_layers=0,
        threads=THREADS,
        kv_type="f32",
        options=LoadOptions().over(REFERENCE),
    )
    with tempfile.TemporaryDirectory() as folder:
        worker = DirectWorker(Path(folder) / "logs", Path(folder) / "direct.json")
        await worker.load(model, plan)
        try:
            await worker.score(Prompt((TEXT,)))  # the first use reads the weights from the disk
            await measure(report, worker, rounds=2 if quick else 5, alone=2 if quick else 8)
            await measure_bans(report, worker, rounds=2 if quick else 5, tokens=24 if quick else 96)
        finally:
            await worker.close()


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m bench scoring", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few rounds: to see that it works")
    given = parser.parse_args(arguments)
    with reported("scoring", "exact log-probabilities, and replies written exactly") as report:
        asyncio.run(run(report, quick=given.quick))


if __name__ == "__main__":
    main()
