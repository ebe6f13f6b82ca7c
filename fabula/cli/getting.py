"""A model that is not on the shelf: what there is for its name, what it would take, and whether to get it.

`fabula run NAME` comes here before the chat begins. Knows no chat.
"""

from __future__ import annotations

import re
import sys
from typing import Any

import typer

from fabula.cli import offers, screen
from fabula.cli.client import Client, segment
from fabula.cli.downloads import watch
from fabula.cli.mistakes import WrongUsage
from fabula.cli.pull import absolute
from fabula.cli.show import memory
from fabula.cli.words import say
from fabula.core.errors import DoesNotFit, ModelNotFound, NoDiskSpace
from fabula.core.texts import as_bytes
from fabula.models.catalog import ALIASES

_HUB = re.compile(r"^(hf|hub|ms):")
_OTHER = re.compile(r"^(https?|wheel|ollama):")


def here(studio: Client, name: str, *, yes: bool) -> str:
    """The model's name on the shelf, fetched first where the person agrees. Raises ModelNotFound."""
    if not (_HUB.match(name) or _OTHER.match(name)):
        try:
            return str(studio.get(f"/models/{segment(name)}")["name"])
        except ModelNotFound as missing:
            if name.lower() not in ALIASES:
                return fetched(studio, name, missing, yes=yes)
    if _HUB.match(name):
        return fetched(studio, name, None, yes=yes)
    agree(say("cli.run.fetch_other", source=name), yes=yes)
    return run(studio, absolute(name))


def fetched(studio: Client, name: str, missing: ModelNotFound | None, *, yes: bool) -> str:
    """What a repository or a well-known model has for this machine, after a look and a question."""
    try:
        with screen.spinner(say("cli.search.reading", source=name)):
            told = studio.get("/search/offers", of=name)
    except ModelNotFound as unknown:
        raise missing or unknown from None
    best = offers.best_of(told)
    if best is None:
        offers.show(told)
        raise nothing(told, name)
    shelf = [row["name"] for row in studio.get("/models")["models"]]
    if best["name"] in shelf:
        return str(best["name"])
    show(told, best)
    if told["needed"] > told["free"]:
        raise NoDiskSpace(told["needed"], told["free"], told["folder"])
    agree(say("cli.run.fetch_ask", name=best["name"], size=told["needed"]), yes=yes)
    return run(studio, best["source"])


def nothing(told: dict[str, Any], name: str) -> DoesNotFit | ModelNotFound:
    if not told["offers"]:
        return ModelNotFound(name, "–")
    least = min(told["offers"], key=lambda offer: offer["plan"]["total"])["plan"]
    return DoesNotFit(name, least["total"], least["available"], least["context"])


def show(told: dict[str, Any], best: dict[str, Any]) -> None:
    """Plan and size, before anything is fetched."""
    fetched, why = as_bytes(told["needed"]), told["why"] if len(told["offers"]) > 1 else ""
    if told["projector"]:
        fetched = say("cli.run.with_projector", size=told["needed"], projector=told["projector"]["size"])
    screen.pairs(
        [
            (say("cli.columns.source"), best["source"]),
            (say("cli.columns.quantization"), " · ".join(filter(None, (best["quantization"], why)))),
            (say("cli.columns.download"), say("cli.run.fetch_size", size=fetched, free=told["free"])),
            *memory(best["plan"]),
        ]
    )
    for sentence in best["plan"]["warnings"]:
        screen.note(sentence)
    if told["found"]:
        screen.note(say("cli.run.found", source=told["source"]))


def agree(question: str, *, yes: bool) -> None:
    """Asks once. Without a terminal nobody can answer, and nothing is fetched unasked."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise WrongUsage(say("cli.run.fetch_needs_yes"))
    typer.confirm(question, default=True, abort=True, err=True)


def run(studio: Client, source: str) -> str:
    job = watch(studio, studio.post("/models/pull", {"source": source, "first": True}))
    if job["state"] != "done":
        raise typer.Exit(1)
    name = str(job["result"]["name"])
    screen.note(say("cli.run.fetched", name=name))
    return name
