"""Novels and notebooks over the API: written, chosen, taken back, handed out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import httpx
from stage import ENDLESS, Stage
from talking import Client, text_of
from waiting import until

from fabula.app import Studio
from fabula.chats.memory.embedding import Embedder
from fabula.chats.memory.writing import ROOM
from fabula.chats.novels.writing import Spot
from fabula.core.sampling import Sampling
from fabula.core.seams import Event
from fabula.core.worker import Prompt
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
    stage.script = [ENDLESS]
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


LONG = {"title": "Coast", "chapters": [{"title": "One", "text": "She counted the lamps.\n\n" * 400}]}


def test_a_chapter_is_summed_up_by_itself_when_the_window_has_lost_some_of_it(
    client: Client, stage: Stage
) -> None:
    def says(prompt: Prompt, sampling: Sampling) -> str:
        return "Ann counted." if sampling.max_tokens == 20 * ROOM else " She went on."

    stage.script = says
    settings = {"summary": "auto", "words": 20}
    novel = client.post("/novels", LONG | {"settings": settings, "sampling": {"max_tokens": 50}}, 201)
    path = f"/novels/{novel['id']}"
    write(client, "novels", novel["id"], load={"context": 700})
    until(lambda: client.get(f"{path}/memory")["summaries"] != [])
    [summary] = client.get(f"{path}/memory")["summaries"]
    assert (summary["text"], summary["edited"], summary["stale"]) == ("Ann counted.", False, False)
    write(client, "novels", novel["id"])  # whoever saw the novel before can still write
    assert "Ann counted." in client.post(f"{path}/prompt", {})["text"]
    chapter = novel["chapters"][0]["id"]
    changed = {"revision": client.get(path)["revision"], "text": "A", "start": 0, "end": 3}
    client.call("PUT", f"{path}/chapters/{chapter}/text", json=changed)
    assert client.get(f"{path}/memory")["summaries"][0]["stale"] is True
    write(client, "novels", novel["id"])
    until(lambda: not client.get(f"{path}/memory")["summaries"][0]["stale"])


def test_a_summary_that_a_person_wrote_is_not_written_anew_by_itself(client: Client, stage: Stage) -> None:
    stage.script = [" She went on."]
    novel = client.post("/novels", LONG | {"settings": {"summary": "auto"}}, 201)
    path = f"/novels/{novel['id']}"
    chapter = novel["chapters"][0]["id"]
    client.call("PATCH", f"{path}/chapters/{chapter}", json={"revision": 1, "summary": "Mine."})
    write(client, "novels", novel["id"], load={"context": 700}, sampling={"max_tokens": 50})
    until(lambda: not client.get(f"{path}/memory")["writing"])
    [summary] = client.get(f"{path}/memory")["summaries"]
    assert (summary["text"], summary["edited"]) == ("Mine.", True)


class Letters:
    """Vectors that count letters: alike where the words are."""

    def chosen(self, named: str) -> Embedder:
        return Embedder("letters", weak=False)

    async def vectors(self, embedder: Embedder, texts: Sequence[str]) -> list[Sequence[float]]:
        return [[float(text.lower().count(one)) for one in "abcdefghijklmnopqrstuvwxyz"] for text in texts]


async def test_documents_and_lost_text_are_found_told_and_forgotten(
    studio: Studio, api: httpx.AsyncClient
) -> None:
    studio.novel_memories.recall.embeds = Letters()
    text = "Whales jump.\n\n" + "Bread and rye.\n\n" * 9
    body = {"model": "tiny", "settings": {"recall": 1}, "chapters": [{"title": "One", "text": text}]}
    novel = (await api.post("/novels", json=body)).json()
    path = f"/novels/{novel['id']}"
    file = {"name": "map.txt", "text": "Zzz zzz. " * 80 + "\nThe quay lies north."}
    made = (await api.post(f"{path}/memory/documents", json=file)).json()
    looked = (await api.post(f"{path}/prompt", json={"instruction": "The quay lies north."})).json()
    assert ("recalled", "map.txt", "stays") in [
        (one["source"], one["label"], one["reason"]) for one in looked["segments"]
    ]
    start = {"start": [novel["chapters"][0]["id"], text.index("Bread")]}
    await studio.novels.remember("local", novel["id"], start)
    found = (await api.get(f"{path}/memory/passages", params={"q": "jumping whales"})).json()["passages"]
    assert found[0]["text"] == "Whales jump."
    assert (await api.delete(f"{path}/memory/documents/{made['id']}")).status_code == 204
    assert (await api.get(f"{path}/memory")).json()["documents"] == []
    assert (await api.delete(f"{path}/memory/documents/{made['id']}")).status_code == 404
    refused = await api.patch(path, json={"revision": 1, "settings": {"words": 1}})
    assert refused.status_code == 400


def test_what_cannot_be_recalled_disturbs_no_passage_and_is_told(client: Client, stage: Stage) -> None:
    stage.script = [" It stayed."]
    novel = client.post("/novels", NEW | {"settings": {"recall": 2}}, 201)
    path = f"/novels/{novel['id']}/memory"
    client.post(f"{path}/documents", {"name": "notes.txt", "text": "The lamp burns oil."}, 201)
    write(client, "novels", novel["id"])
    assert client.get(path)["problem"]["code"]


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
