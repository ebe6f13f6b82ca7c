"""What banned texts cost: the matcher per token, a reply in which nothing matches, and a rewrite.

The matcher is timed alone, over text that shares its words with the phrases, so that matches begin all the
time and never end. Replies with 5,000 phrases and 20 regexes, none of which can occur, are written in turns
with replies without any; the text is the same. Rewrites are counted in replies where very common words are
banned: how many milliseconds one takes beside the token that it writes, and how much is read again.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import time
from collections.abc import Sequence

from bench.bare import loaded, starter, written
from bench.paired import mean, median, ratio
from bench.report import Report, at_least, at_most, exactly, reported
from fabula.core.load import NOTHING
from fabula.core.sampling import Sampling
from fabula.engine.bans.matcher import Bans
from fabula.engine.llamacpp.worker import LlamaCppWorker
from fabula.engine.tune import texts

PHRASES, REGEXES = 5000, 20
NEVER = "zqx"  # the end of every phrase that must not occur
CHARACTERS = 4  # of a token, about
PROMPT = "<|im_start|>user\nTell me a long story of the sea.<|im_end|>\n<|im_start|>assistant\n"
COMMON = tuple(f" {word}" for word in ("the", "a", "of", "and", "was", "in", "her", "his", "they", "it"))


def phrases(count: int) -> tuple[str, ...]:
    """Runs of the text's own words with an end that never comes."""
    draw, words = random.Random(1), texts.FREE.split()
    return tuple(
        f"{' '.join(draw.choice(words) for _ in range(draw.randint(1, 4)))} {number}{NEVER}"
        for number in range(count)
    )


def regexes(count: int) -> tuple[str, ...]:
    draw, words = random.Random(2), [word.strip(".,;:") for word in texts.FREE.split()]
    shapes = (r"\b{}\w* of {}%s\b", "not (just|only) {}, but {}%s", r"{}[^.]{{0,30}}{}%s", "(?:{}|{}) %s")
    shape = (shapes[number % len(shapes)] % NEVER for number in range(count))
    return tuple(one.format(draw.choice(words), draw.choice(words)) for one in shape)


def matcher(report: Report, rounds: int) -> None:
    text = texts.FREE * 20
    tokens = [text[at : at + CHARACTERS] for at in range(0, len(text), CHARACTERS)]
    report.heading(f"the matcher alone, tokens of {CHARACTERS} characters")
    for strings, patterns in ((0, 0), (10, 0), (500, 0), (PHRASES, 0), (0, REGEXES), (PHRASES, REGEXES)):
        bans = Bans.of(phrases(strings), regexes(patterns))
        times = [_per_token(bans, tokens) for _ in range(rounds)]
        name = f"{strings:,} phrases, {patterns} regexes"
        targets = [at_most(20)] if strings and patterns else []
        report.measure(name, median(times), "µs/token", *targets)
    started = time.perf_counter()
    Bans(phrases(PHRASES), regexes(REGEXES))
    report.measure("compiling them, once", exactly((time.perf_counter() - started) * 1000), "ms")
    report.measure("text held back, on average", exactly(_held(bans, tokens)), "characters")


def _per_token(bans: Bans, tokens: Sequence[str]) -> float:
    watch = bans.watch()
    started = time.thread_time()  # others on the machine do not count
    for token in tokens:
        watch.feed(token)
        _ = watch.held
    return (time.thread_time() - started) / len(tokens) * 1e6


def _held(bans: Bans, tokens: Sequence[str]) -> float:
    watch, held = bans.watch(), 0
    for token in tokens:
        watch.feed(token)
        held += len(watch) - watch.held
    return held / len(tokens)


async def without_a_match(report: Report, worker: LlamaCppWorker, rounds: int, length: int) -> None:
    plain = Sampling(temperature=0, max_tokens=length, ignore_eos=True)
    banned = Sampling(
        temperature=0,
        max_tokens=length,
        ignore_eos=True,
        banned_strings=phrases(PHRASES),
        banned_regexes=regexes(REGEXES),
    )
    await written(worker, PROMPT, banned)  # compiles, and reads the prompt
    rates: dict[bool, list[float]] = {False: [], True: []}
    own: dict[bool, list[float]] = {False: [], True: []}
    same = True
    for number in range(rounds):
        kinds = (True, False) if number % 2 else (False, True)
        found = {}
        for kind in kinds:
            before = time.thread_time()
            found[kind] = await written(worker, PROMPT, banned if kind else plain)
            own[kind].append((time.thread_time() - before) / length * 1e6)
        same = same and found[True].ids == found[False].ids
        for kind in kinds:
            rates[kind].append(found[kind].rate)
    report.heading(f"replies of {length} tokens in which nothing matches, {rounds} pairs")
    report.measure("without bans", median(rates[False]), "tokens/s")
    report.measure(f"{PHRASES:,} phrases, {REGEXES} regexes", median(rates[True]), "tokens/s")
    report.measure("ratio", ratio(rates[True], rates[False]), "", at_least(0.98))
    share = [
        (more - less) / 1e6 * rate
        for more, less, rate in zip(own[True], own[False], rates[False], strict=True)
    ]
    report.measure("processor time of the reader, without", median(own[False]), "µs/token")
    report.measure("with them", median(own[True]), "µs/token")
    report.measure("the difference, as a share of a token's time", mean(share), "", at_most(0.02))
    report.note(f"the same tokens: {'yes' if same else 'NO'}")


async def rewrites(report: Report, worker: LlamaCppWorker, rounds: int, length: int) -> None:
    asked = {"temperature": 1.0, "max_tokens": length, "ignore_eos": True}
    costs, reread, wasted = [], [], []
    count = left = unavoided = 0
    for seed in range(rounds):
        plain = await written(worker, PROMPT, Sampling.of(asked | {"seed": seed}))
        banned = await written(worker, PROMPT, Sampling.of(asked | {"seed": seed, "banned_strings": COMMON}))
        told = banned.end.bans
        assert told is not None  # some were asked for
        count += told.count
        left += sum(word in banned.text.casefold() for word in COMMON) - len(told.unavoided)
        unavoided += len(told.unavoided)
        if told.count:
            extra_s = len(banned.ids) / banned.rate - len(plain.ids) / plain.rate
            costs.append(extra_s / told.count * 1000)
            reread.append(told.reread_tokens / told.count)
            wasted.append(told.wasted_tokens / told.count)
    report.heading(f"{rounds} replies of {length} tokens without ten very common words")
    report.measure("rewrites", count, "")
    report.measure("banned texts that are left without a word", left, "", at_most(0))
    report.measure("told as not avoidable", unavoided, "")
    if costs:
        report.measure("a rewrite takes", mean(costs), "ms")
        report.measure("tokens read again for it", mean(reread), "tokens", at_most(2))
        report.measure("tokens thrown away for it", mean(wasted), "tokens")


async def measure(report: Report, given: argparse.Namespace) -> None:
    async with loaded(starter(), given.threads, NOTHING) as worker:
        await without_a_match(report, worker, 2 if given.quick else given.rounds, 32 if given.quick else 192)
        await rewrites(report, worker, 2 if given.quick else given.rounds, 48)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m bench bans", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few rounds: to see that it works")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--threads", type=int, default=2)
    given = parser.parse_args(arguments)
    with reported("bans", "what banned texts cost") as report:
        matcher(report, 3 if given.quick else 7)
        asyncio.run(measure(report, given))


if __name__ == "__main__":
    main()
