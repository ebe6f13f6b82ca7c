"""Guessing ahead: how much faster each way writes text that repeats itself, and what it costs in prose.

Each way is loaded beside the model without any, and both write the same texts in turns at temperature 0. A
way is fit for a default when prose is not slower and repetitive text is faster, each by its whole interval.
The same tokens have to come; where another one did, the gap between the two likeliest at that place is told:
up to 0.05 nats, reading several tokens at once may turn them round.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from bench.bare import Written, likeliest, loaded, starter, written
from bench.paired import ratio
from bench.report import Report, at_least, reported
from fabula.core.load import LoadOptions
from fabula.core.sampling import Sampling
from fabula.engine.llamacpp.worker import LlamaCppWorker
from fabula.engine.tune import texts

WAYS = ("ngram", "ngram_map", "ngram_mod")
NEAR = 0.05  # nats
ASSISTANT = "<|im_end|>\n<|im_start|>assistant\n"
CODE = "".join(
    f"def area_{name}(size):\n    return size * {name}_FACTOR\n\n" for name in ("ROOF", "WALL", "DOOR")
)
REPEATING = (
    texts.REPEATING,
    f"<|im_start|>user\nWrite this out again, word for word:\n{texts.LIST}{ASSISTANT}{texts.LIST[:60]}",
    f"{CODE}{CODE}def area_",
)
PROSE = (
    f"<|im_start|>user\nTell me a story of a ferry in the fog.{ASSISTANT}",
    f"<|im_start|>user\nWhy is the sky blue? Explain it to a child.{ASSISTANT}",
    texts.FREE,
)


@dataclass(slots=True)
class Side:
    """One kind of text: rates with and without, and what came of the guesses."""

    ours: list[float] = field(default_factory=list)
    theirs: list[float] = field(default_factory=list)
    guessed: int = 0
    right: int = 0
    gaps: list[float] = field(default_factory=list)  # where other tokens came

    def add(self, with_it: Written, without: Written) -> None:
        self.ours.append(with_it.rate)
        self.theirs.append(without.rate)
        self.guessed += with_it.end.guessed_tokens
        self.right += with_it.end.guessed_right


async def compare(
    one: LlamaCppWorker, other: LlamaCppWorker, prompts: Sequence[str], rounds: int, length: int
) -> Side:
    """`one` guesses, `other` does not."""
    side = Side()
    sampling = Sampling(temperature=0, max_tokens=length, ignore_eos=True)
    for prompt in prompts:
        for worker in (one, other):
            await written(worker, prompt, Sampling(temperature=0, max_tokens=1))  # reads the prompt
        for number in range(rounds):
            if number % 2:
                without, with_it = (
                    await written(other, prompt, sampling),
                    await written(one, prompt, sampling),
                )
            else:
                with_it, without = (
                    await written(one, prompt, sampling),
                    await written(other, prompt, sampling),
                )
            side.add(with_it, without)
        if with_it.ids != without.ids:
            side.gaps.append(await gap(other, prompt, with_it.ids, without.ids))
    return side


async def gap(worker: LlamaCppWorker, prompt: str, one: tuple[int, ...], other: tuple[int, ...]) -> float:
    """Nats between the two likeliest tokens at the place where two texts part."""
    same = next(place for place, (a, b) in enumerate(zip(one, other, strict=False)) if a != b)
    asked = Sampling(temperature=0, max_tokens=same + 1, ignore_eos=True, logprobs=2)
    first, second = await likeliest(worker, prompt, asked)
    return first - second


def tell(report: Report, name: str, kind: str, side: Side, *, gains: bool) -> None:
    target = at_least(1.1 if gains else 0.97)
    report.measure(f"{kind}: times as fast", ratio(side.ours, side.theirs), "", target)
    share = f"{side.right / side.guessed:.0%} of {side.guessed}" if side.guessed else "nothing"
    gaps = ", ".join(f"{value:.3f}" for value in side.gaps)
    same = f"other tokens in {len(side.gaps)} texts, gaps {gaps} nats" if side.gaps else "the same tokens"
    report.note(f"{name}, {kind}: guessed right {share}; {same}")
    if any(value > NEAR for value in side.gaps):
        report.note(f"{name}, {kind}: a gap above {NEAR} nats is more than rounding")


async def measure(report: Report, given: argparse.Namespace) -> None:
    model, rounds, length = starter(), 1 if given.quick else given.rounds, 32 if given.quick else given.length
    ways = {way: LoadOptions(speculation=way) for way in given.ways.split(",")}
    if given.draft:
        ways["draft"] = LoadOptions(draft=given.draft)
    async with loaded(model, given.threads, LoadOptions()) as plain:
        for name, options in ways.items():
            async with loaded(model, given.threads, options) as guessing:
                report.heading(name)
                repeating = await compare(guessing, plain, REPEATING, rounds, length)
                prose = await compare(guessing, plain, PROSE, rounds, length)
                tell(report, name, "repetitive text", repeating, gains=True)
                tell(report, name, "prose", prose, gains=False)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m bench speculative", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one round of short texts: to see that it works")
    parser.add_argument("--rounds", type=int, default=4, help="of each text")
    parser.add_argument("--length", type=int, default=96, help="tokens")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--ways", default=",".join(WAYS))
    parser.add_argument("--draft", default="", help="a GGUF that guesses for the starter model")
    given = parser.parse_args(arguments)
    with reported("speculative", "guessing ahead") as report:
        asyncio.run(measure(report, given))


if __name__ == "__main__":
    main()
