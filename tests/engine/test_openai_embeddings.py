"""The real `openai` client asks a real `fabula serve` for embeddings, of models made on the spot."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import openai
import pytest
import tiny_bert
from openai import OpenAI
from studio_process import StudioProcess, home_with


@pytest.fixture(scope="module")
def studio(starter_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StudioProcess]:
    """With the starter, a model that embeds and one that judges, all loaded side by side."""
    home = home_with(tmp_path_factory.mktemp("home") / "home", starter_model)
    tiny_bert.write(home / "models" / "bert.gguf")
    tiny_bert.write(home / "models" / "judge.gguf", tiny_bert.RANK)
    studio = StudioProcess(home)
    for model in ("smollm2", "bert", "judge"):
        studio.client.post(f"/models/{model}/load")
    yield studio
    studio.close()


@pytest.fixture(scope="module")
def client(studio: StudioProcess) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{studio.address}/v1", api_key="none", max_retries=0, timeout=60) as client:
        yield client


def test_vectors_come_as_the_client_asks_for_them(client: OpenAI) -> None:
    texts = ["the cat sat", "the king ate"]
    packed = client.embeddings.create(model="bert", input=texts)  # base64 unless told otherwise
    plain = client.embeddings.create(model="bert", input=texts, encoding_format="float")
    assert packed.model == "bert"
    for one, other in zip(packed.data, plain.data, strict=True):
        assert one.embedding == pytest.approx(other.embedding, abs=1e-4)
        assert sum(part * part for part in one.embedding) == pytest.approx(1, abs=1e-3)


def test_a_text_that_is_too_long_is_the_client_s_own_error(client: OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        client.embeddings.create(model="bert", input="cat " * 100)
    assert refused.value.code == "context_length_exceeded"


def test_a_model_that_writes_is_no_embedding_model(client: OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        client.embeddings.create(model="smollm2", input="cat")
    assert refused.value.code == "cannot_embed"
    assert "bert" in refused.value.message


def test_models_of_each_kind_serve_side_by_side(studio: StudioProcess, client: OpenAI) -> None:
    made = client.embeddings.create(model="bert", input="cat")
    judged = studio.client.post("/rerank", {"query": "the cat", "documents": ["a cat", "a king"]})
    written = client.completions.create(model="smollm2", prompt="Once", max_tokens=2)
    assert (len(made.data), {row["index"] for row in judged["results"]}) == (1, {0, 1})
    assert written.usage
    assert written.usage.completion_tokens == 2
    assert len(studio.client.get("/system")["running"]) == 3
