"""Work of any kind by its form: what is asked, begun, told and shown, over HTTP and by command."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import tiny_model
from talking import Client

from fabula.store.home import Home


def ended(client: Client, job: dict[str, Any]) -> dict[str, Any]:
    client.hear(f"/jobs/{job['id']}/events")
    return client.get(f"/jobs/{job['id']}")


def test_the_kinds_are_told_with_forms_in_the_readers_language(client: Client) -> None:
    kinds = {row["kind"]: row for row in client.get("/jobs/kinds")["kinds"]}
    assert {"pull", "quantize", "imatrix", "tune", "verify", "adapter", "speed"} <= set(kinds)
    assert kinds["quantize"]["room"] == "lab"
    assert kinds["quantize"]["schema"]["properties"]["type"]["widget"] == "quantization"
    answer = client.http.get("/jobs/kinds", headers={"Accept-Language": "zh-TW"}).json()
    assert "量化模型" in {row["title"] for row in answer["kinds"]}
    assert client.get("/system")["rooms"] == sorted({row["room"] for row in kinds.values()})


def test_a_job_is_begun_with_what_its_form_asks(client: Client, tmp_path: Path, home: Home) -> None:
    source = tiny_model.write(tmp_path / "second.gguf")
    job = client.post("/jobs", {"kind": "pull", "arguments": {"source": str(source)}}, 202)
    told = ended(client, job)
    assert (told["state"], told["result"]) == ("done", {"name": "second"})
    assert told["arguments"] == {"source": str(source)}
    assert (home.models / "second.gguf").exists()


def test_files_are_verified_by_a_job(client: Client) -> None:
    told = ended(client, client.post("/jobs", {"kind": "verify", "arguments": {"model": "tiny"}}, 202))
    assert told["result"]["sound"] is True
    assert [(row["file"], row["state"]) for row in told["result"]["files"]] == [("tiny.gguf", "recorded")]


def test_what_a_form_does_not_ask_is_refused(client: Client) -> None:
    for kind, arguments in (("nothing", {}), ("pull", {}), ("pull", {"source": "x", "colour": 1})):
        refused = client.post("/jobs", {"kind": kind, "arguments": arguments}, 400)
        assert refused["error"]["code"] == "bad_parameter"


def test_a_jobs_log_is_told(client: Client, home: Home, tmp_path: Path) -> None:
    source = tiny_model.write(tmp_path / "third.gguf")
    job = client.post("/jobs", {"kind": "pull", "arguments": {"source": str(source)}}, 202)
    ended(client, job)
    (home.jobs / f"{job['id']}.log").write_text("first line\nlast line\n", encoding="utf-8")
    assert client.get(f"/jobs/{job['id']}/log") == {"text": "first line\nlast line\n", "size": 21}
    assert client.get(f"/jobs/{job['id']}/log", most=10)["text"] == "last line\n"


def test_a_models_page_has_its_header_its_template_and_what_was_measured(client: Client, home: Home) -> None:
    header = client.get("/models/tiny/header")
    assert header["kind"] == "model"
    assert sum(row["size"] for row in header["types"]) > 0
    template = client.get("/models/tiny/template")
    assert template["source"] == "own"
    assert "Tell me a story." in template["preview"]
    assert client.get("/models/tiny/measured") == {"tuning": None, "made": None, "plots": []}
    made = {
        "name": "tiny",
        "source": "large",
        "measured": {"texts": [{"text": "en", "kl": 0.02, "perplexity": 9.0, "source_perplexity": 8.5}]},
    }
    (home.models / "tiny.quantized.json").write_text(json.dumps(made), encoding="utf-8")
    told = client.get("/models/tiny/measured")
    assert told["made"] == made
    assert [plot["kind"] for plot in told["plots"]] == ["bars", "bars"]


def test_a_chosen_template_is_told_as_such(client: Client) -> None:
    client.call(
        "PUT", "/models/tiny/options", json={"options": {"chat_template": "{{ messages[-1].content }}!"}}
    )
    told = client.get("/models/tiny/template")
    assert (told["source"], told["preview"], told["problem"]) == ("chosen", "Tell me a story.!", "")
