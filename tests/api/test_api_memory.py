"""What a chat remembers: facts and summaries in the head, passages before what was asked."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import httpx
import pytest
from sqlalchemy import func, select
from stage import Stage
from talking import Chat, Client, Json
from waiting import until

from fabula.app import Studio
from fabula.chats import shelf
from fabula.chats.memory.embedding import Embedder
from fabula.chats.memory.told import SO_FAR
from fabula.chats.memory.writing import ROOM
from fabula.core.sampling import Sampling
from fabula.core.worker import Prompt
from fabula.store.schema.memory import memories, memory_passages, memory_settings

MIRA = {"data": {"name": "Mira", "description": "Keeps the light.", "first_mes": "Come in."}}


@pytest.fixture
def mira(client: Client) -> Json:
    return dict(client.post("/characters", {"card": MIRA}, 201))


@pytest.fixture
def chat(client: Client, mira: Json) -> Chat:
    return client.new_chat(character_id=mira["id"])


def prompt(client: Client, chat: Chat) -> str:
    return str(client.get(f"{chat.path}/prompt")["text"])


def test_a_fact_is_told_in_every_turn_until_it_is_forgotten(client: Client, chat: Chat) -> None:
    made = client.post(f"{chat.path}/memory/facts", {"text": " Ann is tall. "}, 201)
    assert "Keep in mind:\n- Ann is tall." in prompt(client, chat)
    client.call("PUT", f"{chat.path}/memory/{made['id']}", json={"text": "Ann is small."})
    assert "- Ann is small." in prompt(client, chat)
    client.call("DELETE", f"{chat.path}/memory/{made['id']}", 204)
    assert "Keep in mind" not in prompt(client, chat)
    assert (
        client.call("DELETE", f"{chat.path}/memory/{made['id']}", 404)["error"]["code"] == "memory_not_found"
    )


def test_a_summary_is_asked_for_behind_the_last_reply_and_kept_out_of_the_chat(
    client: Client, chat: Chat, stage: Stage
) -> None:
    stage.script = ["A reply.", "They met in a storm."]
    chat.say("Hello.")
    before = stage.worker.prompts[-1]
    made = client.post(f"{chat.path}/memory/summaries", status=201)
    assert made["text"] == "They met in a storm."
    asked = stage.worker.prompts[-1]
    assert asked.pieces[0][: len(before.pieces[0])] == before.pieces[0]
    assert stage.worker.contexts[-1].purpose == "summary"
    assert chat.texts[-1] == "A reply."
    [summary] = client.get(f"{chat.path}/memory")["summaries"]
    assert (summary["covers"], summary["in_force"]) == (3, True)


def test_a_summary_of_a_changed_message_does_not_hold_any_more(
    client: Client, chat: Chat, stage: Stage
) -> None:
    stage.script = ["A reply.", "They met in a storm."]
    chat.say("Hello.")
    client.post(f"{chat.path}/memory/summaries", status=201)
    last = chat.messages[-1]
    client.call("PATCH", f"{chat.path}/messages/{last['id']}", json=chat.at_revision(text="Another."))
    [summary] = client.get(f"{chat.path}/memory")["summaries"]
    assert (summary["covers"], summary["in_force"]) == (0, False)
    assert "storm" not in prompt(client, chat)


def test_settings_are_changed_one_by_one_and_checked(client: Client, chat: Chat) -> None:
    now = client.call("PATCH", f"{chat.path}/memory", json={"summary": "auto", "words": 50})
    assert now["settings"] == {"summary": "auto", "words": 50, "recall": 0, "embedder": ""}
    client.call("PATCH", f"{chat.path}/memory", 400, json={"words": 1})
    client.call("PATCH", f"{chat.path}/memory", 404, json={"embedder": "nobody"})


def test_without_a_character_facts_stand_behind_the_system_prompt(client: Client) -> None:
    chat = client.new_chat(system="Be brief.")
    client.post(f"{chat.path}/memory/facts", {"text": "Ann is tall."}, 201)
    chat.add("user", "Hello.")
    assert "Be brief.\n\nKeep in mind:\n- Ann is tall." in prompt(client, chat)
    for refused in ({"summary": "auto"}, {"recall": 1}):
        client.call("PATCH", f"{chat.path}/memory", 400, json=refused)


def test_what_cannot_be_recalled_disturbs_no_turn_and_is_told(client: Client, chat: Chat) -> None:
    client.post(f"{chat.path}/memory/documents", {"name": "notes.txt", "text": "The lamp burns oil."}, 201)
    client.call("PATCH", f"{chat.path}/memory", json={"recall": 2})
    assert chat.say("What burns?")[-1].kind == "done"
    assert client.get(f"{chat.path}/memory")["problem"]["code"]


class Letters:
    """Vectors that count letters: alike where the words are."""

    def chosen(self, named: str) -> Embedder:
        return Embedder("letters", weak=False)

    async def vectors(self, embedder: Embedder, texts: Sequence[str]) -> list[Sequence[float]]:
        letters = "abcdefghijklmnopqrstuvwxyz"
        return [[float(text.lower().count(letter)) for letter in letters] for text in texts]


@pytest.fixture
async def told(studio: Studio, api: httpx.AsyncClient) -> tuple[httpx.AsyncClient, str]:
    """A chat whose passages are found by letters."""
    studio.memories.recall.embeds = Letters()
    made = (await api.post("/characters", json={"card": MIRA})).json()
    chat = (await api.post("/chats", json={"character_id": made["id"], "model": "tiny"})).json()
    return api, f"/chats/{chat['id']}"


async def test_passages_that_fit_are_told_before_what_was_asked_and_stay_there(
    told: tuple[httpx.AsyncClient, str],
) -> None:
    api, path = told
    text = "The lamp burns oil.\n" + "Zzz zzz. " * 80 + "\nWhales jump."
    await api.post(f"{path}/memory/documents", json={"name": "notes.txt", "text": text})
    await api.patch(f"{path}/memory", json={"recall": 1})
    found = (await api.get(f"{path}/memory/passages", params={"q": "jump whales"})).json()["passages"]
    assert found[0]["text"].endswith("Whales jump.")
    revision = (await api.get(path)).json()["revision"]
    await api.post(f"{path}/messages", json={"revision": revision, "role": "user", "text": "Whales jump?"})
    said = (await api.get(f"{path}/prompt")).json()["text"]
    assert said.index("(notes.txt:") < said.index("Whales jump?")


async def test_what_is_written_in_the_background_gives_way_to_a_turn(studio: Studio) -> None:
    async def for_ever() -> None:
        await asyncio.sleep(60)

    studio.memories.afterwards.begin("c", for_ever())
    await asyncio.sleep(0)
    studio.memories.begun("c")
    await asyncio.sleep(0.01)
    assert "c" not in studio.memories.afterwards


def test_a_summary_is_written_before_the_window_is_cut_and_told_from_the_cut_on(
    client: Client, mira: Json, stage: Stage
) -> None:
    def says(prompt: Prompt, sampling: Sampling) -> str:
        is_summary = sampling.max_tokens == 20 * ROOM
        return "They met in a storm." if is_summary else "Yes. " * 12

    stage.script = says
    chat = client.new_chat(character_id=mira["id"], sampling={"max_tokens": 50})
    client.call("PATCH", f"{chat.path}/memory", json={"summary": "auto", "words": 20})
    cut = told = 0
    for number in range(20):
        said = chat.say(f"Question {number} " + "and so on " * 8, load={"context": 700})
        cut = said[-1].data["facts"]["cut_messages"]
        until(lambda: not client.get(f"{chat.path}/memory")["writing"])
        told = prompt(client, chat).count(SO_FAR + "They met in a storm.")
        assert told == (1 if cut else 0)
    assert cut
    assert told
    assert len(client.get(f"{chat.path}/memory")["summaries"]) >= 1


async def test_messages_that_the_window_holds_no_more_are_found_and_the_others_are_not(
    studio: Studio, told: tuple[httpx.AsyncClient, str]
) -> None:
    api, path = told
    for text in ("Whales jump.", "Bread and rye."):
        revision = (await api.get(path)).json()["revision"]
        await api.post(f"{path}/messages", json={"revision": revision, "role": "user", "text": text})
    id = path.rsplit("/", 1)[1]
    messages = (await api.get(f"{path}/messages")).json()["messages"]
    memory = {"layout": {"first": messages[-1]["id"]}}
    await studio.database.write(lambda c: shelf.remember(c, "local", id, memory, {}))
    found = (await api.get(f"{path}/memory/passages", params={"q": "jumping whales"})).json()["passages"]
    assert [one["text"] for one in found] == ["Whales jump.", "Come in."]


async def test_all_of_it_goes_with_the_chat(studio: Studio, told: tuple[httpx.AsyncClient, str]) -> None:
    api, path = told
    await api.post(f"{path}/memory/facts", json={"text": "Ann is tall."})
    await api.post(f"{path}/memory/documents", json={"name": "n", "text": "Whales jump."})
    await api.patch(f"{path}/memory", json={"words": 50})
    await api.get(f"{path}/memory/passages", params={"q": "whales"})
    await api.delete(path, params={"forever": True})
    tables = (memories, memory_passages, memory_settings)
    counts = await studio.database.read(
        lambda c: [c.scalar(select(func.count()).select_from(t)) for t in tables]
    )
    assert counts == [0, 0, 0]
