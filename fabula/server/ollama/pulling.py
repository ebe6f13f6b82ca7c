"""/api/pull: a download of Fabula's own queue, told as Ollama tells one. Knows no hub.

Names are those of the catalogue, `hf.co/owner/repo:quantization`, and whatever `fabula pull` takes. A model
that is here is not fetched again. Where a name is not what the shelf calls the model, it becomes another name
of it, so that clients find what they have pulled.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from typing import Any

from fastapi import Request
from fastapi.responses import Response

from fabula.app import Studio
from fabula.core.errors import DoesNotFit, JobNotFound, ModelNotFound
from fabula.models.catalog import ALIASES
from fabula.models.derived import Derived, plain
from fabula.models.known.entries import Entry, find
from fabula.models.known.entries import plain as letters
from fabula.models.known.own import known
from fabula.server.bodies import body_of, get, unknown
from fabula.server.ollama.models import name_of
from fabula.server.ollama.parse import model_of
from fabula.server.ollama.steps import SUCCESS, Step, Steps, followed, told
from fabula.server.routing import Routes
from fabula.store.jobs import ENDED, Job

KNOWN = frozenset({"model", "name", "stream", "insecure", "username", "password"})
HUB = re.compile(r"^(?:https?://)?(?:hf\.co|huggingface\.co)/(?P<repo>[^/:]+/[^/:]+)(?::(?P<choice>[^:]+))?$")
SOURCE = re.compile(r"^(hf|hub|ms|wheel|ollama|https?):")
WHOLE = re.compile(r"^(hf|hub|ms):[^:@]+(@[^:]+)?$")
SIZE = re.compile(r"\s+(?:\d+x)?\d+(?:\.\d+)?[BM]\b")  # "Llama 3.2" before " 3B Instruct"
USUAL = 10_000_000_000  # parameters
TALKERS = ("instruct", "it", "chat")
MANIFEST = {"status": "pulling manifest"}


def router(studio: Studio) -> Routes:
    routes = Routes(prefix="/api", tags=["Ollama"])

    @routes.post("/pull", response_model=None)
    async def pull(request: Request) -> Response:
        """Get a model, with its progress; a client that goes away pauses it."""
        body = await body_of(request)
        name, stream = model_of(body), get(body, "stream", bool, True)
        ignored = unknown(body, KNOWN - {"insecure", "username", "password"}, {"insecure": (False,)})
        return await told(request, pulled(studio, name), stream=stream, ignored=ignored)

    return routes


async def pulled(studio: Studio, name: str) -> Steps:
    """Raises what finding or fetching it raises."""
    if here(studio, name):
        yield MANIFEST
        yield SUCCESS
        return
    source = await source_of(studio, name)
    running = any(row.source == source for row in await studio.fetching.queue.list())
    job = await studio.fetching.pull(source)
    yield MANIFEST
    yield {"status": f"resolved to {source}"}  # a name can mean several things: what is fetched is said
    made = ""
    async with aclosing(_fetched(studio, job, source, is_mine=not running)) as steps:
        async for step in steps:
            made = step.pop("made", made)
            if step:
                yield step
    _also_called(studio, name, made)
    for status in ("verifying sha256 digest", "writing manifest"):  # it was done on the way
        yield {"status": status}
    yield SUCCESS


def here(studio: Studio, name: str) -> bool:
    """Under this very name: a similar one may be another model."""
    wanted = plain(name).lower()
    names = {model.name.lower() for model in studio.shelf.all() if not model.problem}
    return wanted in names or (ALIASES.get(wanted) or "").lower() in names


async def source_of(studio: Studio, name: str) -> str:
    """What is fetched for a name; of a whole repository what suits this machine.

    Raises ModelNotFound, NotInCatalog, DoesNotFit, NotForHere or a DownloadFailure.
    """
    text = plain(name)
    if found := HUB.match(text):
        text = f"hf:{found['repo']}" + (f":{found['choice']}" if found["choice"] else "")
    if text.lower() in ALIASES or (SOURCE.match(text) and not WHOLE.match(text)):
        return text
    if text.lower().endswith(".gguf"):
        return text
    asked = text if SOURCE.match(text) else await asyncio.to_thread(_in_catalog, studio, text)
    offers = await studio.fetching.offers(asked, studio.planning.fits)
    if offers.best:
        return offers.best.source
    if not offers.offers:
        raise ModelNotFound(name, "–")
    least = min(offers.offers, key=lambda offer: offer.plan.total).plan
    raise DoesNotFit(name, least.total, least.available, least.context)


def _in_catalog(studio: Studio, name: str) -> str:
    """`llama3.2:3b` is the instruct model there, where there is one: that is tried before the bare name."""
    rows, words = known(studio.home.catalog), name.replace(":", " ").replace("/", " ")
    for kind in TALKERS:
        wanted = f"{words} {kind}"
        if (entry := find(rows, wanted)) and letters(wanted) in map(letters, (entry.name, *entry.aliases)):
            return entry.name
    usual = usual_of(rows, words)
    return usual.name if usual else words


def usual_of(rows: Iterable[Entry], family: str) -> Entry | None:
    """What a name without a size means: the largest that talks of at most `USUAL` parameters, the newest of
    these; where all are larger, the smallest.

    Ollama's own `latest` is nearly always that (3B of llama3.2, 8B of llama3.1, 7B of qwen2.5, 4B of gemma3).
    """
    wanted = letters(family)
    named = [
        entry
        for entry in rows
        if entry.stage == "instruct"
        and entry.quantized
        and letters(SIZE.split(entry.name, maxsplit=1)[0]) == wanted
    ]
    usual = [entry for entry in named if entry.parameters <= USUAL]
    if not usual:
        return min(named, key=lambda entry: entry.parameters, default=None)
    return max(reversed(usual), key=lambda entry: entry.parameters)


async def _fetched(studio: Studio, job: Job, source: str, *, is_mine: bool) -> AsyncGenerator[Step, None]:
    """Progress, then `made`: what the shelf calls it. Who goes away before its end pauses what he began."""
    id = hashlib.sha256(source.encode()).hexdigest()  # of this download: nobody knows the content's before
    ended = False
    try:
        async with aclosing(followed(studio, job.id)) as jobs:
            async for now in jobs:
                ended = now.state in ENDED
                yield _step(now, id)
        yield {"made": (await studio.jobs.get(job.id)).result.get("name", "")}
    finally:
        if is_mine and not ended:
            await _pause(studio, job.id)


async def _pause(studio: Studio, id: str) -> None:
    try:
        await studio.fetching.queue.pause(id)
    except JobNotFound:  # it has just ended
        return


def _step(job: Job, id: str) -> Step:
    if job.state == "queued":
        return {"status": "waiting for other downloads"}
    row: dict[str, Any] = {"status": f"pulling {id[:12]}", "digest": f"sha256:{id}"}
    if job.progress.total:
        row |= {"total": int(job.progress.total), "completed": int(job.progress.done)}
    return row


def _also_called(studio: Studio, name: str, made: str) -> None:
    """Another name for what was fetched, where it would not be found by it."""
    wanted = plain(name)
    if not made or SOURCE.match(wanted):
        return
    try:
        if studio.find_model(wanted).name == made:
            return
    except ModelNotFound:
        pass
    studio.save_derived(Derived(name=name_of(wanted.removeprefix("https://"), "model"), base=made))
