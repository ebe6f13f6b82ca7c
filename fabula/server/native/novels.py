"""Novels and notebooks: chapters, text, passages, files. Knows no prompt and no table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Literal
from urllib.parse import quote

from fastapi import Request
from fastapi.responses import JSONResponse, Response

from fabula.app.studio import Studio
from fabula.chats.novels import exchange, pieces
from fabula.chats.novels.memory import document_row
from fabula.chats.novels.records import Change, Novel, NovelSettings
from fabula.chats.novels.writing import Ask
from fabula.server.caller import caller_of
from fabula.server.native import novel_bodies as bodies
from fabula.server.native import shapes
from fabula.server.native.bodies import Revision
from fabula.server.native.memory import Count, Document
from fabula.server.native.turns import told_events
from fabula.server.routing import Routes
from fabula.server.sse import EventStream

Kind = Literal["novels", "notebooks"]
KINDS: dict[Kind, str] = {"novels": "novel", "notebooks": "notebook"}


def router(studio: Studio) -> Routes:
    routes = Routes()
    _begin(routes, studio)
    for kind in KINDS:
        _document(routes, studio, kind)
        _writing(routes, studio, kind)
    _chapters(routes, studio)
    _memory(routes, studio)
    _notebook(routes, studio)
    return routes


def _tags(kind: Kind) -> dict[str, Any]:
    return {"tags": ["Novels" if kind == "novels" else "Notebooks"]}


def _begin(routes: Routes, studio: Studio) -> None:
    novels = studio.novels

    @routes.post("/novels", status_code=201, tags=["Novels"])
    async def create(body: bodies.NewNovel, request: Request) -> dict[str, Any]:
        """With an empty first chapter, or with those that are given."""
        fields = {"title": body.title, "model": body.model, "sampling": body.sampling}
        fields |= {"settings": body.settings.given()}
        chapters = [(one.title, one.text) for one in body.chapters] or [("", "")]
        return _novel(studio, await novels.create(caller_of(request).owner_id, fields, chapters))

    @routes.post("/novels/import", status_code=201, tags=["Novels"])
    async def take(request: Request, name: str = "novel.txt") -> dict[str, Any]:
        """From the bytes of a file of text or Markdown; headings begin chapters."""
        found = exchange.read(name, await request.body())
        owner = caller_of(request).owner_id
        return _novel(studio, await novels.create(owner, {"title": found.title}, found.chapters))

    @routes.post("/notebooks", status_code=201, tags=["Notebooks"])
    async def begin(body: bodies.NewNotebook, request: Request) -> dict[str, Any]:
        fields = {"kind": "notebook", "title": body.title, "model": body.model, "sampling": body.sampling}
        fields |= {"settings": {"logprobs": body.logprobs}}
        return _novel(studio, await novels.create(caller_of(request).owner_id, fields, [("", body.text)]))


def _document(routes: Routes, studio: Studio, kind: Kind) -> None:
    """What novels and notebooks have in common as things to keep."""
    novels, more = studio.novels, _tags(kind)

    @routes.get(f"/{kind}", **more)
    async def list_novels(
        request: Request, offset: int = 0, limit: int = 100, words: str = "", trashed: bool = False
    ) -> dict[str, Any]:
        """Newest first, with their sizes in characters and words."""
        found, total = await novels.list(
            caller_of(request).owner_id,
            KINDS[kind],
            trashed=trashed,
            words=words,
            offset=max(0, offset),
            limit=max(1, min(limit, 1000)),
        )
        return {kind: [asdict(one) for one in found], "total": total}

    @routes.get(f"/{kind}/{{id}}", **more)
    async def get(id: str, request: Request) -> dict[str, Any]:
        """With its chapters, but for their texts, and all settings."""
        return _novel(studio, await novels.get(caller_of(request).owner_id, id))

    @routes.patch(f"/{kind}/{{id}}", **more)
    async def change(id: str, body: bodies.NovelChanges, request: Request) -> dict[str, Any]:
        """Fields that are not given stay as they are. 409 for who saw an older revision."""
        owner = caller_of(request).owner_id
        if body.settings and body.settings.embedder:
            studio.novel_memories.recall.embeds.chosen(body.settings.embedder)
        return _novel(studio, await novels.change(owner, id, body.revision, body.given()))

    @routes.delete(f"/{kind}/{{id}}", status_code=204, **more)
    async def remove(id: str, request: Request, forever: bool = False) -> Response:
        """Into the trash; `forever` deletes it."""
        await studio.novel_writing.stop_in(id)
        await novels.remove(caller_of(request).owner_id, id, forever=forever)
        return Response(status_code=204)

    @routes.post(f"/{kind}/{{id}}/restore", **more)
    async def restore(id: str, request: Request) -> dict[str, Any]:
        """Out of the trash."""
        return _novel(studio, await novels.restore(caller_of(request).owner_id, id))

    @routes.get(f"/{kind}/{{id}}/export", response_model=None, **more)
    async def export(id: str, request: Request, format: exchange.Format = "markdown") -> Response:
        novel, texts = await novels.texts(caller_of(request).owner_id, id)
        chapters = [(one.title, pieces.text_of(texts[one.id])) for one in novel.chapters]
        file = exchange.write(novel.title, chapters, format)
        named = {"Content-Disposition": f"attachment; filename*=UTF-8''{quote(file.name)}"}
        return Response(file.content, media_type=file.kind, headers=named)


def _writing(routes: Routes, studio: Studio, kind: Kind) -> None:
    """Turns, what they brought, and the way back."""
    novels, writing, more = studio.novels, studio.novel_writing, _tags(kind)

    @routes.post(f"/{kind}/{{id}}/turns", status_code=202, response_model=None, **more)
    async def write(id: str, body: bodies.Write, request: Request) -> Response:
        """Begin to write: on from the cursor, or a passage anew; with `Accept: text/event-stream`, as its
        event stream. Follow it under /turns."""
        caller = caller_of(request)
        begun = await writing.start(caller, Ask(novel_id=id, **body.model_dump()))
        if "text/event-stream" in request.headers.get("accept", ""):
            return EventStream(told_events(studio.live.follow(begun.turn_id), caller.language), status=202)
        told = begun.spot.start_event() | {"passage_ids": list(begun.passage_ids)}
        return JSONResponse(told, status_code=202)

    @routes.post(f"/{kind}/{{id}}/prompt", **more)
    async def look(id: str, body: bodies.Look, request: Request) -> dict[str, Any]:
        """The prompt that a passage would be written from: its parts, their tokens, why they are there."""
        asked = Ask(novel_id=id, revision=0, **body.model_dump())
        return shapes.prompt(*await writing.look(caller_of(request), asked))

    @routes.get(f"/{kind}/{{id}}/passages", **more)
    async def passages(
        id: str, request: Request, chapter_id: str = "", turn_id: str = "", offset: int = 0, limit: int = 100
    ) -> dict[str, Any]:
        """What models wrote, also what nobody chose; newest turn first. `stands`: the text has it now."""
        owner, language = caller_of(request).owner_id, caller_of(request).language
        found = await novels.passages(
            owner,
            id,
            chapter_id=chapter_id,
            turn_id=turn_id,
            offset=max(0, offset),
            limit=max(1, min(limit, 500)),
        )
        return {"passages": [shapes.told(asdict(one), language) for one in found]}

    @routes.post(f"/{kind}/{{id}}/choose", **more)
    async def choose(id: str, body: bodies.Choose, request: Request) -> dict[str, Any]:
        """A passage takes the place of the one that stands there; that one is kept."""
        owner = caller_of(request).owner_id
        return _change(studio, await novels.choose(owner, id, body.revision, body.passage_id))

    @routes.post(f"/{kind}/{{id}}/undo", **more)
    async def undo(id: str, body: Revision, request: Request) -> dict[str, Any]:
        return _change(studio, await novels.undo(caller_of(request).owner_id, id, body.revision))

    @routes.post(f"/{kind}/{{id}}/redo", **more)
    async def redo(id: str, body: Revision, request: Request) -> dict[str, Any]:
        return _change(studio, await novels.redo(caller_of(request).owner_id, id, body.revision))


def _chapters(routes: Routes, studio: Studio) -> None:
    novels = studio.novels
    more: dict[str, Any] = {"tags": ["Novels"]}
    at = "/novels/{id}/chapters/{chapter_id}"

    @routes.post("/novels/{id}/chapters", status_code=201, **more)
    async def add(id: str, body: bodies.AddChapter, request: Request) -> dict[str, Any]:
        """At a place in the order (from 0), or at the end."""
        fields = body.model_dump(exclude={"revision", "at"})
        owner = caller_of(request).owner_id
        return _novel(studio, await novels.add_chapter(owner, id, body.revision, fields, body.at))

    @routes.get(at, **more)
    async def get(id: str, chapter_id: str, request: Request, version_id: str = "") -> dict[str, Any]:
        """With its text, as it is now or as a version has it; `runs` say who wrote what."""
        novel, runs = await novels.text(caller_of(request).owner_id, id, chapter_id, version_id)
        info = next(asdict(one) for one in novel.chapters if one.id == chapter_id)
        return info | {"revision": novel.revision} | _text(runs)

    @routes.patch(at, **more)
    async def change(
        id: str, chapter_id: str, body: bodies.ChapterChanges, request: Request
    ) -> dict[str, Any]:
        """Title, outline, notes, summary, or its place in the order."""
        given = body.model_dump(exclude={"revision"}, exclude_unset=True, exclude_none=True)
        owner = caller_of(request).owner_id
        return _novel(studio, await novels.change_chapter(owner, id, body.revision, chapter_id, given))

    @routes.post(at + "/remove", **more)
    async def remove(id: str, chapter_id: str, body: Revision, request: Request) -> dict[str, Any]:
        """Undo brings it back."""
        owner = caller_of(request).owner_id
        return _novel(studio, await novels.remove_chapter(owner, id, body.revision, chapter_id))

    @routes.put(at + "/text", **more)
    async def edit(id: str, chapter_id: str, body: bodies.TextEdit, request: Request) -> dict[str, Any]:
        """Another text of the whole chapter, or between two places. 409, with the text, for who saw an older
        revision."""
        owner = caller_of(request).owner_id
        made = await novels.edit(owner, id, body.revision, chapter_id, body.text, body.start, body.end)
        return _change(studio, made)

    @routes.get(at + "/versions", **more)
    async def versions(
        id: str, chapter_id: str, request: Request, offset: int = 0, limit: int = 100
    ) -> dict[str, Any]:
        """Newest first; each says what it put in the place of what."""
        owner = caller_of(request).owner_id
        found = await novels.versions(owner, id, chapter_id, max(0, offset), max(1, min(limit, 1000)))
        return {"versions": [asdict(one) for one in found]}

    @routes.post(at + "/restore", **more)
    async def restore(
        id: str, chapter_id: str, body: bodies.RestoreVersion, request: Request
    ) -> dict[str, Any]:
        """An earlier version is shown again."""
        owner = caller_of(request).owner_id
        return _change(
            studio, await novels.restore_version(owner, id, body.revision, chapter_id, body.version_id)
        )

    @routes.post(at + "/summary", **more)
    async def sum_up(id: str, chapter_id: str, body: Revision, request: Request) -> dict[str, Any]:
        """Write a summary of a chapter, and keep it: it is told once the window holds the chapter no more."""
        caller = caller_of(request)
        text, _ = await studio.novel_summaries.sum_up(caller, id, chapter_id)
        given = {"summary": text, "by_model": True}
        made = await novels.change_chapter(caller.owner_id, id, body.revision, chapter_id, given)
        return _novel(studio, made)


def _memory(routes: Routes, studio: Studio) -> None:
    memories = studio.novel_memories
    more: dict[str, Any] = {"tags": ["Novels"]}

    @routes.get("/novels/{id}/memory", **more)
    async def get(id: str, request: Request) -> dict[str, Any]:
        """Documents and summaries, with what went wrong the last time."""
        return await memories.of(caller_of(request).owner_id, id)

    @routes.post("/novels/{id}/memory/documents", status_code=201, **more)
    async def add(id: str, body: Document, request: Request) -> dict[str, Any]:
        """A text of which fitting passages are told, where `recall` is set."""
        return document_row(await memories.add(caller_of(request).owner_id, id, body.text, body.name))

    @routes.delete("/novels/{id}/memory/documents/{document_id}", status_code=204, **more)
    async def remove(id: str, document_id: str, request: Request) -> Response:
        await memories.remove(caller_of(request).owner_id, id, document_id)
        return Response(status_code=204)

    @routes.get("/novels/{id}/memory/passages", **more)
    async def passages(id: str, q: str, request: Request, count: Count = 5) -> dict[str, Any]:
        """What would be recalled for a text, with how much alike it is."""
        found = await memories.search(caller_of(request).owner_id, id, q, count)
        return {"passages": [asdict(one) for one in found]}


def _notebook(routes: Routes, studio: Studio) -> None:
    novels = studio.novels
    more: dict[str, Any] = {"tags": ["Notebooks"]}

    @routes.get("/notebooks/{id}/text", **more)
    async def get(id: str, request: Request, version_id: str = "") -> dict[str, Any]:
        """The text; `runs` that a model wrote have each token's probability and alternatives."""
        owner = caller_of(request).owner_id
        chapter_id = (await novels.get(owner, id)).chapters[0].id
        novel, runs = await novels.text(owner, id, chapter_id, version_id)
        shown = {"chapter_id": chapter_id, "version_id": version_id or novel.chapters[0].version_id}
        return shown | {"revision": novel.revision} | _text(runs)

    @routes.put("/notebooks/{id}/text", **more)
    async def edit(id: str, body: bodies.TextEdit, request: Request) -> dict[str, Any]:
        """As that of a chapter."""
        owner = caller_of(request).owner_id
        chapter_id = (await novels.get(owner, id)).chapters[0].id
        made = await novels.edit(owner, id, body.revision, chapter_id, body.text, body.start, body.end)
        return _change(studio, made)

    @routes.post("/notebooks/{id}/pick", **more)
    async def pick(id: str, body: bodies.Pick, request: Request) -> dict[str, Any]:
        """Another token in the place of the one that begins there; what followed goes, and can be undone."""
        owner = caller_of(request).owner_id
        chapter_id = body.chapter_id or (await novels.get(owner, id)).chapters[0].id
        return _change(
            studio, await novels.pick(owner, id, body.revision, chapter_id, body.at, body.token_id)
        )


