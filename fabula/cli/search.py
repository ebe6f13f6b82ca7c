"""`fabula search TEXT`: repositories of a hub, or the files of one. Knows how findings look, not the hub."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fabula.cli import screen
from fabula.cli.list import count
from fabula.cli.mistakes import WrongUsage
from fabula.cli.options import HomeOption, JsonOption
from fabula.cli.words import language, say

if TYPE_CHECKING:
    from rich.text import Text

    from fabula.models.fit.asking import Answers
    from fabula.models.sources.offers import Hit

TextArgument = Annotated[
    list[str], typer.Argument(metavar="TEXT", help=say("cli.search.text"), show_default=False)
]
AuthorOption = Annotated[str, typer.Option("--author", metavar="NAME", help=say("cli.search.author"))]
FormatOption = Annotated[str, typer.Option("--format", metavar="FORMAT", help=say("cli.search.format"))]
FitsOption = Annotated[bool, typer.Option("--fits", help=say("cli.search.fits"))]
HubOption = Annotated[str, typer.Option("--hub", metavar="HUB", help=say("cli.search.hub"))]
LimitOption = Annotated[
    int, typer.Option("--limit", metavar="COUNT", help=say("cli.search.limit"), min=1, max=100)
]

FORMATS = {"gguf": "gguf", "safetensors": "safetensors", "any": ""}
HUBS = ("hf", "ms")
_REPOSITORY = re.compile(r"^((hf|hub|ms):)?[A-Za-z0-9][\w.-]*/[\w.-]+(@[\w./-]+)?(:[^:]+)?$")


def search(
    text: TextArgument,
    author: AuthorOption = "",
    format: FormatOption = "gguf",
    fits: FitsOption = False,
    hub: HubOption = "hf",
    limit: LimitOption = 20,
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    from fabula.cli.fit import asked

    wanted = " ".join(text).strip()
    if format not in FORMATS:
        raise WrongUsage(say("expected.one_of", names=", ".join(FORMATS)))
    if hub not in HUBS:
        raise WrongUsage(say("expected.one_of", names=", ".join(HUBS)))
    if _REPOSITORY.match(wanted):
        source = wanted if ":" in wanted.partition("/")[0] else f"{hub}:{wanted}"
        return files(source, asked(home), json=json)
    return repositories(wanted, author, FORMATS[format], hub, limit, asked(home), fits=fits, json=json)


def files(source: str, answers: Answers, *, json: bool) -> None:
    """What one repository offers."""
    from fabula.cli.offers import show
    from fabula.models.sources import parse
    from fabula.models.sources.offers import offers
    from fabula.models.sources.telling import offers_data

    with screen.spinner(say("cli.search.reading", source=source)):
        told = offers_data(offers(parse(source), answers), language())
    if json:
        screen.json_lines([told])
    else:
        show(told)


def repositories(
    text: str, author: str, format: Any, hub: str, limit: int, answers: Answers, *, fits: bool, json: bool
) -> None:
    from fabula.models.sources.hubs import Query
    from fabula.models.sources.offers import find
    from fabula.models.sources.telling import hit_data

    with screen.spinner(say("cli.search.asking", text=text)):
        query = Query(text=text, author=author, format=format, limit=limit)
        hits = find(query, hub, answers, fits=fits)
    if json:
        screen.json_lines(hit_data(each, language()) for each in hits)
    elif hits:
        titles = [("repository", "left"), ("parameters", "right"), ("downloads", "right")]
        titles += [("verdict", "left"), ("licence", "left")]
        screen.table(
            [(say(f"cli.columns.{title}"), side) for title, side in titles],  # type: ignore[misc]
            [row(each) for each in hits],
        )
        screen.line()
        screen.note(say("cli.search.how", source=hits[0].found.source))
    else:
        screen.note(say("cli.search.none", text=text))


def row(each: Hit) -> tuple[str | Text, ...]:
    from rich.text import Text

    from fabula.cli.offers import VERDICTS

    found, said = each.found, Text("")
    if each.plan:
        verdict = each.plan.verdict
        said = Text(say(f"cli.offers.verdict.{verdict}"), style=screen.STYLES[VERDICTS[verdict]])
    return (
        found.source,
        count(found.parameters),
        f"{found.downloads:,}" if found.downloads else "",
        said,
        found.licence + (f" · {say('cli.search.gated')}" if found.gated else ""),
    )
