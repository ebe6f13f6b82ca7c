"""What is documented is checked: commands, settings and routes have headings, links lead somewhere."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import httpx
import pytest

from fabula.app import Studio
from fabula.cli.verbs import VERBS
from fabula.server import http
from fabula.store.home import Home
from fabula.store.settings import SETTINGS

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = [
    *sorted(DOCS.glob("*.md")),
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")),
]
LINK = re.compile(r"\]\((?!https?://)(?P<file>[^)#]*)(#(?P<anchor>[^)]+))?\)")


@pytest.fixture(scope="module")
def generator() -> ModuleType:
    """scripts/docs.py, which fills the generated parts."""
    spec = importlib.util.spec_from_file_location("docs_script", ROOT / "scripts" / "docs.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def headings(page: Path) -> list[str]:
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    return [line.lstrip("#").strip() for line in text.splitlines() if line.startswith("#")]


def test_every_command_has_a_heading() -> None:
    found = headings(DOCS / "cli.md")
    assert [verb for verb in VERBS if f"fabula {verb}" not in found] == []


def test_every_setting_has_a_heading() -> None:
    found = headings(DOCS / "settings.md")
    assert [setting.name for setting in SETTINGS if setting.name not in found] == []


async def test_every_route_of_the_native_api_has_a_heading_and_no_heading_is_without_a_route(
    tmp_path: Path,
) -> None:
    transport = httpx.ASGITransport(http.create(Studio(Home(tmp_path))))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        paths = (await client.get("/openapi.json")).json()["paths"]
    routes = {
        f"{method.upper()} {nameless(path.removeprefix(http.NATIVE))}"
        for path, methods in paths.items()
        if path.startswith(http.NATIVE)
        for method in methods
    }
    found = {nameless(line) for line in headings(DOCS / "api.md") if re.match(r"[A-Z]+ /", line)}
    assert routes == found


@pytest.mark.parametrize(
    ("dialect", "page"), [("OpenAI", "api-openai.md"), ("Anthropic", "api-anthropic.md")]
)
async def test_every_route_of_a_dialect_has_a_heading(tmp_path: Path, dialect: str, page: str) -> None:
    transport = httpx.ASGITransport(http.create(Studio(Home(tmp_path))))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        paths = (await client.get("/openapi.json")).json()["paths"]
    routes = {
        f"{method.upper()} {nameless(path)}"
        for path, methods in paths.items()
        for method, facts in methods.items()
        if dialect in facts["tags"]
    }
    assert routes
    assert routes - {nameless(line) for line in headings(DOCS / page)} == set()


def nameless(path: str) -> str:
    """What a placeholder is called does not matter: /chats/{id} and /chats/{chat_id} are one route."""
    return re.sub(r"\{[^}]*\}", "{}", path)


@pytest.mark.parametrize("page", sorted(DOCS.glob("*.md")), ids=lambda page: page.name)
def test_the_generated_parts_are_up_to_date(page: Path, generator: ModuleType) -> None:
    text = page.read_text(encoding="utf-8")
    assert generator.fill(text) == text, "run `make format`"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_to_a_file_and_a_heading(page: Path) -> None:
    for match in LINK.finditer(page.read_text(encoding="utf-8")):
        target = (page.parent / match["file"]).resolve() if match["file"] else page
        assert target.exists(), match[0]
        if match["anchor"]:
            assert match["anchor"] in [anchor(line) for line in headings(target)], match[0]


def anchor(heading: str) -> str:
    """As GitHub makes it from a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