# ── shapes ──────────────────────────────────────────────────────────────────────────────────────────


def _novel(studio: Studio, novel: Novel) -> dict[str, Any]:
    """With all settings, its size, and the turn that is writing on it."""
    told = asdict(novel) | {"settings": asdict(NovelSettings.of(novel.settings))}
    del told["owner_id"]
    sizes = {"characters": novel.characters, "words": novel.words}
    return told | sizes | {"turn_id": studio.novel_writing.turn_of(novel.id)}


def _change(studio: Studio, change: Change) -> dict[str, Any]:
    place = {name: getattr(change, name) for name in ("chapter_id", "start", "removed", "inserted")}
    return place | {"novel": _novel(studio, change.novel)}


def _text(runs: Sequence[pieces.Row]) -> dict[str, Any]:
    """Ids of tokens stay here; who shows probabilities gets them with `tokens`."""
    return {
        "text": pieces.text_of(runs),
        "runs": [
            {
                "text": run["text"],
                "by": "model" if pieces.by_model(run) else "person",
                "tokens": [_token(token) for token in run.get("tokens") or ()],
            }
            for run in runs
        ],
    }


def _token(token: Sequence[Any]) -> dict[str, Any]:
    id, text, logprob, likeliest = token
    others = [{"id": one[0], "text": one[1], "logprob": one[2]} for one in likeliest]
    return {"id": id, "text": text, "logprob": logprob, "alternatives": others}
