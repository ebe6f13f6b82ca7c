"""The verbs of the command line, at a real studio whose model follows a script."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import tiny_model
from stage import Stage
from talking import Client

from fabula.cli.main import main
from fabula.core.errors import EngineDied
from fabula.engine.scripted import Reply
from fabula.store.home import Home
from fabula.store.studio import running


@dataclass(frozen=True)
class Ran:
    """How a command ended and what it printed."""

    status: int
    out: str
    err: str

    @property
    def rows(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in self.out.splitlines()]


Fabula = Callable[..., Ran]


@pytest.fixture
def fabula(home: Home, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Fabula:
    """Runs a command line on the test's home, in English, with nothing on stdin."""
    monkeypatch.setenv("FABULA_LANGUAGE", "en")
    monkeypatch.setenv("FABULA_HOME", str(home.path))

    def run(*words: str) -> Ran:
        with pytest.raises(SystemExit) as left:
            main(words)
        printed = capsys.readouterr()
        return Ran(int(left.value.code or 0), printed.out, printed.err)

    return run


@pytest.fixture
def piped(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Puts a text on stdin, as `echo text |` does."""
    reader, writer = os.pipe()
    stdin = os.fdopen(reader, encoding="utf-8")
    monkeypatch.setattr(sys, "stdin", stdin)

    def pipe(text: str) -> None:
        os.write(writer, text.encode())
        os.close(writer)

    yield pipe
    stdin.close()


# ── models ──────────────────────────────────────────────────────────────────────────────────────────


def test_list_shows_the_models(fabula: Fabula, client: Client) -> None:
    shown = fabula("list")
    assert shown.status == 0
    assert shown.out.splitlines()[0].split()[:2] == ["Name", "Size"]
    assert "tiny" in shown.out
    assert not any(line.endswith(" ") for line in shown.out.splitlines())


def test_list_as_json_is_one_model_per_line(fabula: Fabula, client: Client) -> None:
    assert [row["name"] for row in fabula("list", "--json").rows] == ["tiny"]


def test_an_empty_shelf_says_how_to_fill_it(fabula: Fabula, client: Client, home: Home) -> None:
    (home.models / "tiny.gguf").unlink()
    shown = fabula("list")
    assert (shown.status, shown.out) == (0, "")
    assert "fabula pull" in shown.err


def test_show_tells_what_a_model_is_and_how_it_would_be_loaded(fabula: Fabula, client: Client) -> None:
    shown = fabula("show", "ti")
    assert "llama" in shown.out
    assert "cc0-1.0" in shown.out
    assert "On this machine" in shown.out
    assert fabula("show", "tiny", "--json").rows[0]["plan"]


def test_an_unknown_model_is_one_sentence_and_status_1(fabula: Fabula, client: Client) -> None:
    ran = fabula("show", "no-such-model")
    assert ran.status == 1
    assert ran.out == ""
    assert ran.err.count("\n") == 1
    assert "no-such-model" in ran.err


def test_the_sentence_is_in_the_language_of_the_home(
    fabula: Fabula, client: Client, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FABULA_LANGUAGE")
    home.config.write_text('language = "zh-Hant"\n', encoding="utf-8")
    assert "模型" in fabula("show", "no-such-model").err


def test_rm_removes_the_file(fabula: Fabula, client: Client, home: Home) -> None:
    assert fabula("rm", "tiny", "--yes").status == 0
    assert not (home.models / "tiny.gguf").exists()


def test_rm_promises_no_room_that_another_name_keeps(fabula: Fabula, client: Client, home: Home) -> None:
    os.link(home.models / "tiny.gguf", home.path / "elsewhere.gguf")
    told = fabula("rm", "tiny", "--yes").err
    assert "1 other names on this disk" in told
    assert "is free again" not in told


def test_ps_and_stop_follow_what_is_loaded(fabula: Fabula, client: Client) -> None:
    assert "No model is loaded" in fabula("ps").err
    fabula("run", "tiny", "Hello")
    assert [row["model"] for row in fabula("ps", "--json").rows] == ["tiny"]
    assert "tiny" in fabula("ps").out
    assert "tiny is unloaded" in fabula("stop", "tiny").err
    assert fabula("ps", "--json").rows == []
    stopped = fabula("stop", "tiny")
    assert (stopped.status, "tiny was not loaded" in stopped.err) == (0, True)


def test_stop_takes_the_exact_copy_too_and_says_so(fabula: Fabula, client: Client) -> None:
    fabula("run", "tiny", "Hello")
    client.post("/models/tiny@direct/load")
    stopped = fabula("stop", "TINY")
    assert {"tiny is unloaded", "tiny@direct is unloaded"} <= {*stopped.err.replace(".", "").splitlines()}
    assert fabula("ps", "--json").rows == []


def test_ps_starts_no_studio(fabula: Fabula, home: Home) -> None:
    assert "No studio is running" in fabula("ps").err
    assert running(home) is None


def test_pull_brings_a_file_onto_the_shelf_and_its_job_is_listed(
    fabula: Fabula, client: Client, tmp_path: Path
) -> None:
    file = tiny_model.write(tmp_path / "other.gguf")
    ran = fabula("pull", str(file))
    assert ran.status == 0, ran.err
    assert "other" in fabula("list").out
    job = fabula("job", "list", "--json").rows[0]
    assert job["state"] == "done"
    assert "other" in fabula("job", "show", str(job["id"])).out


def test_pull_of_nonsense_fails_with_the_reason(fabula: Fabula, client: Client) -> None:
    ran = fabula("pull", "nonsense")
    assert ran.status == 1
    assert "nonsense is not a source" in ran.err


# ── talking ─────────────────────────────────────────────────────────────────────────────────────────


def test_run_answers_once_and_stores_nothing(fabula: Fabula, client: Client) -> None:
    assert fabula("run", "tiny", "Hello", "you").out == "Hello there, traveller.\n"
    assert client.get("/chats")["chats"] == []


def test_run_reads_what_is_piped_behind_the_prompt(
    fabula: Fabula, client: Client, stage: Stage, piped: Callable[[str], None]
) -> None:
    piped("The sky is blue.\n")
    assert fabula("run", "tiny", "Summarise").status == 0
    asked = str(stage.worker.prompts[-1].pieces)
    assert "Summarise" in asked
    assert asked.index("Summarise") < asked.index("The sky is blue.")


def test_run_passes_the_sampling_on(fabula: Fabula, client: Client, stage: Stage) -> None:
    fabula(
        "run", "tiny", "Hi", "--temperature", "0", "--seed", "7", "-n", "5", "--stop", "x", "--set", "top_k=3"
    )
    sampling = stage.worker.samplings[-1]
    assert (sampling.temperature, sampling.seed, sampling.max_tokens) == (0, 7, 5)
    assert (sampling.stop, sampling.top_k) == (("x",), 3)


def test_run_says_why_a_model_failed_and_keeps_what_it_wrote(
    fabula: Fabula, client: Client, stage: Stage
) -> None:
    stage.script = [Reply("One two three", error=EngineDied("tiny", "it was killed"), fail_at=3)]
    ran = fabula("run", "tiny", "Count")
    assert ran.status == 1
    assert ran.out.startswith("One")
    assert "it was killed" in ran.err


# ── with no studio running ──────────────────────────────────────────────────────────────────────────


def test_a_command_starts_a_studio_for_itself_and_ends_it(fabula: Fabula, home: Home) -> None:
    assert [row["name"] for row in fabula("list", "--json").rows] == ["tiny"]
    assert running(home) is None


def test_a_backup_can_be_restored(fabula: Fabula, home: Home) -> None:
    file = fabula("backup").out.strip()
    home.config.write_text("port = 1\n", encoding="utf-8")
    assert fabula("restore", file).status == 0
    assert not home.config.exists()


def test_a_backup_from_elsewhere_is_refused_while_a_studio_runs(
    fabula: Fabula, client: Client, tmp_path: Path
) -> None:
    made = Path(fabula("backup", "--json").rows[0]["path"])
    ran = fabula("restore", str(made.rename(tmp_path / made.name)))
    assert ran.status == 1
    assert "already uses" in ran.err


def test_a_second_studio_is_refused_with_the_address_of_the_first(
    fabula: Fabula, client: Client, home: Home
) -> None:
    first = running(home)
    ran = fabula("serve", "--port", "0", "--no-open")
    assert ran.status == 1
    assert first is not None
    assert first.address in ran.err


def test_fabula_alone_shows_the_studio_that_runs(fabula: Fabula, client: Client, home: Home) -> None:
    first = running(home)
    ran = fabula()
    assert first is not None
    assert (ran.status, ran.out) == (0, f"A studio already runs on this home, at {first.address}\n")


def test_a_wrong_setting_is_named(fabula: Fabula, home: Home) -> None:
    home.config.write_text("prot = 80\n", encoding="utf-8")
    ran = fabula("list")
    assert ran.status == 1
    assert "prot" in ran.err


# ── characters ──────────────────────────────────────────────────────────────────────────────────────


def test_a_folder_of_characters_is_taken_and_what_cannot_be_read_is_told(
    fabula: Fabula, tmp_path: Path
) -> None:
    (tmp_path / "cards" / "more").mkdir(parents=True)
    for name in ("Ann", "Bea"):
        (tmp_path / "cards" / "more" / f"{name}.json").write_text(
            json.dumps({"name": name, "tags": ["crew"]})
        )
    (tmp_path / "cards" / "broken.png").write_bytes(b"\x89PNG")
    ran = fabula("character", "import", str(tmp_path / "cards"))
    assert (ran.status, ran.out) == (1, "Ann is here.\nBea is here.\n")
    assert "broken.png cannot be read" in ran.err
    assert [row["name"] for row in fabula("character", "list", "--tag", "crew", "--json").rows] == [
        "Ann",
        "Bea",
    ]


def test_a_character_goes_out_and_is_binned(fabula: Fabula, tmp_path: Path) -> None:
    (tmp_path / "mira.json").write_text(json.dumps({"name": "Mira", "description": "a keeper"}))
    fabula("character", "import", str(tmp_path / "mira.json"))
    out = tmp_path / "mira.png"
    assert fabula("character", "export", "mira", "--out", str(out)).status == 0
    assert out.read_bytes().startswith(b"\x89PNG")
    assert fabula("character", "export", "mira", "--out", str(out)).status == 1  # never overwritten
    assert fabula("character", "rm", "Mira").status == 0
    assert fabula("character", "list", "--json").rows == []


def test_a_script_deletes_no_model_without_saying_yes(fabula: Fabula, client: Client, home: Home) -> None:
    refused = fabula("rm", "tiny")
    assert (refused.status, "--yes" in refused.err) == (1, True)
    assert (home.models / "tiny.gguf").exists()


def test_a_card_that_is_here_is_not_taken_twice(fabula: Fabula, client: Client, tmp_path: Path) -> None:
    file = tmp_path / "lamp.json"
    file.write_text(json.dumps({"name": "Keeper of lamps", "description": "Tall.", "first_mes": "Come in."}))
    assert "here already" not in fabula("character", "import", str(file)).out
    assert "here already" in fabula("character", "import", str(file)).out
    assert "here already" in fabula("import", str(file)).out
