"""Replies of a folder of safetensors that keep to a form: schemas, grammars, with bans, behind triggers."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from asking import collect, text_of

from fabula.core.errors import EngineRefused
from fabula.core.model import LocalModel
from fabula.core.sampling import Sampling
from fabula.core.worker import Prompt
from fabula.engine.sampling.candidates import Candidates
from fabula.engine.transformers_child.guided import Guide
from fabula.engine.transformers_child.weights import Vocabulary
from fabula.engine.transformers_child.worker import TransformersWorker

pytestmark = pytest.mark.asyncio(loop_scope="module")
FOX = "the quick brown fox jumps over the lazy dog, "
TALL = json.dumps(
    {
        "type": "object",
        "properties": {"n": {"type": "integer", "minimum": 40, "maximum": 42}},
        "required": ["n"],
        "additionalProperties": False,
    }
)
HOT: dict[str, Any] = {"temperature": 2.0, "top_k": 0, "top_p": 1.0, "min_p": 0.0, "max_tokens": 150}


async def said(worker: TransformersWorker, **sampling: Any) -> str:
    return text_of((await collect(worker, Prompt((FOX,)), **sampling))[0])


@pytest.mark.parametrize("seed", range(3))
async def test_a_schema_is_kept_with_its_bounds(worker: TransformersWorker, seed: int) -> None:
    assert json.loads(await said(worker, json_schema=TALL, seed=seed, **HOT))["n"] in (40, 41, 42)


async def test_a_grammar_is_kept_and_bans_are_gone_back_from(worker: TransformersWorker) -> None:
    grammar = 'root ::= ("red" | "green" | "你好") " " [0-9]{2} "."'
    written = {await said(worker, grammar=grammar, seed=seed, **HOT) for seed in range(8)}
    assert all(text.split(" ")[0] in ("red", "green", "你好") for text in written)
    assert all(text.split(" ")[1][:2].isdigit() and text.endswith(".") for text in written)
    asked = {"banned_strings": ("red", "green")} | HOT
    assert (await said(worker, grammar=grammar, seed=1, **asked)).startswith("你好 ")


async def test_a_grammar_in_the_librarys_language_is_kept(worker: TransformersWorker) -> None:
    text = await said(worker, grammar='%llguidance {}\nstart: "a" /[0-9]{3}/', seed=1, **HOT)
    assert text[0] == "a"
    assert text[1:].isdigit()


@pytest.mark.parametrize(
    "form", [{"grammar": "root ::= other"}, {"json_schema": '{"not": {"type": "integer"}}'}], ids=str
)
async def test_what_is_not_understood_is_refused(worker: TransformersWorker, form: dict[str, Any]) -> None:
    with pytest.raises(EngineRefused, match="not understood"):
        await said(worker, **form)
    assert await said(worker, max_tokens=2)


async def test_all_forms_are_honoured(worker: TransformersWorker) -> None:
    for form in ({"grammar": 'root ::= "a"'}, {"json_schema": TALL}, {"regex": "a+"}):
        assert worker.honours(Sampling(**form))[1] == ()


async def test_without_the_library_schemas_are_told_as_ignored(worker: TransformersWorker) -> None:
    worker._schemas = False
    own = Sampling(grammar='%llguidance {}\nstart: "a"')
    told = [worker.honours(sampling)[1] for sampling in (Sampling(json_schema=TALL), own)]
    plain = worker.honours(Sampling(grammar='root ::= "a"'))[1]
    worker._schemas = True
    assert told == [("json_schema",), ("grammar",)]
    assert plain == ()


# ── token by token ──────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def vocabulary(tiny: LocalModel) -> Vocabulary:
    size = len(json.loads((Path(tiny.path) / "tokenizer.json").read_text())["model"]["vocab"])
    return Vocabulary(Path(tiny.path), size, set())


@pytest.fixture(scope="module")
def spell(vocabulary: Vocabulary) -> Callable[[str], list[int]]:
    return lambda text: vocabulary.tokenize(text, add_special=False)


async def test_behind_a_trigger_the_grammar_holds_and_before_it_nothing_does(
    vocabulary: Vocabulary, spell: Callable[[str], list[int]]
) -> None:
    form = Guide(vocabulary).grammar('root ::= "CALL" [0-9] ";"', ("CALL",))
    assert form
    for token in spell("the fox CA"):
        assert form.allows(token)
        form.accept(token)
    (big,), (x,), (seven,), (end,) = spell("L"), spell("x"), spell("7"), [min(vocabulary.ends)]
    assert form.allows(end)
    for token in (big, big):
        form.accept(token)
    assert (form.allows(x), form.allows(seven), form.allows(end)) == (False, True, False)
    form.back_to(len(spell("the fox CA")) + 1)
    assert form.allows(x)


async def test_going_back_and_the_likeliest_that_fit(
    vocabulary: Vocabulary, spell: Callable[[str], list[int]]
) -> None:
    every = Candidates.of(np.arange(vocabulary.vocabulary, dtype=np.float64))
    for form in (
        Guide(vocabulary).grammar('root ::= "ab" [0-9]+'),
        Guide(vocabulary).grammar('%llguidance {}\nstart: "ab" /[0-9]+/'),
    ):
        assert form
        for token in spell("ab"):
            form.accept(token)
        fits = form.allowed(every)
        assert fits
        assert {vocabulary.piece(int(id)) for id in fits.ids} >= {b"0", b"9"}
        assert all(vocabulary.piece(int(id)).isdigit() for id in fits.ids)
        form.accept(spell("5")[0])
        ended = form.allowed(every)
        assert ended
        assert set(vocabulary.ends) & set(ended.ids.tolist())
        form.back_to(0)
        assert not form.allows(spell("5")[0])
        assert form.allows(spell("a")[0])
