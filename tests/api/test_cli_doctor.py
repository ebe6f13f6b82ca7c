"""What `fabula doctor` finds, and what it advises."""

from __future__ import annotations

import socket
import sys
from pathlib import Path

import pytest
import tiny_model
from stage import Stage
from talking import Client

from fabula.cli import checks
from fabula.cli.checks import Finding
from fabula.core.errors import ModelLoadFailed
from fabula.store.home import Home


@pytest.fixture(autouse=True)
def english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FABULA_LANGUAGE", "en")


def by_name(found: list[Finding]) -> dict[str, Finding]:
    return {finding.check: finding for finding in found}


def test_every_check_has_a_name_and_every_trouble_an_advice(client: Client, home: Home) -> None:
    found = [finding for check in checks.CHECKS for finding in check(home)]
    assert all(finding.value for finding in found)
    assert [finding for finding in found if finding.level != "ok" and not finding.advice] == []


def test_a_model_really_answers(client: Client, home: Home, stage: Stage) -> None:
    found = by_name(list(checks.models(home)))
    assert found["answer"].level == "ok"
    assert "tiny loads and answers" in found["answer"].value
    assert stage.worker.samplings[-1].max_tokens == 1


def test_a_model_that_cannot_be_loaded_is_bad_and_its_reason_is_told(
    client: Client, home: Home, stage: Stage
) -> None:
    stage.load_error = ModelLoadFailed("tiny", "tensor 'x' is missing")
    answer = by_name(list(checks.models(home)))["answer"]
    assert answer.level == "bad"
    assert "tensor 'x' is missing" in answer.value
    assert str(home.logs) in answer.advice


def test_a_damaged_file_is_named_and_the_others_are_tried(client: Client, home: Home) -> None:
    (home.models / "broken.gguf").write_bytes(b"GGUF")
    found = list(checks.models(home))
    assert [(finding.check, finding.level) for finding in found] == [
        ("models", "warn"),
        ("models", "ok"),
        ("answer", "ok"),
    ]
    assert "broken" in found[0].value


def test_an_empty_home_is_no_fault(tmp_path: Path) -> None:
    home = Home(tmp_path / "not" / "there")
    assert by_name(list(checks.models(home)))["models"].level == "warn"
    assert {finding.level for finding in checks.folder(home)} == {"ok"}
    assert not home.path.exists()


def test_a_home_that_cannot_be_written_is_bad() -> None:
    if not Path("/proc/self").exists():
        pytest.skip("needs /proc: a folder that nobody may write into")
    assert checks.writable(Home(Path("/proc/fabula"))).level == "bad"


def test_a_wrong_setting_is_named_by_its_file(home: Home) -> None:
    home.config.write_text("colour = 1\n", encoding="utf-8")
    settings = by_name(list(checks.configuration(home)))["settings"]
    assert settings.level == "bad"
    assert "colour" in settings.value
    assert str(home.config) in settings.value


def test_a_port_in_use_is_a_note_with_another_way(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        finding = checks.studio(home, "127.0.0.1", port)
    assert finding.level == "warn"
    assert str(port) in finding.value


def test_the_engine_tells_its_version_and_its_devices(home: Home) -> None:
    told = checks.ask_engine(sys.executable)
    assert told["version"]
    assert told["devices"]


def test_an_engine_that_cannot_be_imported_is_bad_with_its_last_words(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checks, "ASK_ENGINE", "import no_such_engine")
    engine = by_name(list(checks.engine(home)))["engine"]
    assert engine.level == "bad"
    assert "No module named 'no_such_engine'" in engine.value


def test_a_model_file_of_this_test_is_a_model(tmp_path: Path) -> None:
    """So that "no model" above cannot be for another reason."""
    home = Home(tmp_path).create()
    tiny_model.write(home.models / "tiny.gguf")
    assert next(checks.models(home)).level == "ok"
