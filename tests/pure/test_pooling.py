"""How models that embed or see are loaded: whole texts, existing positions, the right switches."""

from __future__ import annotations

from pathlib import Path

import pytest

from fabula.core.errors import BadParameter, ContextExceeded, EngineRefused
from fabula.core.load import NOTHING, LoadOptions
from fabula.core.model import LocalModel
from fabula.core.plan import Plan
from fabula.engine.llamacpp.loading import LONGEST_TEXT, arguments, config, whole_texts
from fabula.engine.llamacpp.pooling import Pooled

BERT = LocalModel(name="b", path=Path("b.gguf"), size=1, pooling="cls", trained_context=512)
WRITER = LocalModel(name="w", path=Path("w.gguf"), size=1, trained_context=512)


def told(model: LocalModel, **options: object) -> list[str]:
    plan = Plan(
        model=model.name,
        tier="rough",
        verdict="fits",
        devices=(),
        context=512,
        slots=1,
        gpu_layers=0,
        threads=2,
        options=LoadOptions(**options),  # type: ignore[arg-type]
    )
    return arguments(config(model, plan, "", {"checkpoints": 4, "checkpoint_step": 64}))


def test_an_encoder_gets_no_more_context_than_it_has_positions() -> None:
    assert whole_texts(BERT, LoadOptions(context=8192)) == LoadOptions(context=512, batch=512, pooling="cls")
    assert whole_texts(BERT, NOTHING).batch == LONGEST_TEXT
    assert whole_texts(BERT, LoadOptions(batch=64)).batch == 64


@pytest.mark.parametrize(("batch", "context", "told"), [(2048, 64, 64), (128, 512, 128)])
async def test_a_text_that_is_too_long_is_told_what_one_may_have(batch: int, context: int, told: int) -> None:
    async def refuses(path: str, body: dict[str, object]) -> None:
        size = f"increase the physical batch size (current batch size: {batch})"
        raise EngineRefused("b", f"input (5002 tokens) is too large to process. {size}")

    with pytest.raises(ContextExceeded) as refused:
        await Pooled(refuses, context).embed(["x"])
    assert (refused.value.prompt_tokens, refused.value.context) == (5002, told)


def test_a_model_that_only_writes_is_loaded_as_it_was_wished() -> None:
    wished = LoadOptions(context=8192)
    assert whole_texts(WRITER, wished) is wished


def test_a_llama_server_is_told_the_pooling_and_the_projector() -> None:
    assert "--embeddings" in told(BERT)
    assert told(BERT)[told(BERT).index("--pooling") + 1] == "cls"
    assert "--reranking" in told(WRITER, pooling="rank")
    assert not {"--embeddings", "--reranking", "--mmproj"} & set(told(WRITER))
    seer = LocalModel(name="s", path=Path("s.gguf"), size=1, projector="eye.gguf")
    assert told(seer)[told(seer).index("--mmproj") + 1] == "eye.gguf"


def test_another_pooling_is_refused() -> None:
    with pytest.raises(BadParameter):
        LoadOptions(pooling="max")
