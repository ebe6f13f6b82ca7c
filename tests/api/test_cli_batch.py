"""`fabula batch` at a real studio whose model follows a script; also when it is killed in the middle."""

from __future__ import annotations

import csv
import io
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from stage import Stage
from talking import Client

from fabula.cli.main import main
from fabula.core.errors import EngineDied
from fabula.core.sampling import Sampling
from fabula.core.worker import Prompt
from fabula.engine.scripted import Reply
from fabula.store.home import Home

SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
PEOPLE = 'name,town\n林小姐,臺北\n"Lee, Ann","two\nlines"\nMira,海邊\n'


@dataclass(frozen=True)
class Ran:
    status: int
    out: str
    err: str


Batch = Callable[..., Ran]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "people.csv").write_text(PEOPLE, encoding="utf-8")
    return tmp_path


@pytest.fixture
def batch(
    home: Home,
    folder: Path,
    client: Client,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Batch:
    """Runs `fabula batch` beside a running studio, in the folder of the table."""
    monkeypatch.setenv("FABULA_LANGUAGE", "en")
    monkeypatch.setenv("FABULA_HOME", str(home.path))
    monkeypatch.chdir(folder)

    def run(*words: str) -> Ran:
        with pytest.raises(SystemExit) as left:
            main(("batch", *words))
        printed = capsys.readouterr()
        return Ran(int(left.value.code or 0), printed.out, printed.err)

    return run


def rows_of(path: Path) -> list[dict[str, Any]]:
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in text.split("\n") if line]
    return list(csv.DictReader(io.StringIO(text, newline="")))


def echo(prompt: Prompt, sampling: Sampling) -> str:
    """Says what it was asked, so that an answer tells its row."""
    return str(prompt.pieces[0]).rsplit("<user>", 1)[-1].split("</>")[0]


def test_every_row_gets_an_answer_and_keeps_its_place_and_columns(
    batch: Batch, folder: Path, stage: Stage
) -> None:
    stage.script = echo
    ran = batch("Who is {name} from {town}?", "people.csv", "out.csv", "--seed", "7")
    rows = rows_of(folder / "out.csv")
    assert ran.status == 0, ran.err
    assert [row["answer"] for row in rows] == [f"Who is {row['name']} from {row['town']}?" for row in rows]
    assert [row["name"] for row in rows] == ["林小姐", "Lee, Ann", "Mira"]
    assert {(row["status"], row["model"], row["seed"], row["reason"]) for row in rows} == {
        ("ok", "tiny", "7", "")
    }
    assert json.loads(rows[0]["sampling"])["seed"] == 7
    assert "3 rows" in ran.out
    assert "ok 3" in ran.out
    assert sorted(path.name for path in folder.glob("*out*")) == ["out.csv"]


def test_template_system_and_schema_may_be_files(batch: Batch, folder: Path, stage: Stage) -> None:
    stage.script = ['{"n": 3}']
    (folder / "ask.txt").write_text("{% if town %}How many in {{ town }}?{% endif %}", encoding="utf-8")
    (folder / "system.txt").write_text("You count {name}.", encoding="utf-8")
    (folder / "schema.json").write_text(json.dumps(SCHEMA), encoding="utf-8")
    given = ("--schema", "schema.json", "--system", "system.txt", "--preset", "precise", "--set", "top_k=7")
    assert batch("ask.txt", "people.csv", "out.jsonl", *given, "--parallel", "1").status == 0
    assert [row["answer"] for row in rows_of(folder / "out.jsonl")] == [{"n": 3}] * 3
    prompt, sampling = stage.worker.prompts[0], stage.worker.samplings[0]
    assert "You count 林小姐." in str(prompt.pieces)
    assert "How many in 臺北?" in str(prompt.pieces)
    assert (sampling.top_k, json.loads(sampling.json_schema)) == (7, SCHEMA)


