"""`fabula catalog …`: the list of well-known models. Knows how it is shown, and no hub."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from fabula.cli import screen, verbs
from fabula.cli.options import HomeOption, JsonOption
from fabula.cli.recommend import sentences
from fabula.cli.words import language, say
from fabula.core.texts import as_bytes

if TYPE_CHECKING:
    from fabula.models.known.checking import Finding
    from fabula.models.known.entries import Entry
    from fabula.store.home import Home

WordsArgument = Annotated[
    str, typer.Argument(metavar="[WORDS]", help=say("cli.catalog.words"), show_default=False)
]
NameArgument = Annotated[
    str, typer.Argument(metavar="NAME", help=say("cli.catalog.name"), show_default=False)
]
MaybeNameArgument = Annotated[
    str, typer.Argument(metavar="[NAME]", help=say("cli.catalog.which"), show_default=False)
]
TargetArgument = Annotated[
    str, typer.Argument(metavar="FILE.json|hf:OWNER/REPO", help=say("cli.catalog.target"), show_default=False)
]
TaskOption = Annotated[
    Literal["chat", "roleplay", "story", "code"] | None,
    typer.Option("--task", help=say("cli.catalog.task"), show_default=False),
]
LanguageOption = Annotated[
    str, typer.Option("--lang", metavar="CODE", help=say("cli.catalog.lang"), show_default=False)
]
FamilyOption = Annotated[
    str, typer.Option("--family", metavar="NAME", help=say("cli.catalog.family"), show_default=False)
]
TitleOption = Annotated[
    str, typer.Option("--name", metavar="NAME", help=say("cli.catalog.title"), show_default=False)
]
TasksOption = Annotated[
    list[str] | None,
    typer.Option("--task", metavar="TASK", help=say("cli.catalog.tasks"), show_default=False),
]
LanguagesOption = Annotated[
    list[str] | None,
    typer.Option("--lang", metavar="CODE", help=say("cli.catalog.languages"), show_default=False),
]

COLUMNS: tuple[tuple[str, screen.Side], ...] = (
    ("cli.columns.name", "left"),
    ("cli.catalog.columns.parameters", "right"),
    ("cli.catalog.columns.context", "right"),
    ("cli.catalog.columns.stage", "left"),
    ("cli.catalog.columns.tasks", "left"),
)
STYLES = {"ok": "ok", "unanswered": "warn", "closed": "warn"}


def group() -> Any:
    functions = (("list", list_), ("show", show), ("check", check), ("add", add), ("rm", rm))
    return verbs.group("catalog", functions)


def list_(
    words: WordsArgument = "",
    task: TaskOption = None,
    lang: LanguageOption = "",
    family: FamilyOption = "",
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    from fabula.models.known.telling import row_data

    found = [entry for entry in _known(home) if _fits(entry, words, task or "", lang.lower(), family.lower())]
    if json:
        screen.json_lines(row_data(entry) for entry in found)
    elif found:
        screen.table([(say(title), side) for title, side in COLUMNS], [row(entry) for entry in found])
    else:
        screen.note(say("cli.catalog.none"))


def show(name: NameArgument, home: HomeOption = None, json: JsonOption = False) -> None:
    from fabula.models.known.own import named
    from fabula.models.known.telling import entry_data

    entry = named(_known(home), name)
    if json:
        return screen.json_lines([entry_data(entry, language())])
    screen.line(entry.name)
    if entry.obstacle:
        screen.line(say(f"catalog.obstacle.{entry.obstacle}"))
    screen.pairs(facts(entry))
    screen.line()
    screen.pairs(sources(entry))
    return screen.pairs([("", ""), *says(entry)])


def check(name: MaybeNameArgument = "", home: HomeOption = None, json: JsonOption = False) -> None:
    """Leaves with 1 where something is no longer as it was seen."""
    import dataclasses

    from fabula.models.known.checking import check as look
    from fabula.models.known.own import named

    rows = [named(_known(home), name)] if name else _known(home)
    bad = asked = 0
    for finding in look(rows):
        asked += 1
        bad += finding.state not in STYLES
        if json:
            plain = dataclasses.asdict(dataclasses.replace(finding, reason=None))
            screen.json_lines([plain | {"told": told(finding)}])
        elif finding.state != "ok" or name:
            screen.findings([finding_row(finding)])
    if not json:
        screen.line(say("cli.catalog.checked", asked=asked, bad=bad))
    if bad:
        raise typer.Exit(1)


def add(
    target: TargetArgument,
    name: TitleOption = "",
    task: TasksOption = None,
    lang: LanguagesOption = None,
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    from fabula.models.known import own
    from fabula.models.known.telling import entry_data

    place = _place(home).create()
    more = {"name": name, "tasks": task, "languages": lang}
    said = {key: value for key, value in more.items() if value}
    added = own.add(place.catalog, [row | said for row in _rows(target, place)])
    if json:
        screen.json_lines(entry_data(entry, language()) for entry in added)
    else:
        for entry in added:
            screen.line(say("cli.catalog.added", name=entry.name, file=str(place.catalog)))


def rm(name: NameArgument, home: HomeOption = None) -> None:
    from fabula.models.known import own

    gone = own.remove(_place(home).catalog, name)
    screen.line(say("cli.catalog.removed", name=gone.name))


# ── words ───────────────────────────────────────────────────────────────────────────────────────────


def row(entry: Entry) -> tuple[str, ...]:
    stage = say(f"catalog.stage.{entry.stage}") if entry.stage else ""
    tasks = ", ".join(say(f"catalog.task.{task}") for task in entry.tasks)
    context = f"{entry.context:,}" if entry.context else ""
    barred = f" ({say('cli.catalog.barred')})" if entry.obstacle else ""
    return entry.name, parameters(entry), context, stage + barred, tasks


def parameters(entry: Entry) -> str:
    """ "12.2B" """
    return f"{entry.parameters / 1e9:.3g}B"


def facts(entry: Entry) -> list[tuple[str, str]]:
    context = f"{entry.context:,}" if entry.context else ""
    if entry.effective_context:
        context = say("cli.catalog.effective", context=context, effective=entry.effective_context)
    told = {
        "parameters": parameters(entry),
        "context": context,
        "family": entry.family,
        "stage": say(f"catalog.stage.{entry.stage}") if entry.stage else "",
        "base": entry.base,
        "creator": entry.creator,
        "licence": entry.licence,
        "languages": ", ".join(entry.languages),
        "tasks": ", ".join(say(f"catalog.task.{task}") for task in entry.tasks),
        "template": entry.template,
        "samplers": ", ".join(entry.samplers),
        "alignment": say(f"catalog.alignment.{entry.alignment}") if entry.alignment else "",
        "character": sentences(say(f"catalog.character.{word}") for word in entry.character),
        "weaknesses": sentences(say(f"catalog.weakness.{word}") for word in entry.weaknesses),
    }
    return [(say(f"cli.catalog.columns.{name}"), value) for name, value in told.items() if value]


def sources(entry: Entry) -> list[tuple[str, str]]:
    rows = [(say("cli.catalog.columns.sources"), say("cli.catalog.no_source"))] if not entry.sources else []
    for origin in entry.sources:
        rows.append((origin.address, origin.format))
        rows += [(f"  {file.file}", size(file.bytes)) for file in origin.files]
    return rows


def size(amount: int) -> str:
    return as_bytes(amount) if amount else ""


def says(entry: Entry) -> list[tuple[str, str]]:
    """Who makes which statements, page by page."""
    from fabula.models.known.telling import who

    by: dict[str, list[str]] = {}
    for name, page in entry.claims.items():
        by.setdefault(page, []).append(say(f"cli.catalog.columns.{name}"))
    return [
        (say("cli.catalog.says"), f"{', '.join(names)}: {who(page, language())}")
        for page, names in by.items()
    ]


def finding_row(finding: Finding) -> tuple[str, str, str, str, str]:
    level = STYLES.get(finding.state, "bad")
    return level, say(f"cli.catalog.states.{finding.state}"), finding.entry[:12], told(finding), ""


def told(finding: Finding) -> str:
    where = f"{finding.source}/{finding.file}" if finding.file else finding.source
    if finding.state in ("size", "hash"):
        where += f": {say('cli.catalog.instead', seen=finding.seen, found=finding.found)}"
    return f"{where}: {finding.reason.sentence(language())}" if finding.reason else where


# ── where it is ─────────────────────────────────────────────────────────────────────────────────────


def _place(home: Path | None) -> Home:
    from fabula.store.home import Home

    return Home.locate(home)


def _known(home: Path | None) -> tuple[Entry, ...]:
    from fabula.models.known.own import known

    return known(_place(home).catalog)


def _rows(target: str, place: Home) -> Iterable[dict[str, Any]]:
    from fabula.models.known.describing import described
    from fabula.models.known.own import rows_of

    file = Path(target).expanduser()
    if file.is_file() or target.lower().endswith(".json"):
        return rows_of(file)
    with screen.spinner(say("cli.fit.reading", target=target)):
        return [described(target, place.headers)]


def _fits(entry: Entry, words: str, task: str, lang: str, family: str) -> bool:
    from fabula.models.known.entries import plain

    about = plain(f"{entry.name} {entry.creator} {entry.base} {entry.licence} {entry.stage}")
    return (
        all(plain(word) in about for word in words.split())
        and (not task or task in entry.tasks)
        and (not lang or lang in entry.languages)
        and (not family or family == entry.family)
    )
