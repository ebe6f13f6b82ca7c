"""Models whose memory cannot be cut at any place: recurrent, sliding-window and hybrid ones."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from direct_asking import GREEDY, direct, write

from bench import tiny_models
from fabula.core.model import LocalModel
from fabula.core.worker import Prompt

TEXT = "Once upon a time there was a small lighthouse at the end of the world."


@pytest.mark.parametrize("words", [1, 24])  # 24 times is past the sliding window
@pytest.mark.parametrize("kind", tiny_models.KINDS)
async def test_they_score_choose_write_and_go_back_like_others(
    kind: str, words: int, starter_model: Path, tmp_path: Path
) -> None:
    path = tiny_models.write(kind, tmp_path / f"{kind}.gguf", starter_model)
    model = LocalModel(name=kind, path=path, size=path.stat().st_size)
    async with direct(model, tmp_path) as worker:
        prefix = tuple(await worker.tokenize(Prompt((TEXT * words,))))
        endings = [(50 + n, 60 + n, 70) for n in range(9)]
        together = await worker.choices(Prompt((prefix,)), [Prompt((ids,)) for ids in endings])
        for ids, row in list(zip(endings, together, strict=True))[:3]:
            alone = await worker.score(Prompt(((*prefix, *ids),)))
            assert row == pytest.approx(alone.logprobs[len(prefix) - 1 :], abs=1e-3)
        plain, _ = await write(worker, prefix, replace(GREEDY, max_tokens=10, ignore_eos=True))
        written = "".join(token.text for token in plain)
        banned = written[len(written) // 2 :][:4]
        other, facts = await write(
            worker,
            prefix,
            replace(GREEDY, max_tokens=10, ignore_eos=True, banned_strings=(banned,), logprobs=0),
        )
        assert facts.bans
        assert facts.bans.count > 0
        ids = tuple(id for token in other for id in token.ids)
        scored = await worker.score(Prompt(((*prefix, *ids),)))
        told = [token.chosen.logprob for token in other if token.chosen]
        assert scored.logprobs[len(prefix) - 1 :] == pytest.approx(told, abs=1e-3)


async def test_what_a_sliding_window_has_lost_is_read_again(starter_model: Path, tmp_path: Path) -> None:
    """Its memory takes any cut, and would then answer from less than the next token looks at."""
    path = tiny_models.write("gemma3", tmp_path / "gemma3.gguf", starter_model)
    model = LocalModel(name="gemma3", path=path, size=path.stat().st_size)
    async with direct(model, tmp_path, context=2048, batch=64) as worker:
        ids = tuple(await worker.tokenize(Prompt((TEXT * 100,))))
        asked = replace(GREEDY, max_tokens=1, logprobs=3)
        await write(worker, ids[:1500], asked)
        (back, *_), facts = await write(worker, ids[:700], asked)
        scored = await worker.score(Prompt((ids[:701],)), likeliest=3)
    assert facts.reused_tokens == 0
    told = [choice.logprob for choice in back.likeliest]
    assert told == pytest.approx([choice.logprob for choice in scored.likeliest[-1]], abs=1e-3)
