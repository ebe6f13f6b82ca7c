"""`fabula job kinds`, `start` and `log`: work of any kind by what its form asks. Knows no kind."""

from __future__ import annotations

import json as json_text
from typing import Annotated, Any

import typer

from fabula.cli import screen
from fabula.cli.jobs import follow
from fabula.cli.options import HomeOption, JsonOption
from fabula.cli.studio import connect
from fabula.cli.words import say
from fabula.core.errors import BadParameter
from fabula.core.texts import phrase

KindArgument = Annotated[str, typer.Argument(metavar="KIND", help=say("cli.job.kind"), show_default=False)]
KindOption = Annotated[str, typer.Argument(metavar="[KIND]", help=say("cli.job.kind"), show_default=False)]
FieldsArgument = Annotated[
    list[str],
    typer.Argument(metavar="[FIELD=VALUE]…", help=say("cli.job.arguments"), show_default=False),
]
WaitOption = Annotated[bool, typer.Option("--wait/--no-wait", help=say("cli.job.wait"))]
IdArgument = Annotated[str, typer.Argument(metavar="ID", help=say("cli.job.id"), show_default=False)]


def kinds(kind: KindOption = "", home: HomeOption = None, json: JsonOption = False) -> None:
    with connect(home) as studio:
        found = studio.get("/jobs/kinds")["kinds"]
    chosen = [row for row in found if kind in ("", row["kind"])]
    if not chosen:
        raise BadParameter("kind", kind, phrase("expected.one_of", names=", ".join(_names(found))))
    if json:
        screen.json_lines(chosen)
    elif kind:
        _fields(chosen[0])
    else:
        columns = [(say(f"cli.job.columns.{name}"), "left") for name in ("kind", "about")]
        screen.table(columns, [(row["kind"], row["title"]) for row in chosen])  # type: ignore[arg-type]


def _names(rows: list[dict[str, Any]]) -> list[str]:
    return [row["kind"] for row in rows]


def _fields(form: dict[str, Any]) -> None:
    screen.note(form["about"])
    columns = [(say(f"cli.job.columns.{name}"), "left") for name in ("field", "usual", "about")]
    rows = [
        (name, json_text.dumps(field.get("default", ""), ensure_ascii=False).strip('"'), _about(field))
        for name, field in form["schema"]["properties"].items()
    ]
    screen.table(columns, rows)  # type: ignore[arg-type]


def _about(field: dict[str, Any]) -> str:
    return ". ".join(part.rstrip(".") for part in (field["title"], field["description"]) if part)


def start(
    kind: KindArgument,
    fields: FieldsArgument = [],  # noqa: B006  # typer reads it, nobody changes it
    wait: WaitOption = True,
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    arguments = dict(_field(text) for text in fields)
    with connect(home) as studio:
        job = studio.post("/jobs", {"kind": kind, "arguments": arguments})
        if wait:
            job = follow(studio, job, json=json)
    if json and not wait:
        screen.json_lines([job])
    elif not json:
        screen.line(job["id"])


def _field(text: str) -> tuple[str, Any]:
    """A value that is JSON is taken as such, any other as text."""
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise BadParameter("FIELD=VALUE", text, phrase("expected.name_and_value"))
    try:
        return name, json_text.loads(value)
    except ValueError:
        return name, value


def log(id: IdArgument, home: HomeOption = None, json: JsonOption = False) -> None:
    with connect(home) as studio:
        found = studio.get(f"/jobs/{id}/log")
    if json:
        screen.json_lines([found])
    else:
        screen.line(found["text"].rstrip("\n"))
