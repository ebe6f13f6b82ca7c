"""What goes to the terminal: tables, pairs, JSON lines, a spinner, a progress bar. Knows no verb.

Results go to stdout; everything about the work in progress goes to stderr, and only when that is a terminal.
"""

from __future__ import annotations

import functools
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal, Protocol

import typer

from fabula.cli.words import language, say
from fabula.core.errors import FabulaError
from fabula.core.texts import as_bytes, as_duration

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import ProgressColumn, Task
    from rich.table import Table
    from rich.text import Text

Side = Literal["left", "right"]


class Advance(Protocol):
    """Told done, total (0 = not known yet), the stage's text key, and its unit where that has changed."""

    def __call__(self, done: float, total: float, stage: str, unit: str = "") -> None: ...


WIDE = 10_000  # columns: lines that go into a file or a pipe are never cut or folded

STYLES = {"ok": "green", "warn": "yellow", "bad": "red", "soft": "dim", "name": "bold", "plain": ""}


@functools.cache
def out() -> Console:
    from rich.console import Console

    width = None if sys.stdout.isatty() else WIDE
    return Console(width=width, highlight=False, markup=False, emoji=False)


@functools.cache
def err() -> Console:
    from rich.console import Console

    return Console(stderr=True, highlight=False, markup=False, emoji=False)


def line(sentence: str = "") -> None:
    typer.echo(sentence)


def note(sentence: str) -> None:
    """Something about the work, not part of the result."""
    typer.secho(sentence, err=True, dim=sys.stderr.isatty())


def json_lines(values: Iterable[Any]) -> None:
    for value in values:
        typer.echo(json.dumps(value, ensure_ascii=False))


def table(titles: Sequence[tuple[str, Side]], rows: Iterable[Sequence[str | Text]]) -> None:
    """Aligned columns without lines. The first one is the name. Where the terminal is too narrow, words are
    broken into lines, and figures only if that is not enough: nothing is cut off."""
    from rich.measure import Measurement
    from rich.table import Table

    sheet = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for number, (title, side) in enumerate(titles):
        style = STYLES["name"] if number == 0 else ""
        sheet.add_column(title, justify=side, style=style, overflow="fold", no_wrap=side == "right")
    for row in rows:
        sheet.add_row(*row)
    if Measurement.get(out(), out().options.update(max_width=WIDE), sheet).minimum > out().width:
        for column in sheet.columns:
            column.no_wrap = False
    _print(sheet)


def _print(sheet: Table) -> None:
    """Into a pipe or a file without the blanks that fill up the last column."""
    if sys.stdout.isatty():
        out().print(sheet)
        return
    with out().capture() as captured:
        out().print(sheet)
    for row in captured.get().splitlines():
        typer.echo(row.rstrip())


def pairs(rows: Iterable[tuple[str, str]]) -> None:
    """Names at the left, values at the right."""
    from rich.table import Table

    sheet = Table.grid(padding=(0, 2, 0, 0))
    sheet.add_column(style="dim", no_wrap=True)
    sheet.add_column(overflow="fold")
    for name, value in rows:
        sheet.add_row(name, value)
    _print(sheet)


@contextmanager
def spinner(sentence: str) -> Iterator[None]:
    """A sign that something is under way, on terminals only."""
    if not sys.stderr.isatty():
        yield
        return
    with err().status(sentence, spinner="dots"):
        yield


@contextmanager
def bar(unit: str = "bytes") -> Iterator[Advance]:
    """A progress bar with the stage, what is done, the rate and the time left; on terminals only."""
    if not sys.stderr.isatty():
        yield lambda done, total, stage, unit="": None
        return
    from rich.progress import BarColumn, Progress, TextColumn

    bar_column = BarColumn(None, complete_style="cyan", finished_style="cyan", pulse_style="cyan")
    columns = (TextColumn("{task.description}"), bar_column, _figures())
    with Progress(*columns, console=err(), expand=True) as progress:
        task = progress.add_task("", total=None, unit=unit)

        def advance(done: float, total: float, stage: str, unit: str = "") -> None:
            if done < progress.tasks[0].completed:  # another stage: its rate is its own
                progress.reset(task)
            told: dict[str, Any] = {"unit": unit} if unit else {}
            progress.update(
                task, completed=done, total=total or None, description=say(stage) if stage else "", **told
            )

        yield advance


def _figures() -> ProgressColumn:
    """One column of our own, so that sizes and times read as they do everywhere else."""
    from rich.progress import ProgressColumn
    from rich.table import Column
    from rich.text import Text

    class Figures(ProgressColumn):
        def render(self, task: Task) -> Text:
            left = task.time_remaining
            return Text(figures(task.fields["unit"], task.completed, task.total or 0, task.speed or 0, left))

    return Figures(Column(no_wrap=True))


def figures(unit: str, done: float, total: float, rate: float, seconds_left: float | None) -> str:
    """ "35.2 MiB of 93.8 MiB · 11.0 MiB/s · 5.3 s left"; what is not known yet is left out."""
    if unit == "seconds":  # of which nobody wants to know the rate
        return say("cli.progress.left", time=as_duration(max(total - done, 0)))
    amount = as_bytes if unit == "bytes" else "{:,.0f}".format
    parts = [say("cli.progress.of", done=amount(done), total=amount(total)) if total else amount(done)]
    if rate:
        parts.append(say("cli.progress.rate", rate=amount(rate)))
    if seconds_left and total > done:
        parts.append(say("cli.progress.left", time=as_duration(seconds_left)))
    return " · ".join(parts)


def fail(error: FabulaError) -> None:
    """An error that does not end the command."""
    typer.secho(error.sentence(language()), err=True, fg="red" if sys.stderr.isatty() else None)


def findings(rows: Iterable[tuple[str, str, str, str, str]]) -> None:
    """Rows of (level, its word, name, value, advice); the advice stands below the value."""
    from rich.table import Table
    from rich.text import Text

    sheet = Table.grid(padding=(0, 2, 0, 0))
    sheet.add_column(no_wrap=True, width=6)
    sheet.add_column(no_wrap=True, width=12, style="dim")
    sheet.add_column(overflow="fold")
    for level, word, name, value, advice in rows:
        text = (
            Text(value) + Text(f"\n{advice}", style="" if level == "ok" else STYLES[level])
            if advice
            else Text(value)
        )
        sheet.add_row(Text(word, style=STYLES[level]), name, text)
    _print(sheet)
