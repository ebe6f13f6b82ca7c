"""`fabula fit` and its route: plans of files, names, sources and sizes, here and on other machines."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import tiny_model
from adapter_making import change, write_gguf

from fabula.cli.fit import asked
from fabula.cli.main import main
from fabula.core.load import LoadOptions
from fabula.core.model import LocalModel
from fabula.store.home import Home

FIXTURES = Path(__file__).parent.parent / "fixtures"
GIB = 1 << 30
Fit = Callable[..., list[dict[str, Any]]]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A header of Llama 3.1 8B, and a hole as long as its weights."""
    path = tmp_path / "Llama-3.1-8B.Q4_K_M.gguf"
    packed = FIXTURES / "fit" / "headers" / "llama-3.1-8b.Q4_K_M.gguf-header.gz"
    path.write_bytes(gzip.decompress(packed.read_bytes()))
    os.truncate(path, 4_912_916_032)
    return path


@pytest.fixture
def fit(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Fit:
    """Runs `fabula fit … --json` on an empty home and answers what it printed."""
    monkeypatch.setenv("FABULA_LANGUAGE", "en")
    monkeypatch.setenv("FABULA_HOME", str(tmp_path / "home"))

    def run(*words: str) -> list[dict[str, Any]]:
        with pytest.raises(SystemExit) as left:
            main(["fit", *words, "--json"])
        printed = capsys.readouterr()
        assert not left.value.code, printed.err
        return [json.loads(line) for line in printed.out.splitlines()]

    return run


def host(told: dict[str, Any]) -> dict[str, int]:
    first: dict[str, int] = told["plan"]["devices"][0]
    return first


def test_a_file_is_planned_in_bytes(fit: Fit, file: Path) -> None:
    [told] = fit(str(file), "--ctx", "8k", "--slots", "1", "--ram", "32GiB", "--vram", "24GiB")
    host, card = told["plan"]["devices"]
    assert told["plan"]["tier"] == "closed form"
    assert (card["weights"], card["kv"]) == (4_617_396_224, 1 << 30)
    assert host["weights"] == 295_501_824
    assert card["total"] == sum(card[part] for part in ("weights", "kv", "compute", "reserve"))
    assert told["arguments"][told["arguments"].index("--n-gpu-layers") + 1] == "33"


def test_another_machine_is_described_by_its_card(fit: Fit, file: Path) -> None:
    [told] = fit(str(file), "--gpu", "RTX 3060 12GB", "--kv", "q8_0/q4_0")
    assert told["plan"]["devices"][1]["memory"] == 12 * GIB
    assert told["plan"]["options"]["kv_type_v"] == "q4_0"


def test_the_speed_of_another_machine_is_a_wide_range(fit: Fit, file: Path) -> None:
    [part] = fit(str(file), "--gpu", "GTX 1060 3GB", "--ram", "32GiB")
    [whole] = fit(str(file), "--gpu", "RTX 3060 12GB")
    assert part["plan"]["verdict"] == "partial"
    assert part["speed"]["basis"] == whole["speed"]["basis"] == "bandwidth"
    assert 0 < part["speed"]["written"][1] < whole["speed"]["written"][0] < whole["speed"]["written"][1]


def test_a_number_of_parameters_gets_a_rough_plan(fit: Fit) -> None:
    [told] = fit("70B:IQ2_XXS", "--vram", "12GiB", "--ram", "4GiB")
    assert (told["plan"]["tier"], told["plan"]["verdict"]) == ("rough", "no")
    assert told["arguments"] == []


def test_what_lies_beside_a_model_counts(fit: Fit, file: Path, tmp_path: Path) -> None:
    words = write_gguf(tmp_path / "words.gguf", {"blk.0.attn_v.weight": change((8, 4), 1, "v")})
    draft = tiny_model.write(tmp_path / "guesses.gguf")
    [alone] = fit(str(file), "--ctx", "4096")
    [three] = fit(str(file), "--ctx", "4096", "--adapter", str(words), "--adapter", str(words))
    [two] = fit(str(file), "--ctx", "4096", "--draft", str(draft))
    more = host(three)["beside"] - host(alone)["beside"]
    assert more == 2 * words.stat().st_size
    assert host(two)["beside"] > host(alone)["beside"]


def test_what_is_set_for_a_model_lies_beside_it(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    home.adapters.mkdir(parents=True)
    words = write_gguf(home.adapters / "words.gguf", {"blk.0.attn_v.weight": change((8, 4), 1, "v")})
    model = LocalModel(name="tiny", path=tmp_path / "tiny.gguf", size=0)
    neighbours = asked(home.path).neighbours
    assert neighbours
    beside = neighbours.of(model, LoadOptions(adapters=(("words", 1.0), ("gone", 1.0)), draft="gone"))
    assert (beside.adapters, beside.draft) == (words.stat().st_size, 0)


def test_many_rows_are_planned_at_once(fit: Fit) -> None:
    rows = fit("--batch", str(FIXTURES / "fit" / "ground_truth.jsonl.gz"))
    assert len(rows) == 4235
    assert sum("error" in row for row in rows) == 2
    assert rows[0]["host_model"] == rows[0]["tensor_bytes"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nothing-like-it"], "no model"),
        (["8B", "--gpu", "RTX 9999"], "RTX 5090"),
        (["8B", "--ram", "much"], "24GiB"),
        (["8B", "--kv", "q3_9"], "q8_0"),
        (["8B", "--ctx", "0"], "8192"),
        (["8B", "--adapter", "nobody"], "nobody"),
        (["8B", "--mmproj", "nowhere.gguf"], "mmproj"),
        (["8B", "--draft", "nobody"], "no model"),
        ([], "target"),
        (["--batch", "absent.jsonl"], "absent.jsonl"),
    ],
)
def test_what_cannot_be_understood_is_told(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FABULA_LANGUAGE", "en")
    with pytest.raises(SystemExit) as left:
        main(["fit", *words])
    assert left.value.code == 1
    assert said in capsys.readouterr().err


def test_a_table_says_where_everything_lies(
    file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FABULA_LANGUAGE", "en")
    with pytest.raises(SystemExit):
        main(["fit", str(file), "--gpu", "RTX 4090", "--ram", "64GiB"])
    printed = capsys.readouterr()
    assert "RTX 4090" in printed.out
    assert "On that machine" in printed.out
    assert "weights 4.3 GiB" in printed.out
    assert "--n-gpu-layers 33" in printed.err


async def test_the_route_answers_the_same(api: httpx.AsyncClient, file: Path) -> None:
    asked = {"target": str(file), "context": 8192, "slots": 1, "vram": 24 * GIB, "ram": 32 * GIB}
    told = (await api.post("/fit", json=asked)).json()
    assert told["plan"]["devices"][1]["weights"] == 4_617_396_224
    assert told["model"]["parameters"] > 8_000_000_000


async def test_the_route_plans_a_model_of_the_shelf_and_knows_what_is_not_there(
    api: httpx.AsyncClient,
) -> None:
    assert (await api.post("/fit", json={"target": "tiny"})).json()["plan"]["model"] == "tiny"
    assert (await api.post("/fit", json={"target": "absent"})).status_code == 404
    assert (await api.post("/fit", json={"target": "8B", "gpu": "abacus"})).status_code == 400
    assert (await api.post("/fit", json={"target": "8B", "colour": 1})).status_code in (400, 422)


def test_show_tells_what_any_file_is(
    file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FABULA_LANGUAGE", "en")
    wrong = file.rename(file.with_name("Llama-70B-Q8_0.gguf"))
    with pytest.raises(SystemExit):
        main(["show", str(wrong)])
    printed = capsys.readouterr()
    assert "Q4_K 74%, Q6_K 26%" in printed.out
    assert "8.0 billion" in printed.err
    assert "its header Q4_K" in printed.err
    with pytest.raises(SystemExit):
        main(["show", str(wrong), "--json"])
    told = json.loads(capsys.readouterr().out)
    assert (told["kind"], told["types"][0]["name"], told["safe"]) == ("model", "Q4_K", True)


def test_verify_finds_a_damaged_file(
    home: Home, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FABULA_LANGUAGE", "en")
    [model] = home.models.glob("*.gguf")
    for damage, status in ((False, 0), (True, 1)):
        if damage:
            before = model.stat()
            model.write_bytes(model.read_bytes()[:-1] + b"\xff")
            os.utime(model, ns=(before.st_atime_ns, before.st_mtime_ns))
        with pytest.raises(SystemExit) as left:
            main(["verify", "--home", str(home.path)])
        assert (left.value.code or 0) == status
    assert "damaged" in capsys.readouterr().out
