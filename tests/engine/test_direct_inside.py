"""Tensors captured while a text is read, vectors and adapters that change while the model runs."""

from __future__ import annotations

from collections.abc import AsyncIterator

import numpy as np
import pytest
import pytest_asyncio
from adapter_making import changes_of, write_gguf
from adapting import Folder
from direct_asking import GREEDY, direct, write

from fabula.core.errors import BadParameter, EngineRefused
from fabula.core.model import LocalModel
from fabula.core.sampling import Sampling
from fabula.core.scoring import Captured
from fabula.core.worker import Prompt
from fabula.engine.direct.desk_worker import pieces
from fabula.engine.direct.worker import DirectWorker
from fabula.models.formats.gguf import read_header

TEXT = "The keeper of the lighthouse counted the ships, one by one."
LAYERS, WIDTH = 30, 576
pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def worker(model: LocalModel, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[DirectWorker]:
    folder = tmp_path_factory.mktemp("direct")
    write_gguf(folder / "one.gguf", changes_of(model.path, ("attn_output", "ffn_down")))
    write_gguf(folder / "two.gguf", changes_of(model.path, ("attn_q",), rank=4, seed="two"))
    attached = Folder(folder)
    adapters = (("one", 0.0), ("two", 0.0))
    async with direct(model, folder, attached=attached, adapters=adapters) as worker:
        yield worker


def rows(captured: Captured) -> np.ndarray:
    made = np.frombuffer(captured.data, "<f4").reshape(captured.rows if captured.tokens else 1, -1)
    return made.reshape(-1, captured.width)


async def logprobs(worker: DirectWorker, **scales: float) -> list[float]:
    """Of the text, by the model with adapters of these scales."""
    sampling = Sampling(adapters=tuple(scales.items()))
    said = await worker.said("score", sampling, prompt=pieces(Prompt((TEXT,))), likeliest=0)
    return list(said["logprobs"])


async def test_every_layer_gives_its_hidden_states(worker: DirectWorker) -> None:
    ids = await worker.tokenize(Prompt((TEXT,)))
    found = await worker.capture(Prompt((TEXT,)), ["l_out-*"])
    assert set(found) == {f"l_out-{layer}" for layer in range(LAYERS)}
    for captured in found.values():
        assert (captured.rows, captured.width, captured.tokens) == (len(ids), WIDTH, len(ids))
        assert len(captured.data) == 4 * len(ids) * WIDTH


async def test_the_last_norm_is_what_the_output_layer_reads(worker: DirectWorker) -> None:
    found = await worker.capture(Prompt((TEXT,)), ["result_norm", "token_embd.weight:input"])
    assert np.array_equal(rows(found["result_norm"]), rows(found["token_embd.weight:input"]))


async def test_what_a_weight_is_multiplied_with_is_seen(worker: DirectWorker) -> None:
    wanted = ["blk.3.ffn_down.weight:input", "blk.3.attn_q.weight:input", "attn_norm-3"]
    found = await worker.capture(Prompt((TEXT,)), wanted)
    assert found["blk.3.ffn_down.weight:input"].width == 1536
    assert np.array_equal(rows(found["attn_norm-3"]), rows(found["blk.3.attn_q.weight:input"]))


async def test_rows_are_reduced_as_was_asked(worker: DirectWorker) -> None:
    whole = rows((await worker.capture(Prompt((TEXT,)), ["l_out-9"]))["l_out-9"]).astype(np.float64)
    expected = {"last": whole[-1], "mean": whole.mean(axis=0), "squares": (whole**2).sum(axis=0)}
    for keep, values in expected.items():
        found = (await worker.capture(Prompt((TEXT,)), ["l_out-9"], keep))["l_out-9"]
        made = np.frombuffer(found.data, "<f4")
        assert made == pytest.approx(values, rel=1e-4, abs=1e-4)


async def test_a_tensor_that_does_not_exist_is_told(worker: DirectWorker) -> None:
    with pytest.raises(EngineRefused, match="no-such-tensor"):
        await worker.capture(Prompt((TEXT,)), ["l_out-1", "no-such-tensor"])
    assert await worker.capture(Prompt((TEXT,)), ["l_out-1"], "last")


async def test_what_fails_while_the_engine_calls_us_is_raised_when_it_has_returned(
    worker: DirectWorker,
) -> None:
    with pytest.raises(EngineRefused, match="is not kept as plain"):
        await worker.capture(Prompt((TEXT,)), ["*"])
    assert await logprobs(worker)


async def test_a_vector_moves_its_layer_by_itself_and_those_before_it_not_at_all(
    model: LocalModel, worker: DirectWorker
) -> None:
    base = await logprobs(worker)
    vector = np.linspace(-0.5, 0.5, WIDTH)
    await worker.steer({15: vector.tolist()}, 2.0)
    steered = await logprobs(worker)
    await worker.steer({15: vector.tolist()}, 0.0)
    assert await logprobs(worker) == base
    await worker.steer({15: vector.tolist()}, 2.0)
    await worker.steer({})
    assert await logprobs(worker) == base
    assert max(abs(one - other) for one, other in zip(base, steered, strict=True)) > 0.01


async def test_steering_is_part_of_what_is_written(worker: DirectWorker) -> None:
    plain, _ = await write(worker, TEXT, Sampling(temperature=0, max_tokens=8))
    await worker.steer({12: [3.0] * WIDTH})
    other, facts = await write(worker, TEXT, Sampling(temperature=0, max_tokens=8))
    await worker.steer({})
    again, _ = await write(worker, TEXT, Sampling(temperature=0, max_tokens=8))
    assert [t.ids for t in other] != [t.ids for t in plain] == [t.ids for t in again]
    assert facts.reused_tokens == 0


@pytest.mark.parametrize("vectors", [{0: [0.0] * WIDTH}, {LAYERS: [0.0] * WIDTH}, {3: [0.0] * 10}])
async def test_a_vector_of_another_shape_is_refused(
    worker: DirectWorker, vectors: dict[int, list[float]]
) -> None:
    with pytest.raises(BadParameter):
        await worker.steer(vectors)


async def test_adapters_change_while_the_model_runs(worker: DirectWorker) -> None:
    base = await logprobs(worker)
    one = await logprobs(worker, one=1.0)
    both = await logprobs(worker, one=1.0, two=-0.5)
    assert base != one != both != base
    assert await logprobs(worker, one=1.0) == one
    assert await logprobs(worker, one=0.0, two=0.0) == base == await logprobs(worker)


async def test_a_rank_one_adapter_is_the_weight_changed_by_hand(
    model: LocalModel, worker: DirectWorker
) -> None:
    """What the adapter adds to a layer is B·A of what its weight is multiplied with."""
    header = read_header(model.path)
    assert header.number("llama.block_count") == LAYERS
    changes = changes_of(model.path, ("attn_output", "ffn_down"))
    a, b = (np.array(part) for part in changes["blk.0.attn_output.weight"])
    plain = await captured(worker, "blk.0.attn_output.weight:input", "ffn_inp-0")
    adapted = await captured(worker, "blk.0.attn_output.weight:input", "ffn_inp-0", one=1.0)
    moved = adapted["ffn_inp-0"] - plain["ffn_inp-0"]
    expected = plain["blk.0.attn_output.weight:input"] @ a.T @ b.T
    assert np.abs(moved - expected).max() < 0.02 * np.abs(expected).max()


async def captured(worker: DirectWorker, *names: str, **scales: float) -> dict[str, np.ndarray]:
    await logprobs(worker, **scales)
    found = await worker.capture(Prompt((TEXT,)), names)
    await logprobs(worker)
    return {name: rows(frame) for name, frame in found.items()}


async def test_an_adapter_is_worn_for_a_while_without_being_attached(
    worker: DirectWorker, tmp_path_factory: pytest.TempPathFactory, model: LocalModel
) -> None:
    file = write_gguf(tmp_path_factory.mktemp("worn") / "worn.gguf", changes_of(model.path, ("attn_output",)))
    base = await logprobs(worker)
    await worker.wear(file)
    worn = await logprobs(worker)
    assert worn != base
    assert await logprobs(worker, two=1.0) not in (base, worn)
    assert await logprobs(worker) == worn
    seen = await worker.capture(Prompt((TEXT,)), ["l_out-3"], "last", shared=2)
    await worker.wear(None)
    plain = await worker.capture(Prompt((TEXT,)), ["l_out-3"], "last", shared=2)
    assert plain["l_out-3"].data != seen["l_out-3"].data
    assert await logprobs(worker) == base
    with pytest.raises(EngineRefused):
        await worker.wear(file.with_name("none.gguf"))
    assert await logprobs(worker) == base


async def test_an_adapter_that_is_not_attached_is_told(worker: DirectWorker) -> None:
    _, ignored = worker.honours(Sampling(adapters=(("three", 1.0),), tfs=0.5))
    assert ignored == ("adapters.three",)
    assert worker.honours(GREEDY)[1] == ()
    effective, ignored = worker.honours(Sampling(dry_multiplier=2.0, dry_window=0))
    assert (effective["dry_multiplier"], ignored) == (0.0, ("dry_multiplier",))
