"""/api/create: a model from files that were sent, or from another one, with settings of its own.

Nothing of the weights is copied: files that were sent become models of the shelf, and what is added to a
model is a derived one. Knows no engine.
"""

from __future__ import annotations

import asyncio
import dataclasses
import os
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from pathlib import Path
from typing import Any

from fastapi import Request
from fastapi.responses import Response

from fabula.app import Studio
from fabula.core.errors import BadParameter, ModelExists, NotAModel
from fabula.core.model import LocalModel
from fabula.core.texts import phrase
from fabula.models.derived import Derived
from fabula.models.formats.identify import identify
from fabula.models.sources.landing import check_model, file_name, plain_name
from fabula.models.verifying import note_hash
from fabula.server.bodies import body_of, get
from fabula.server.ollama import blobs, go_template, listing, options, recipe
from fabula.server.ollama.recipe import Recipe
from fabula.server.ollama.steps import SUCCESS, Step, Steps, followed, told
from fabula.server.routing import Routes
from fabula.store.files import writing
from fabula.store.jobs import ENDED

WHOLE_SCALE = 1.0


def router(studio: Studio) -> Routes:
    routes = Routes(prefix="/api", tags=["Ollama"])

    @routes.post("/create", response_model=None)
    async def create(request: Request) -> Response:
        """A model with settings of its own, or one of files that were sent; `quantize` makes it smaller."""
        body = await body_of(request)
        wanted = recipe.read(body)
        steps = created(studio, wanted)
        return await told(request, steps, stream=get(body, "stream", bool, True), ignored=wanted.ignored)

    return routes


async def created(studio: Studio, wanted: Recipe) -> Steps:
    """Raises what reading, quantizing or saving it raises; all that can be refused is refused first."""
    made = _settings(wanted)
    base = await asyncio.to_thread(_base, studio, wanted)
    before = listing.derived(studio, base)
    yield {"status": f"using existing layer {base.name}" if wanted.base else "parsing GGUF"}
    if wanted.quantize:
        async with aclosing(_quantized(studio, base, wanted)) as steps:
            async for step in steps:
                base = step.pop("made", base)
                if step:
                    yield step
    if adapters := await asyncio.to_thread(_adapters, studio, wanted, base):
        made = dataclasses.replace(made, load=dataclasses.replace(made.load, adapters=adapters))
    yield {"status": "writing manifest"}
    if wanted.changes or base.name.lower() != wanted.name.lower():
        studio.save_derived(_over(before, base, made))
    yield SUCCESS


def _settings(wanted: Recipe) -> Derived:
    """Checked, before anything is done. Raises BadParameter, GoTemplateUnknown, TemplateRefused."""
    read = options.read(wanted.parameters)
    sampling, load = read.checked()
    return Derived(
        name=wanted.name,
        base="",
        sampling=sampling,
        load=load,
        system=wanted.system,
        messages=wanted.messages,
        template=go_template.as_jinja(wanted.template) if wanted.template else "",
        told={
            "parameters": dict(wanted.parameters),
            "template": wanted.template,
            "license": wanted.licence,
            "requires": wanted.requires,
        },
    )


def _over(before: Derived | None, base: LocalModel, made: Derived) -> Derived:
    """Over what a base had that is derived itself; weights are always those of a model of its own."""
    if made.template == base.chat_template:
        made = dataclasses.replace(made, template="", told={**made.told, "template": ""})
    if before is None:
        return dataclasses.replace(made, base=base.name)
    return dataclasses.replace(
        made,
        base=base.base or base.name,
        sampling={**before.sampling, **made.sampling},
        load=made.load.over(before.load),
        system=made.system or before.system,
        messages=made.messages or before.messages,
        template=made.template or before.template,
        told=_told_over(before.told, made.told),
    )


def _told_over(before: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, Any]:
    parameters = {**before.get("parameters", {}), **now["parameters"]}
    said = {name: value for name, value in now.items() if value}
    return {**before, **said, "parameters": parameters}


# ── weights ─────────────────────────────────────────────────────────────────────────────────────────


def _base(studio: Studio, wanted: Recipe) -> LocalModel:
    """Raises ModelNotFound, BlobNotFound, BadParameter, ModelExists."""
    digests = {name: blobs.hex_of(digest) for name, digest in wanted.files.items()}
    owner = blobs.owner(studio, *digests.values()) if len(digests) == 1 else None
    found = _named(studio, wanted.base) if wanted.base else owner
    taken = [model for model in studio.shelf.all() if model.name.lower() == wanted.name.lower()]
    if any(not model.base and (model != found or wanted.changes or wanted.quantize) for model in taken):
        raise ModelExists(wanted.name)
    if found:
        return found
    if len(digests) == 1:
        return _one_file(studio, wanted, *next(iter(digests.items())))
    return _folder(studio, wanted, digests)