def test_what_is_wrong_with_template_rows_or_names_is_told_before_anything_is_asked(
    batch: Batch, folder: Path, stage: Stage
) -> None:
    (folder / "short.jsonl").write_text('{"name": "Ann"}\n{"nom": "Bo"}\n', encoding="utf-8")
    for words, told in (
        (("Hi {age}", "people.csv", "out.csv"), "column age, which row 1"),
        (("Hi {name}", "short.jsonl", "out.csv"), "column name, which row 2"),
        (("ask.txt", "people.csv", "out.csv"), "no place for a column"),
        (("Hi {name}", "none.csv", "out.csv"), "none.csv"),
        (("Hi {name}", "people.csv", "out.xlsx"), "out.xlsx"),
        (("Hi {name}", "people.csv", "out.csv", "--model", "gpt-9"), "gpt-9"),
        (("Hi {name}", "people.csv", "out.csv", "--schema", "{"), "json_schema"),
        (("Hi {name}", "people.csv", "out.csv", "--set", "top_k=many"), "top_k"),
    ):
        ran = batch(*words)
        assert ran.status in (1, 2), words
        assert told in ran.err, (words, ran.err)
    assert not stage.workers
    assert not list(folder.glob("out*"))


def test_flags_are_counted_and_told_in_every_row(batch: Batch, folder: Path, stage: Stage) -> None:
    stage.script = ["I cannot help with that.", "One two three four five six.", ""]
    ran = batch("{name}", "people.csv", "o.jsonl", "--max-tokens", "8", "--retries", "0", "--parallel", "1")
    rows = rows_of(folder / "o.jsonl")
    assert ran.status == 0, ran.err
    assert [row["status"] for row in rows] == ["cut", "cut", "error"]
    assert rows[0]["looks_refused"] == "i cannot help with"
    assert all(row["reason"] for row in rows)
    assert "cut 2 · error 1" in ran.out
    assert "look like refusals" in ran.err


def test_an_output_is_never_overwritten_unasked(batch: Batch, folder: Path, stage: Stage) -> None:
    (folder / "out.csv").write_text("mine")
    ran = batch("{name}", "people.csv", "out.csv")
    assert (ran.status, "--again" in ran.err, (folder / "out.csv").read_text()) == (1, True, "mine")
    assert batch("{name}", "people.csv", "out.csv", "--again").status == 0
    assert len(rows_of(folder / "out.csv")) == 3


def test_an_engine_that_fails_ends_the_batch_which_then_goes_on(
    batch: Batch, folder: Path, stage: Stage
) -> None:
    (folder / "many.csv").write_text("n\n" + "".join(f"{n}\n" for n in range(20)))
    died = Reply("", error=EngineDied("tiny", "it was killed"))
    replies: list[Reply | str] = ["fine", "fine", "fine"]
    stage.script = lambda prompt, sampling: replies.pop() if replies else died
    words = ("{n}", "many.csv", "out.csv", "--retries", "0", "--parallel", "1")
    ran = batch(*words)
    assert ran.status == 1
    assert "5 rows in a row failed" in ran.err
    assert "3 of 20 rows are kept" in ran.err
    asked = len(stage.worker.prompts)
    replies += ["fine"] * 20
    ran = batch(*words)
    assert "3 of 20 rows are answered already" in ran.err
    assert Counter(row["status"] for row in rows_of(folder / "out.csv")) == {"ok": 20}
    assert sum(len(worker.prompts) for worker in stage.workers) - asked <= 17 + 1, "and one in flight"


def test_another_template_is_told_and_begins_only_with_again(
    batch: Batch, folder: Path, stage: Stage
) -> None:
    died = Reply("", error=EngineDied("tiny", "it was killed"))
    stage.script = [died]
    many = "n\n" + "".join(f"{n}\n" for n in range(9))
    (folder / "many.csv").write_text(many)
    options = ("--retries", "0", "--parallel", "1")
    batch("{n}", "many.csv", "out.csv", *options)
    for words, told in (
        (("Now {n}", "many.csv", "out.csv"), "another template"),
        (("{n}", "many.csv", "out.csv", "--seed", "3"), "another sampling"),
        (("{n}", "people.csv", "out.csv"), "n"),
    ):
        ran = batch(*words, *options)
        assert (ran.status, told in ran.err) == (1, True), ran.err
    (folder / "many.csv").write_text(many + "9\n")
    assert "other rows" in batch("{n}", "many.csv", "out.csv", *options).err
    stage.script[:] = ["fine"]
    assert batch("Now {n}", "many.csv", "out.csv", "--again", *options).status == 0
    assert len(rows_of(folder / "out.csv")) == 10


