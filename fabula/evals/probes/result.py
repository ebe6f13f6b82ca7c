"""What came of the probes, as a job's result tells it: of one model, or of two in pairs. Knows no engine.

Every share has its interval. Two models are compared probe by probe: what turned from right to wrong and
back, and how often chance alone would turn as much.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from fabula.evals.probes.asking import Outcome
from fabula.evals.probes.bank import GROUPS, LANGUAGES, Group, Probe, by_id, chance, digest, place
from fabula.evals.statistics import Paired, change, holm, mcnemar, wilson

Json = dict[str, Any]
Outcomes = Mapping[str, Outcome]
Verdicts = Mapping[str, bool]
"""By the probe's name: whether it came out right."""


def scores(found: Outcomes, asked: Sequence[Probe]) -> Json:
    """Of one model; `probes` has every one of them, with what it wrote or chose."""
    return _head(found, asked) | {
        "total": _score(_whole(found)),
        "groups": [_named(group, found) | _score(_in_group(found, group)) for group in _groups(found)],
        "languages": [
            {"language": language} | _score(_in_language(found, language)) for language in _languages(found)
        ],
        "probes": [_told(found[name]) for name in sorted(found, key=place)],
    }


def compared(before: Outcomes, after: Outcomes, asked: Sequence[Probe]) -> Json:
    """Of two models, over what both were asked. The p of groups and of languages count how many there are
    (Holm); that of all probes together stands alone. `flips` are the probes that changed, those that turned
    wrong first."""
    first = {name: outcome for name, outcome in before.items() if name in after}
    second = {name: after[name] for name in first}
    flips = [flip for name in sorted(first, key=place) for flip in _flips(first[name], second[name])]
    groups = [
        _named(group, first) | _pair(_in_group(first, group), _in_group(second, group))
        for group in _groups(first)
    ]
    languages = [
        {"language": language} | _pair(_in_language(first, language), _in_language(second, language))
        for language in _languages(first)
    ]
    return _head(first, asked) | {
        "total": _pair(_whole(first), _whole(second)),
        "groups": _adjusted(groups),
        "languages": _adjusted(languages),
        "flips": sorted(flips, key=lambda flip: not flip["worse"]),
    }


def _head(found: Outcomes, asked: Sequence[Probe]) -> Json:
    return {"bank": digest(), "asked": len(asked), "left_out": len(asked) - len(found)}


# ── which came out right ────────────────────────────────────────────────────────────────────────────


def _whole(found: Outcomes) -> dict[str, bool]:
    """A reply that is judged in two groups counts once, and only where it is right in both."""
    return {name: outcome.is_right for name, outcome in found.items()}


def _in_group(found: Outcomes, group: Group) -> dict[str, bool]:
    return {name: outcome.right[group] for name, outcome in found.items() if group in outcome.right}


def _in_language(found: Outcomes, language: str) -> dict[str, bool]:
    return {name: right for name, right in _whole(found).items() if by_id()[name].language == language}


def _groups(found: Outcomes) -> list[Group]:
    there = {group for outcome in found.values() for group in outcome.right}
    return [group for group in GROUPS if group in there]


def _languages(found: Outcomes) -> list[str]:
    there = {by_id()[name].language for name in found}
    return [language for language in LANGUAGES if language in there]


def _named(group: Group, found: Outcomes) -> Json:
    """With the share that guessing would get, where something is chosen."""
    guessed = chance(group, [by_id()[name] for name in found])
    return {"group": group, "chance": None if guessed is None else round(guessed, 4)}


# ── figures ─────────────────────────────────────────────────────────────────────────────────────────


def _score(verdicts: Verdicts) -> Json:
    return {"count": len(verdicts)} | _share(sum(verdicts.values()), len(verdicts))


def _share(right: int, count: int) -> Json:
    bounds = wilson(right, count)
    share = right / count if count else 0.0
    told = {"share": share, "low": bounds.low, "high": bounds.high}
    return {"right": right} | {name: round(value, 4) for name, value in told.items()}


def _pair(before: Verdicts, after: Verdicts) -> Json:
    pair = paired(before, after)
    bounds, difference = change(pair), pair.after - pair.before
    told = {"value": difference / max(pair.count, 1), "low": bounds.low, "high": bounds.high}
    return {
        "count": pair.count,
        "before": _share(pair.before, pair.count),
        "after": _share(pair.after, pair.count),
        "worse": pair.worse,
        "better": pair.better,
        "change": {name: round(value, 4) for name, value in told.items()},
        "p": round(mcnemar(pair.worse, pair.better), 6),
    }


def paired(before: Verdicts, after: Verdicts) -> Paired:
    """The same probes in both."""
    rows = [(before[name], after[name]) for name in before]
    return Paired(*(rows.count(row) for row in ((True, True), (True, False), (False, True), (False, False))))


def _adjusted(rows: list[Json]) -> list[Json]:
    found = holm([row["p"] for row in rows])
    return [row | {"p": round(p, 6)} for row, p in zip(rows, found, strict=True)]


# ── replies ─────────────────────────────────────────────────────────────────────────────────────────


def _told(outcome: Outcome) -> Json:
    told: Json = {"probe": outcome.probe, "right": dict(outcome.right), "reply": outcome.reply}
    return told | ({"why": dict(outcome.why)} if outcome.why else {})


def _flips(before: Outcome, after: Outcome) -> Iterator[Json]:
    """One for each group in which it changed."""
    for group, was in before.right.items():
        if was == after.right[group]:
            continue
        fault = (before if after.right[group] else after).why.get(group, "")
        yield {
            "probe": before.probe,
            "group": group,
            "worse": was,
            "before": before.reply,
            "after": after.reply,
            "why": fault,
        }
