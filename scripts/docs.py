"""Fill the generated parts of docs/: the help pages in cli.md, the settings in settings.md, planned tables.

A generated part stands between `<!-- NAME -->` and `<!-- end -->`. `make format` runs this, a test checks it.
"""

from __future__ import annotations

import contextlib
import functools
import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path

from fabula.core import texts
from fabula.models.community import quantizations, sayings, table
from fabula.store.settings import SETTINGS, Setting

DOCS = Path(__file__).parent.parent / "docs"
PLANNED = {
    "community table": table.page,
    "community lore": table.lore_page,
    "community sayings": sayings.page,
    "quantizations": quantizations.page,
}
"""Tables that the planner makes."""
PRINT = "--print-help"
PART = re.compile(r"<!-- (?P<name>[^>]+?) -->\n.*?<!-- end -->", re.DOTALL)


def fill(page: str) -> str:
    """The page with its generated parts made anew."""
    return PART.sub(lambda match: f"<!-- {match['name']} -->\n{part(match['name'])}\n<!-- end -->", page)


def part(name: str) -> str:
    if name == "settings":
        return "\n\n".join(described(setting) for setting in SETTINGS)
    if name in PLANNED:
        return PLANNED[name]()
    return f"```text\n{help_pages()[name]}\n```"


@functools.cache
def help_pages() -> dict[str, str]:
    """What `fabula VERBS --help` prints in English and 80 columns, for all that docs/ shows of it.

    One other process prints them all: what a command line says is settled when it is imported.
    """
    shown = [name for file in DOCS.glob("*.md") for name in PART.findall(file.read_text(encoding="utf-8"))]
    asked = json.dumps([name for name in shown if name.split()[0] == "help"])
    wanted = {**os.environ, "FABULA_LANGUAGE": "en", "COLUMNS": "80"}
    command = [sys.executable, __file__, PRINT, asked]
    run = subprocess.run(command, env=wanted, capture_output=True, check=True)
    return dict(json.loads(run.stdout))


def print_help(names: list[str]) -> None:
    from fabula.cli.main import command

    pages = {}
    for name in names:
        with contextlib.redirect_stdout(io.StringIO()) as page:
            command().main(args=[*name.split()[1:], "--help"], prog_name="fabula", standalone_mode=False)
        pages[name] = page.getvalue().strip()
    print(json.dumps(pages))


def described(setting: Setting) -> str:
    default = f"`{setting.default}`" if setting.default != "" else "empty"
    return (
        f"## {setting.name}\n\n{texts.say(setting.key)}\n\n"
        f"Default: {default} · {setting.expected} · environment: `{setting.environment}`"
    )


def main() -> None:
    for file in sorted(DOCS.glob("*.md")):
        page = file.read_text(encoding="utf-8")
        if (filled := fill(page)) != page:
            file.write_text(filled, encoding="utf-8")
            print(f"{file.name} is filled anew")


if __name__ == "__main__":
    print_help(json.loads(sys.argv[2])) if sys.argv[1:2] == [PRINT] else main()