def _named(studio: Studio, base: str) -> LocalModel:
    """By its name, or by the path of its file, as some Modelfiles have it."""
    if base.startswith(("/", "~")) or base.lower().endswith(".gguf"):
        path = Path(base).expanduser()
        for model in studio.shelf.catalog.list():
            if model.path == path:
                return model
    return studio.find_model(base)


def _one_file(studio: Studio, wanted: Recipe, name: str, hex: str) -> LocalModel:
    """The file gets the new model's name where nothing else is said of it, else the one that it had."""
    sent = blobs.require(studio.home, hex)
    _require_model(sent, name)
    called = name if wanted.changes or wanted.quantize else wanted.name
    target = studio.home.models / file_name(called.removesuffix(".gguf"))
    if target.exists():
        target = target.with_name(f"{target.stem}-{hex[:12]}.gguf")
    _move(sent, target)
    note_hash(target, studio.home.models, hex)
    return _at(studio, target, name)


def _folder(studio: Studio, wanted: Recipe, digests: Mapping[str, str]) -> LocalModel:
    """Parts of a GGUF, or a folder of safetensors."""
    sent = {plain_name(name): blobs.require(studio.home, hex) for name, hex in digests.items()}
    for name, file in sent.items():
        if name.lower().endswith(".gguf"):
            _require_model(file, name)
    folder = studio.home.models / plain_name(wanted.name)
    if folder.exists():
        raise ModelExists(folder.name)
    with writing(folder):
        folder.mkdir()
    for name, file in sent.items():
        _move(file, folder / name)
    try:
        return _at(studio, folder, ", ".join(digests))
    except BadParameter:
        for name, file in sent.items():  # they can be used for something else
            _move(folder / name, file)
        folder.rmdir()
        raise


def _require_model(file: Path, name: str) -> None:
    try:
        check_model(file, name)
    except NotAModel as wrong:
        raise BadParameter(f"files.{name}"[:80], file.name, phrase("expected.one_model")) from wrong
    problem = identify(file).problem
    if problem and problem != "models.problem.parts_missing":  # the other parts may have been sent too
        raise BadParameter(f"files.{name}"[:80], file.name, phrase("expected.one_model"))


def _move(sent: Path, target: Path) -> None:
    with writing(target):
        os.chmod(sent, 0o644)
        os.replace(sent, target)


def _at(studio: Studio, place: Path, said: str) -> LocalModel:
    """The model that the shelf sees there. Raises BadParameter when it sees none that can write."""
    for model in studio.shelf.catalog.list():
        if (model.path == place or model.path.parent == place) and not model.problem:
            return model
    raise BadParameter("files", said[:80], phrase("expected.one_model"))


async def _quantized(studio: Studio, base: LocalModel, wanted: Recipe) -> AsyncGenerator[Step, None]:
    """Progress, then `made`: the smaller model. It has the wanted name where nothing else is added."""
    type = wanted.quantize.upper()
    name = "" if wanted.changes else plain_name(wanted.name)
    job = await studio.making.quantize(base.name, type, name=name, measure=False)
    status, ended = f"quantizing {base.quantization} model to {type}", False
    try:
        async with aclosing(followed(studio, job.id)) as jobs:
            async for now in jobs:
                ended = now.state in ENDED
                done = {"total": int(now.progress.total), "completed": int(now.progress.done)}
                yield {"status": status} | (done if now.progress.total else {})
    finally:
        if not ended:
            await studio.job_runner.cancel(job.id)
    result = (await studio.jobs.get(job.id)).result
    yield {"made": studio.find_model(result["name"])}


# ── adapters ────────────────────────────────────────────────────────────────────────────────────────


def _adapters(studio: Studio, wanted: Recipe, base: LocalModel) -> tuple[tuple[str, float], ...]:
    """Those of the shelf by name, those that were sent under theirs. Raises AdapterNotFound …"""
    found = []
    weights = studio.shelf.weights(base.name)
    for name, digest in wanted.adapters.items():
        called = name if not digest else _sent_adapter(studio, wanted, name, blobs.hex_of(digest))
        found.append((studio.shelf.adapters.fitting(called, weights).name, WHOLE_SCALE))
    return tuple(found)


def _sent_adapter(studio: Studio, wanted: Recipe, name: str, hex: str) -> str:
    sent = blobs.require(studio.home, hex)
    if not name.lower().endswith(".gguf") and sent.open("rb").read(4) != b"GGUF":
        raise BadParameter(f"adapters.{name}"[:80], hex, phrase("expected.gguf_adapter"))
    target = studio.home.adapters / file_name(f"{plain_name(wanted.name)}-{plain_name(name)}")
    _move(sent, target)
    return target.stem
