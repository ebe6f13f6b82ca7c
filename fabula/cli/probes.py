"""What came of the probes, as tables: of one model, or before and after. Knows no model and no rule."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from fabula.cli import screen
from fabula.cli.client import Client, error_of
from fabula.cli.reply import printable
from fabula.cli.words import language, say

Json = dict[str, Any]
SURE = 0.05  # p from which on a change is no longer put down to chance

SCORES: tuple[tuple[str, screen.Side], ...] = (
    ("cli.eval.columns.group", "left"),
    ("cli.eval.columns.count", "right"),
    ("cli.eval.columns.right", "right"),
    ("cli.eval.columns.interval", "right"),
    ("cli.eval.columns.chance", "right"),
)
PAIRS: tuple[tuple[str, screen.Side], ...] = (
    ("cli.eval.columns.group", "left"),
    ("cli.eval.columns.count", "right"),
    ("cli.eval.columns.before", "right"),
    ("cli.eval.columns.after", "right"),
    ("cli.eval.columns.worse", "right"),
    ("cli.eval.columns.better", "right"),
    ("cli.eval.columns.change", "right"),
    ("cli.eval.columns.p", "right"),
)


def show_scores(found: Json, probes: Sequence[Json], *, replies: bool) -> None:
    rows = [
        (name, f"{row['count']}", percent(row["share"]), between(row), chance(row))
        for name, row in named(found)
    ]
    screen.table([(say(title), side) for title, side in SCORES], rows)
    left_out(found)
    if replies:
        asks = {probe["probe"]: probe for probe in probes}
        for row in found["probes"]:
            screen.line()
            screen.pairs(_reply(row, asks[row["probe"]]))


def show_probes(studio: Client, measured: Json) -> None:
    """Those of what something cost, or why there are none."""
    found = measured.get("probes")
    if not found:
        return
    screen.line()
    if "error" in found:
        screen.note(say("cli.eval.not_asked", reason=error_of(found["error"]).sentence(language())))
        return
    show_compared(found, studio.get("/evals/probes")["probes"])


def show_compared(found: Json, probes: Sequence[Json]) -> None:
    rows = [
        (
            name,
            f"{row['count']}",
            f"{percent(row['before']['share'])} ({between(row['before'])})",
            f"{percent(row['after']['share'])} ({between(row['after'])})",
            f"{row['worse']}",
            f"{row['better']}",
            f"{100 * row['change']['value']:+.1f} ({bounds(row['change'])})",
            p(row["p"]),
        )
        for name, row in named(found)
    ]
    screen.table([(say(title), side) for title, side in PAIRS], rows)
    left_out(found)
    screen.line(verdict(found))
    asks = {probe["probe"]: probe["ask"] for probe in probes}
    for flip in found["flips"]:
        screen.line()
        screen.pairs(_flip(flip, asks.get(flip["probe"], flip["probe"])))


def verdict(found: Json) -> str:
    """In words: whether all probes together, or a group by itself, moved more than chance does."""
    whole = found["total"]
    counts = {"worse": whole["worse"], "better": whole["better"], "count": whole["count"]}
    if not whole["worse"] + whole["better"]:
        return say("evals.probes.verdicts.same", **counts)
    if whole["p"] >= SURE:
        return say("evals.probes.verdicts.chance", **counts)
    return say(f"evals.probes.verdicts.{'worse' if whole['change']['value'] < 0 else 'better'}", **counts)


def named(found: Json) -> Iterable[tuple[str, Json]]:
    for row in found["groups"]:
        yield say(f"evals.probes.groups.{row['group']}"), row
    for row in found["languages"] if len(found["languages"]) > 1 else ():
        yield say(f"evals.probes.languages.{row['language']}"), row
    yield say("evals.probes.total"), found["total"]


def left_out(found: Json) -> None:
    if found["left_out"]:
        screen.note(say("evals.probes.left_out", count=found["left_out"]))


def _flip(flip: Json, ask: str) -> list[tuple[str, str]]:
    heading = say(f"evals.probes.turned.{'worse' if flip['worse'] else 'better'}")
    rows = [
        (say(f"evals.probes.groups.{flip['group']}"), heading),
        (say("cli.eval.columns.probe"), printable(ask)),
        (say("cli.eval.columns.before"), printable(flip["before"])),
        (say("cli.eval.columns.after"), printable(flip["after"])),
    ]
    return rows + ([(say("cli.eval.columns.why"), why(flip["why"]))] if flip["why"] else [])


def _reply(row: Json, probe: Json) -> list[tuple[str, str]]:
    rows = [
        (say("cli.eval.columns.probe"), printable(probe["ask"])),
        (say("cli.eval.columns.reply"), printable(row["reply"])),
    ]
    for group, right in row["right"].items():
        told = say(f"evals.probes.{'right' if right else 'wrong'}")
        fault = row.get("why", {}).get(group, "")
        rows.append((say(f"evals.probes.groups.{group}"), f"{told} · {why(fault)}" if fault else told))
    return rows


def why(fault: str) -> str:
    """A broken rule in words, with the words that broke it."""
    rule, _, words = fault.partition(": ")
    sentence = say(f"evals.probes.rules.{rule}")
    return f"{sentence}: {printable(words)}" if words else sentence


def percent(share: float) -> str:
    return f"{share:.0%}"


def between(row: Json) -> str:
    return f"{100 * row['low']:.0f}–{100 * row['high']:.0f}"  # from … to


def bounds(row: Json) -> str:
    return f"{100 * row['low']:+.0f} … {100 * row['high']:+.0f}"


def chance(row: Json) -> str:
    return percent(row["chance"]) if row.get("chance") else ""


def p(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"{value:.3f}"
