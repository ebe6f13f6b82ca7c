"""`fabula doctor`. Knows how findings are shown; the checks themselves are in `checks`."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Annotated

import typer

from fabula.cli import checks, screen
from fabula.cli.checks import Finding
from fabula.cli.options import HomeOption, JsonOption
from fabula.cli.studio import connect
from fabula.cli.words import say
from fabula.store.home import Home

ReportOption = Annotated[bool, typer.Option("--report", help=say("cli.doctor.report"))]


def doctor(report: ReportOption = False, home: HomeOption = None, json: JsonOption = False) -> None:
    if report:
        with connect(home) as studio:
            screen.line(studio.get("/system/report")["text"])
        return
    found = []
    for check in checks.CHECKS:
        with screen.spinner(say(f"cli.doctor.{check.__name__}")):
            findings = list(check(Home.locate(home)))
        show(findings, json=json)
        found += findings
    if any(finding.level == "bad" for finding in found):
        raise typer.Exit(1)


def show(findings: Iterable[Finding], *, json: bool) -> None:
    """Each group as it is ready: loading a model takes seconds."""
    if json:
        screen.json_lines(dataclasses.asdict(finding) for finding in findings)
        return
    screen.findings(
        (
            finding.level,
            say(f"cli.doctor.levels.{finding.level}"),
            title(finding),
            finding.value,
            finding.advice,
        )
        for finding in findings
    )


def title(finding: Finding) -> str:
    return say(f"cli.doctor.{finding.check}")
