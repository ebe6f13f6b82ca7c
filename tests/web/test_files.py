"""The web app's files: vendored code as published, texts that exist, contrasts that can be read."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import fabula
from fabula.core import texts
from fabula.server.preloads import needs

WEB = Path(fabula.__file__).parent / "web"
OWN = sorted(path for path in WEB.rglob("*.js") if path.parent.name != "vendor")
STYLES = sorted((WEB / "style").glob("*.css"))
TOKENS = (WEB / "style" / "tokens.css").read_text(encoding="utf-8")

ANY_KEY = re.compile(r"""["'`](web\.[\w.]+?\w)["']""")
STATIC_IMPORT = re.compile(r"""^(?:import|export) (?:[^"]*?from )?"(\.[^"]+)";$""", re.MULTILINE)
BARE_IMPORT = re.compile(r"""^import (?:[^"]*?from )?"([^."][^"]*)";$""", re.MULTILINE)
LATER_IMPORT = re.compile(r"""\bimport\("(\.[\w./-]+\.js)"\)""")
PAGES = ("app.js", "early.js", "docs.js", "login.js", "sw.js")
KEY_STEM = re.compile(r"`(web\.[\w.]*)\$\{")


def sources() -> Iterator[str]:
    return (path.read_text(encoding="utf-8") for path in OWN)


def test_vendored_files_are_as_published():
    rows = json.loads((WEB / "vendor" / "manifest.json").read_text(encoding="utf-8"))
    for row in rows:
        assert hashlib.sha256((WEB / "vendor" / row["file"]).read_bytes()).hexdigest() == row["sha256"], row[
            "file"
        ]
    scripts = {path.name for path in (WEB / "vendor").iterdir() if path.suffix in (".js", ".css")}
    assert scripts == {row["file"] for row in rows}


def test_every_vendored_package_has_its_licence():
    licences = (WEB / "vendor" / "LICENSES.md").read_text(encoding="utf-8")
    rows = json.loads((WEB / "vendor" / "manifest.json").read_text(encoding="utf-8"))
    for row in rows:
        assert f"{row['package']} {row['version']}".lower() in licences.lower()


def test_every_text_that_is_used_exists():
    used = {key for source in sources() for key in ANY_KEY.findall(source) if not key.endswith("_")}
    assert used - set(texts.catalogue("en")) == set()


def test_every_text_of_the_web_is_used():
    used = {key for source in sources() for key in ANY_KEY.findall(source)}
    login = (WEB / "login.html").read_text(encoding="utf-8")
    used |= {f"web.login.{name}" for name in re.findall(r'data-text="(\w+)"', login)}
    stems = tuple(stem for source in sources() for stem in KEY_STEM.findall(source))
    stems += tuple(key for key in used if key.endswith("_"))
    known = {key for key in texts.catalogue("en") if key.startswith("web.")}
    assert {key for key in known - used if not key.startswith(stems)} == set()


def needed_by(module: Path) -> set[Path]:
    """A module and all that it imports before it runs; what it imports later is left out."""
    found, ahead = set(), [module]
    while ahead:
        found.add(path := ahead.pop())
        imported = (path.parent / name for name in STATIC_IMPORT.findall(path.read_text(encoding="utf-8")))
        ahead += [each.resolve() for each in imported if each.resolve() not in found]
    return found


def test_the_page_preloads_what_it_needs_at_once():
    page = (WEB / "index.html").read_text(encoding="utf-8")
    loaded = set(re.findall(r'href="web/\{\{version\}\}/([\w./-]+\.js)"', page))
    at_once = needed_by(WEB / "app.js") | needed_by(WEB / "views" / "home.js")
    own = {path.relative_to(WEB).as_posix() for path in at_once}
    names = {name for path in at_once for name in BARE_IMPORT.findall(path.read_text(encoding="utf-8"))}
    mapped = dict(re.findall(r'"([^"]+)": "\./web/\{\{version\}\}/([^"]+)"', page))
    vendored = {mapped[name] for name in (*names, "@preact/signals-core")}
    assert loaded == own | vendored


def test_what_a_room_needs_beyond_the_page_is_known_before_it_is_entered():
    told, page = needs(WEB), (WEB / "index.html").read_text(encoding="utf-8")
    assert {"style/chat.css", "parts/MessageList.js", "vendor/marked-18.2.1.js"} < set(told["chat"])
    for room, names in told.items():
        own = {name for name in names if name.endswith(".js") and not name.startswith("vendor/")}
        needed = {path.relative_to(WEB).as_posix() for path in needed_by(WEB / "views" / f"{room}.js")}
        assert own == {name for name in needed if f'/{name}"' not in page}, room
        assert all((WEB / name).is_file() for name in names)


def test_the_shell_knows_no_room():
    """Rooms, and what only they need, come when they are entered."""
    names = {path.relative_to(WEB).as_posix() for path in needed_by(WEB / "app.js")}
    assert not {name for name in names if name.startswith("views/")}
    assert not names & {"state/chat.js", "state/turn.js", "parts/renderMarkdown.js"}


def test_every_module_is_reached():
    """From the pages, and from what is imported later, wherever that is."""
    ahead, reached = [WEB / name for name in PAGES], set()
    while ahead:
        reached |= (found := needed_by(ahead.pop().resolve()) - reached)
        ahead += [
            path.parent / name
            for path in found
            for name in LATER_IMPORT.findall(path.read_text(encoding="utf-8"))
        ]
    assert set(OWN) == reached


def test_the_page_has_one_inline_script_and_no_inline_style():
    page = (WEB / "index.html").read_text(encoding="utf-8")
    inline = re.findall(r"<script(?![^>]*\bsrc=)([^>]*)>", page)
    assert inline == [' type="importmap"']
    assert "<style" not in page
    assert " style=" not in page


@pytest.mark.parametrize("path", OWN, ids=lambda path: path.name)
def test_modules_are_short_checked_and_say_what_they_are(path):
    lines = path.read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 400
    assert lines[0].startswith(("// ", "/** ", "// @ts-check"))
    assert "// @ts-check" in lines[:4]


def test_only_one_module_fetches_and_state_knows_no_document():
    fetching = [path.name for path in OWN if "fetch(" in path.read_text(encoding="utf-8")]
    assert fetching == ["api.js", "early.js", "login.js", "sw.js"]  # the others run before or without the app
    for path in (WEB / "state").glob("*.js"):
        assert not re.search(r"document\.(?!addEventListener|hidden)\w", path.read_text(encoding="utf-8")), (
            path.name
        )


def test_names_differ_on_file_systems_that_ignore_case():
    names = [str(path.relative_to(WEB)).lower() for path in WEB.rglob("*") if path.is_file()]
    assert len(names) == len(set(names))


def test_styles_use_only_tokens_that_exist():
    defined = set(re.findall(r"^\s*(--[\w-]+):", TOKENS, re.MULTILINE))
    for path in STYLES:
        style = path.read_text(encoding="utf-8")
        own = set(re.findall(r"^\s*(--[\w-]+):", style, re.MULTILINE)) | {"--mark"}  # set by KnobRow.js
        assert set(re.findall(r"var\((--[\w-]+)", style)) <= defined | own, path.name


# ── contrast (WCAG 2.2: 4.5 for text, 3 for the edges and marks of controls) ──────────────────────────

PAPERS = ("paper", "paper-raised", "paper-sunken", "accent-wash")
TEXT_ON_PAPER = [
    (ink, paper)
    for ink in ("ink", "ink-soft", "ink-faint", "accent", "good", "warn", "bad")
    for paper in PAPERS
]
CONTROLS = [(mark, paper) for mark in ("line-control", "accent") for paper in PAPERS[:2]]
BARS = [(f"bar-{part}", "paper-sunken") for part in ("weights", "kv", "compute", "reserve")]
PLOTS = [(f"plot-{number}", paper) for number in range(1, 7) for paper in PAPERS[:2]]
CASES = [(*pair, 4.5) for pair in [*TEXT_ON_PAPER, ("accent-ink", "accent")]] + [
    (*pair, 3.0) for pair in CONTROLS + BARS + PLOTS
]


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize(("front", "back", "least"), CASES)
def test_contrast(front, back, least, scheme):
    lighter, darker = sorted((luminance(front, scheme), luminance(back, scheme)), reverse=True)
    assert (lighter + 0.05) / (darker + 0.05) >= least


def luminance(token: str, scheme: int) -> float:
    """Relative luminance of a colour token, light (0) or dark (1)."""
    pair = re.search(rf"--{token}: light-dark\((#\w{{6}}), (#\w{{6}})\)", TOKENS)
    assert pair, token
    parts = [int(pair[scheme + 1][start : start + 2], 16) / 255 for start in (1, 3, 5)]
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
