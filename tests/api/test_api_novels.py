"""Novels and notebooks over the API: written, chosen, taken back, handed out."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from stage import SLOWLY, Stage
from talking import Client, text_of

from fabula.app import Studio
from fabula.chats.novels.writing import Spot
from fabula.core.seams import Event
from fabula.prompt.novel.model import anchor

NEW = {"title": "Coast", "chapters": [{"title": "One", "text": "The fog came."}]}
Json = dict[str, Any]


def write(client: Client, room: str, id: str, **body: Any) -> Json:
    """To the end of the turn; the data of its last event."""
    revision = client.get(f"/{room}/{id}")["revision"]
    begun = client.post(f"/{room}/{id}/turns", {"revision": revision, **body}, 202)
    events = client.hear(f"/turns/{begun['turn_id']}/events")
    assert events[-1].kind == "done", events[-1].data
    return events[-1].data | {"said": text_of(events)}


def text(client: Client, novel: Json) -> str:
    return str(client.get(f"/novels/{novel['id']}/chapters/{novel['chapters'][0]['id']}")["text"])


def test_a_novel_goes_on_and_the_passage_is_kept(client: Client, stage: Stage) -> None:
    stage.script = ["It stayed for days."]
    novel = client.post("/novels", NEW, 201)
    done = write(client, "novels", novel["id"], instruction="It gets worse.")
    assert text(client, novel) == "The fog came.\n\nIt stayed for days."
    assert done["novel"]["inserted"] == "\n\nIt stayed for days."
    [passage] = client.get(f"/novels/{novel['id']}/passages")["passages"]
    assert (passage["instruction"], passage["stands"]) == ("It gets worse.", True)
    assert client.get(f"/novels/{novel['id']}")["words"] == 7


def test_of_several_passages_one_is_chosen_and_another_can_be(client: Client, stage: Stage) -> None:
    stage.script = [" Ann ran.", " Ann stayed."]
    novel = client.post("/novels", NEW, 201)
    done = write(client, "novels", novel["id"], count=2)
    assert (text(client, novel), len(done["passages"])) == ("The fog came.", 2)
    found = client.get(f"/novels/{novel['id']}/passages")["passages"]
    for one in found:
        revision = client.get(f"/novels/{novel['id']}")["revision"]
        client.post(f"/novels/{novel['id']}/choose", {"revision": revision, "passage_id": one["id"]})
        assert text(client, novel).endswith(one["text"])


def test_a_passage_is_rewritten_between_two_places(client: Client, stage: Stage) -> None:
    stage.script = ["mist"]
    novel = client.post("/novels", NEW, 201)
    write(client, "novels", novel["id"], kind="rewrite", at=4, end=7)
    assert text(client, novel) == "The mist came."
    refused = client.post(
        f"/novels/{novel['id']}/turns", {"revision": 2, "kind": "expand", "at": 4, "end": 900}, 400
    )
    assert refused["error"]["code"] == "bad_parameter"


def test_a_stale_writer_gets_409_and_the_text(client: Client) -> None:
    novel = client.post("/novels", NEW, 201)
    path = f"/novels/{novel['id']}/chapters/{novel['chapters'][0]['id']}/text"
    client.call("PUT", path, json={"revision": 1, "text": "First."})
    told = client.call("PUT", path, 409, json={"revision": 1, "text": "Second."})
    assert (told["error"]["code"], told["error"]["fields"]["text"]) == ("novel_changed", "Second.")
    again = client.post(f"/novels/{novel['id']}/undo", {"revision": 2})
    assert (again["inserted"], text(client, novel)) == ("The fog came", "The fog came.")


def test_while_one_turn_writes_a_second_is_refused_and_stop_keeps_the_text(
    client: Client, stage: Stage
) -> None:
    stage.script = [SLOWLY]
    novel = client.post("/novels", NEW, 201)
    begun = client.post(f"/novels/{novel['id']}/turns", {"revision": 1}, 202)
    refused = client.post(f"/novels/{novel['id']}/turns", {"revision": 1}, 409)
    assert refused["error"]["code"] == "novel_busy"
    with client.events("GET", f"/turns/{begun['turn_id']}/events") as events:
        next(event for event in events if event.kind == "text")
        client.post(f"/turns/{begun['turn_id']}/stop", status=202)
        last = list(events)[-1]
    assert last.data["reason"] == "stopped"
    assert text(client, novel).startswith("The fog came.One")


async def test_what_a_killed_studio_wrote_is_stored_at_the_next_start_and_only_once(studio: Studio) -> None:
    novel = await studio.novels.create("local", {}, [("", "It rained.")])
    chapter = novel.chapters[0]
    spot = Spot(
        turn_id="t1",
        owner_id="local",
        novel_id=novel.id,
        chapter_id=chapter.id,
        kind="continue",
        start=10,
        replaced="",
        before=anchor("It rained.", 10),
        base=chapter.version_id,
        take=True,
        instruction="",
        model="tiny",
        tokenizer="hash",
        passage_ids=("p1",),
    )
    record = studio.journal.begin("t1", asdict(spot))
    record.append(Event(1, "start", spot.start_event()))
    record.append(Event(2, "text", {"text": " All", "ids": [7]}))
    record.append(Event(3, "text", {"text": " day", "ids": [8]}))
    record.close()
    assert await studio.replies.recover() >= 0  # a chat's recovery leaves it alone
    assert [await studio.novel_writing.recover(), await studio.novel_writing.recover()] == [1, 0]
    _, runs = await studio.novels.text("local", novel.id, chapter.id)
    assert runs == [
        {"text": "It rained."},
        {"text": " All day", "ids": [7, 8], "tokenizer": "hash"},
    ]


def test_the_prompt_names_its_parts_and_why_they_are_there(client: Client) -> None:
    told = {"outline": "Ann finds a lamp.", "facts": ["Ann is tall."], "notes": "Short."}
    novel = client.post("/novels", NEW | {"settings": told}, 201)
    looked = client.post(f"/novels/{novel['id']}/prompt", {"instruction": "A boat comes."})
    parts = [(one["source"], one["label"], one["reason"]) for one in looked["segments"]]
    assert parts == [
        ("system_prompt", "Co-writer", "head"),
        ("title", "", "head"),
        ("outline", "", "head"),
        ("facts", "", "head"),
        ("chapter", "One", "history"),
        ("notes", "", "stays"),
        ("instruction", "", "stays"),
    ]
    assert looked["text"].index("The fog came.") < looked["text"].index("A boat comes.")


def test_chapters_are_added_moved_summed_up_and_removed(client: Client, stage: Stage) -> None:
    stage.script = ["Fog came."]
    novel = client.post("/novels", NEW, 201)
    path = f"/novels/{novel['id']}/chapters"
    more = client.post(path, {"revision": 1, "title": "Two", "at": 0}, 201)
    first, second = more["chapters"]
    assert (first["title"], second["title"]) == ("Two", "One")
    summed = client.post(f"{path}/{second['id']}/summary", {"revision": more["revision"]})
    assert summed["chapters"][1]["summary"] == "Fog came."
    left = client.post(f"{path}/{first['id']}/remove", {"revision": summed["revision"]})
    refused = client.post(f"{path}/{second['id']}/remove", {"revision": left["revision"]}, 400)
    assert (len(left["chapters"]), refused["error"]["code"]) == (1, "bad_parameter")


def test_a_novel_goes_out_and_comes_in_as_markdown(client: Client) -> None:
    novel = client.post("/novels", NEW, 201)
    file = client.http.get(f"/novels/{novel['id']}/export").content
    assert file == b"# Coast\n\n## One\n\nThe fog came.\n"
    again = client.call("POST", "/novels/import", 201, params={"name": "x.md"}, content=file)
    assert (again["title"], text(client, again)) == ("Coast", "The fog came.")
    html = client.http.get(f"/novels/{novel['id']}/export", params={"format": "html"}).text
    assert "<h2>One</h2>" in html


def test_the_trash_gives_a_novel_back(client: Client) -> None:
    novel = client.post("/novels", NEW, 201)
    client.call("DELETE", f"/novels/{novel['id']}", 204)
    assert client.get("/novels")["total"] == 0
    assert client.get("/novels", trashed=True)["total"] == 1
    client.post(f"/novels/{novel['id']}/restore")
    assert client.get("/novels")["novels"][0]["title"] == "Coast"


def test_a_notebook_goes_on_with_the_bare_text(client: Client, stage: Stage) -> None:
    stage.script = [" a time"]
    note = client.post("/notebooks", {"text": "Once upon"}, 201)
    looked = client.post(f"/notebooks/{note['id']}/prompt", {})
    write(client, "notebooks", note["id"])
    told = client.get(f"/notebooks/{note['id']}/text")
    assert (looked["text"], told["text"]) == ("Once upon", "Once upon a time")
    assert [run["by"] for run in told["runs"]] == ["person", "model"]
    refused = client.post(f"/notebooks/{note['id']}/pick", {"revision": 2, "at": 0, "token_id": 1}, 400)
    assert refused["error"]["code"] == "bad_parameter"