# ── killed ──────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.skipif(os.name == "nt", reason="there is no SIGKILL")
@pytest.mark.parametrize(("number", "times"), [(signal.SIGKILL, 5), (signal.SIGINT, 2)])
def test_killed_again_and_again_every_row_is_asked_for_and_there_once(
    batch: Batch, home: Home, folder: Path, stage: Stage, number: signal.Signals, times: int
) -> None:
    """Ends at random moments; the output is what an undisturbed run gives."""
    heard: list[str] = []

    def script(prompt: Prompt, sampling: Sampling) -> Reply:
        heard.append(echo(prompt, sampling))
        return Reply(f"About {heard[-1]}.", delay_s=0.004)

    stage.script = script
    (folder / "many.csv").write_text("n\n" + "".join(f"row {n}\n" for n in range(100)))
    words = ("{n}", "many.csv", "out.csv", "--temperature", "0", "--parallel", "3")
    batch(*(word if word != "out.csv" else "whole.csv" for word in words))
    heard.clear()
    dice, kept, ends = random.Random(number), 0, 0
    for _ in range(times):
        ends += _ended(home, folder, words, number, dice)
        journal = folder / "out.csv.journal"
        if journal.exists():
            over = journal.read_bytes().count(b"\n")
            assert over >= kept, "what was kept stays"
            kept = over
    if not (folder / "out.csv").exists():
        assert batch(*words).status == 0
    assert ends, "not one run was ended before its time"
    assert without_times(folder / "out.csv") == without_times(folder / "whole.csv")
    twice = sum(count - 1 for count in Counter(heard).values())
    assert set(heard) == {f"row {n}" for n in range(100)}
    assert twice <= 3 * ends, "only what was being written at an end is asked again"


def _ended(
    home: Home, folder: Path, words: tuple[str, ...], number: signal.Signals, dice: random.Random
) -> bool:
    """One run that is ended at a random moment after its journal has begun. False: it was done before."""
    command = [sys.executable, "-m", "fabula", "batch", *words]
    environment = os.environ | {"FABULA_HOME": str(home.path), "FABULA_LANGUAGE": "en"}
    process = subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    journal = folder / "out.csv.journal"
    size = journal.stat().st_size if journal.exists() else 0
    while process.poll() is None and not (journal.exists() and journal.stat().st_size > size):
        time.sleep(0.005)
    time.sleep(dice.uniform(0, 0.1))
    process.send_signal(number)
    return process.wait(timeout=30) != 0


def without_times(path: Path) -> str:
    """The whole file, less the one column that no two runs share."""
    rows = rows_of(path)
    assert all(int(row.pop("milliseconds")) >= 0 for row in rows)
    return json.dumps(rows, ensure_ascii=False)


def test_two_commands_never_write_one_output(batch: Batch, home: Home, folder: Path, stage: Stage) -> None:
    stage.script = [Reply("One two three four.", delay_s=0.1)]
    words = ("{name}", "people.csv", "out.csv", "--parallel", "1")
    first = threading.Thread(
        target=lambda: subprocess.run(
            [sys.executable, "-m", "fabula", "batch", *words], cwd=folder, check=True, capture_output=True
        )
    )
    first.start()
    while not (folder / "out.csv.journal").exists():
        time.sleep(0.01)
    ran = batch(*words)
    first.join()
    assert (ran.status, "Another fabula batch" in ran.err) == (1, True)
    assert len(rows_of(folder / "out.csv")) == 3
