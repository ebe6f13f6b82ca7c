"""Guessing ahead changes the speed and nothing else: the same tokens in every way, with bans, in a studio."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import pytest_asyncio
from asking import collect, ids_of, plan_for, text_of
from models_stand_ins import tiny_gguf

from bench import tiny_models
from fabula.app import Studio
from fabula.core.errors import DraftUnfit
from fabula.core.load import LoadOptions
from fabula.core.model import LocalModel
from fabula.core.sampling import Sampling
from fabula.core.stream import Finished, Token
from fabula.core.worker import Prompt
from fabula.engine.llamacpp.worker import LlamaCppWorker
from fabula.store.home import Home

pytestmark = pytest.mark.asyncio(loop_scope="module")

WAYS = {
    "ngram": LoadOptions(speculation="ngram"),
    "ngram_map": LoadOptions(speculation="ngram_map"),
    "ngram_mod": LoadOptions(speculation="ngram_mod"),
    "draft": LoadOptions(draft="small"),
    "both": LoadOptions(speculation="ngram", draft="small"),
}
NEAR = 0.05  # nats: reading several tokens at once may turn two such neighbours round
REPEATING = "".join(f"{n}. The {thing} is in the kitchen.\n" for n in range(6) for thing in ("cup", "lamp"))
LINE = "The cup is in the kitchen, and the lamp is in the kitchen, and both are ready.\n"
PROMPTS = (REPEATING, "Once upon a time in a small village by the sea", "海は青い。空も青い。海は青い。空も")


@asynccontextmanager
async def loaded(
    model: LocalModel, folder: Path, options: LoadOptions, **plan: object
) -> AsyncIterator[LlamaCppWorker]:
    worker = LlamaCppWorker(folder, drafts=lambda model, name: model.path)  # its own draft: always right
    await worker.load(model, plan_for(model, options=options, **{"context": 1024, **plan}))
    try:
        yield worker
    finally:
        await worker.close()


async def gap(worker: LlamaCppWorker, prompt: str, place: int) -> float:
    """Nats between the two likeliest tokens at a place of the reply."""
    deltas, _ = await collect(worker, prompt, temperature=0, max_tokens=place + 1, logprobs=2)
    tokens = [delta for delta in deltas if isinstance(delta, Token) and len(delta.likeliest) == 2]
    first, second = tokens[-1].likeliest
    return first.logprob - second.logprob


@pytest_asyncio.fixture(params=WAYS, scope="module", loop_scope="module")
async def guessing(
    request: pytest.FixtureRequest, model: LocalModel, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[LlamaCppWorker]:
    async with loaded(model, tmp_path_factory.mktemp("logs"), WAYS[request.param]) as worker:
        yield worker


async def test_the_same_tokens_are_written(worker: LlamaCppWorker, guessing: LlamaCppWorker) -> None:
    for prompt in PROMPTS:
        asked = {"temperature": 0, "max_tokens": 28, "ignore_eos": True}
        usual, with_guesses = [ids_of((await collect(one, prompt, **asked))[0]) for one in (worker, guessing)]
        if usual != with_guesses:
            pairs = enumerate(zip(usual, with_guesses, strict=False))
            parting = next(place for place, (one, other) in pairs if one != other)
            assert await gap(worker, prompt, parting) <= NEAR


async def test_a_reply_tells_how_much_was_guessed_right(guessing: LlamaCppWorker) -> None:
    _, end = await collect(guessing, LINE * 8, temperature=0, max_tokens=28, ignore_eos=True)
    assert 0 < end.guessed_right <= end.guessed_tokens
    facts = end.facts("starter")
    assert (facts["guessed_tokens"], facts["guessed_right"]) == (end.guessed_tokens, end.guessed_right)


async def test_banned_texts_stay_out(guessing: LlamaCppWorker) -> None:
    """Several tokens come at once then, and a match may lie in the middle of them."""
    banned = ("kitchen", " lamp", "cup", ". ")
    deltas, end = await collect(guessing, REPEATING, seed=1, max_tokens=32, banned_strings=banned)
    assert end.bans
    assert not [text for text in banned if text in text_of(deltas)] or end.bans.unavoided


async def test_without_any_nothing_is_told(worker: LlamaCppWorker) -> None:
    _, end = await collect(worker, REPEATING, temperature=0, max_tokens=8)
    assert (end.guessed_tokens, end.guessed_right) == (0, 0)


@pytest.mark.parametrize("kind", tiny_models.KINDS)
async def test_models_that_cannot_go_back_write_the_same(
    kind: str, starter_model: Path, tmp_path: Path
) -> None:
    path = tiny_models.write(kind, tmp_path / f"{kind}.gguf", starter_model)
    model = LocalModel(name=kind, path=path, size=path.stat().st_size)
    written = []
    for options in (LoadOptions(), WAYS["ngram"]):
        async with loaded(model, tmp_path, options) as worker:
            deltas, _ = await collect(worker, REPEATING, temperature=0, max_tokens=24, ignore_eos=True)
            written.append(ids_of(deltas))
    assert written[0] == written[1]


async def test_a_draft_counts_in_the_plan_and_has_to_fit(starter_model: Path, tmp_path: Path) -> None:
    home = Home(tmp_path / "home").create()
    shutil.copy2(starter_model, home.models)
    shutil.copy2(starter_model, home.models / "small.gguf")
    (home.models / "other.gguf").write_bytes(tiny_gguf())
    studio = Studio(home, {"engine.threads": 2, "engine.slots": 1, "engine.context": 512})
    await studio.open()
    try:
        model = studio.find_model(starter_model.stem)
        alone = studio.planning.plan(model).total
        studio.shelf.set(model, LoadOptions(draft="small"))
        assert studio.planning.plan(model).total > alone + 0.9 * model.size
        async with studio.supervisor.lease(model.name) as worker:
            stream = worker.stream(Prompt((REPEATING,)), Sampling(temperature=0, max_tokens=16))
            *_, end = [delta async for delta in stream]
            assert isinstance(end, Finished)
            assert end.guessed_right > 0
        studio.shelf.set(model, LoadOptions(draft="other"))
        await studio.supervisor.unload(model.name)
        with pytest.raises(DraftUnfit):
            async with studio.supervisor.lease(model.name):
                pass
    finally:
        await studio.close()
