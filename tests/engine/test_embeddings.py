"""Embeddings and rankings by the real engine: tiny BERTs made on the spot, and the starter with pooling."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
import tiny_bert
from asking import collect, plan_for, text_of

from fabula.core.errors import ContextExceeded
from fabula.core.load import LoadOptions
from fabula.core.model import LocalModel
from fabula.core.worker import Embeds, Prompt, Reranks
from fabula.engine.llamacpp.worker import LlamaCppWorker
from fabula.models.formats.identify import identify

Load = Callable[..., Awaitable[LlamaCppWorker]]


@pytest.fixture
async def load(tmp_path: Path) -> AsyncIterator[Load]:
    workers = []

    async def loaded(model: LocalModel, **changes: object) -> LlamaCppWorker:
        workers.append(LlamaCppWorker(tmp_path / "logs"))
        await workers[-1].load(model, plan_for(model, **changes))
        return workers[-1]

    yield loaded
    for worker in workers:
        await worker.close()


def bert(folder: Path, pooling: int = tiny_bert.MEAN) -> LocalModel:
    return identify(tiny_bert.write(folder / "bert.gguf", pooling))


def likeness(one: tuple[float, ...], other: tuple[float, ...]) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))


def test_what_a_model_makes_of_texts_is_in_its_header(tmp_path: Path, starter_model: Path) -> None:
    embeds, judges = bert(tmp_path), bert(tmp_path, tiny_bert.RANK)
    assert [embeds.pooling, judges.pooling, identify(starter_model).pooling] == ["mean", "rank", ""]


async def test_an_embedding_model_embeds_and_does_nothing_else(tmp_path: Path, load: Load) -> None:
    worker = await load(bert(tmp_path), context=tiny_bert.CONTEXT)
    assert isinstance(worker, Embeds)
    assert not isinstance(worker, Reranks)
    made = await worker.embed(["the cat sat", "the dog ate a mat", "the cat sat"])
    assert [math.isclose(likeness(one, one), 1, rel_tol=1e-4) for one in made.vectors] == [True] * 3
    assert math.isclose(likeness(made.vectors[0], made.vectors[2]), 1, rel_tol=1e-4)
    assert likeness(made.vectors[0], made.vectors[1]) < 0.9999
    assert made.tokens == 5 + 7 + 5  # with [CLS] and [SEP]


async def test_a_text_and_its_ids_have_the_same_embedding(tmp_path: Path, load: Load) -> None:
    worker = await load(bert(tmp_path), context=tiny_bert.CONTEXT)
    assert isinstance(worker, Embeds)
    ids = tuple(tiny_bert.WORDS.index(word) for word in ("[CLS]", "▁the", "▁cat", "[SEP]"))
    made = await worker.embed(["the cat", ids])
    assert math.isclose(likeness(*made.vectors), 1, rel_tol=1e-4)


async def test_a_text_that_is_too_long_is_told_with_the_numbers(tmp_path: Path, load: Load) -> None:
    worker = await load(bert(tmp_path), context=tiny_bert.CONTEXT)
    assert isinstance(worker, Embeds)
    with pytest.raises(ContextExceeded) as told:
        await worker.embed(["the cat", "cat " * 100])
    assert (told.value.prompt_tokens, told.value.context) == (102, tiny_bert.CONTEXT)


async def test_a_reranking_model_judges_each_document_by_itself(tmp_path: Path, load: Load) -> None:
    worker = await load(bert(tmp_path, tiny_bert.RANK), context=tiny_bert.CONTEXT)
    assert isinstance(worker, Reranks)
    assert not isinstance(worker, Embeds)
    documents = ["the cat sat on the mat", "a king ate", "the dog"]
    judged = await worker.rerank("the cat", documents)
    again = await worker.rerank("the cat", documents[::-1])
    assert len(set(judged.scores)) == len(documents)
    assert again.scores[::-1] == pytest.approx(judged.scores, rel=1e-3)


async def test_a_model_that_writes_embeds_when_it_is_loaded_with_pooling(
    starter_model: Path, load: Load
) -> None:
    model = identify(starter_model)
    worker = await load(model, context=512, options=LoadOptions(pooling="mean"))
    assert isinstance(worker, Embeds)
    cat, kitten, tax = (await worker.embed(["A cat sleeps.", "A kitten sleeps.", "Income tax law"])).vectors
    assert len(cat) == model.embedding
    assert likeness(cat, kitten) > likeness(cat, tax)
    deltas, _ = await collect(worker, "Once upon a time", max_tokens=5, temperature=0)
    assert text_of(deltas)  # it still writes


async def test_a_model_that_writes_does_not_embed_by_itself(starter_model: Path, load: Load) -> None:
    worker = await load(identify(starter_model), context=512)
    assert not isinstance(worker, Embeds | Reranks)


async def test_ids_are_spelled_as_they_were_read(starter_model: Path, load: Load) -> None:
    worker = await load(identify(starter_model), context=512)
    text = "Grüße aus 台北, <|im_start|> 🐉"
    ids = await worker.tokenize(Prompt((text,), add_special=False))
    assert await worker.detokenize(ids) == text
