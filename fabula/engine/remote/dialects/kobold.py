"""KoboldCpp's dialect: its own for prompts that are made here, OpenAI's beside it where it keeps the template
of its model to itself. Knows no connection.

Source: KoboldCpp's API documentation (KoboldAI United with its extensions). It stops writing when it is told
to abort by the key of the generation.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from fabula.core.model import LocalModel
from fabula.core.request import Context
from fabula.core.sampling import Sampling
from fabula.core.stream import Delta, FinishReason, Token
from fabula.core.worker import Conversation, Prompt
from fabula.engine.remote import numbers
from fabula.engine.remote.dialects.dialect import Asked, Dialect, Offered, text_of, there
from fabula.engine.remote.dialects.openai import ChatReader, conversed
from fabula.engine.remote.reading import Reader

NAMES = {
    "temperature": "temperature",
    "top_k": "top_k",
    "top_p": "top_p",
    "min_p": "min_p",
    "typical_p": "typical",
    "tfs": "tfs",
    "top_a": "top_a",
    "top_n_sigma": "nsigma",
    "xtc_probability": "xtc_probability",
    "xtc_threshold": "xtc_threshold",
    "dynatemp_range": "dynatemp_range",
    "dynatemp_exponent": "dynatemp_exponent",
    "smoothing_factor": "smoothing_factor",
    "repetition_penalty": "rep_pen",
    "repetition_window": "rep_pen_range",
    "repetition_slope": "rep_pen_slope",
    "presence_penalty": "presence_penalty",
    "dry_multiplier": "dry_multiplier",
    "dry_base": "dry_base",
    "dry_allowed_length": "dry_allowed_length",
    "dry_window": "dry_penalty_last_n",
    "dry_sequence_breakers": "dry_sequence_breakers",
    "mirostat": "mirostat",
    "mirostat_tau": "mirostat_tau",
    "mirostat_eta": "mirostat_eta",
    "banned_strings": "banned_strings",
    "grammar": "grammar",
    "ignore_eos": "use_default_badwordsids",
    "seed": "sampler_seed",
}
HONOURED = frozenset(NAMES) | {"max_tokens", "stop", "logit_bias", "banned_tokens", "keep_reasoning"}
REPLY = 1024  # tokens, where no limit is asked for: it has none that means "to the end"
REASONS: dict[str, FinishReason] = {"stop": "stop", "length": "length"}


class Kobold(Dialect):
    kind = "kobold"
    label = "KoboldCpp"

    @property
    def _base(self) -> str:
        return self.server.place.base

    async def offers(self) -> list[Offered]:
        """The one that it has loaded."""
        named = await self.server.get(f"{self._base}/api/v1/model")
        name = f"{named['result']}".removeprefix("koboldcpp/")
        context = await self.server.find(f"{self._base}/api/extra/true_max_context_length") or {}
        props = await self.server.find(f"{self._base}/props") or {}
        about = await self.server.find(f"{self._base}/api/extra/version") or {}
        return [
            Offered(
                id=name,
                context=context.get("value") or 0,
                chat_template=props.get("chat_template") or "",
                abilities=("images",) if about.get("vision") else (),
            )
        ]

    def converses(self, model: LocalModel) -> bool:
        return not model.chat_template

    def sees(self, model: LocalModel) -> bool:
        return self.converses(model) and "images" in there(model).abilities

    def honoured(self, model: LocalModel) -> frozenset[str]:
        return HONOURED

    def unheeded(self, model: LocalModel, conversation: Conversation) -> tuple[str, ...]:
        return tuple(f"chat_template_kwargs.{name}" for name in conversation.variables)

    async def ask(
        self, model: LocalModel, prompt: Prompt, sampling: Sampling, used: Mapping[str, Any]
    ) -> Asked:
        body = _numbers(model, sampling, used) | {"genkey": f"KCPP{secrets.randbelow(10**9):09}"}
        if prompt.conversation is None:
            url = f"{self._base}/api/extra/generate/stream"
            return Asked(url, body | {"prompt": text_of(prompt), "trim_stop": True, "quiet": True})
        limit = {"max_tokens": body["max_length"], "stop": body["stop_sequence"], "stream": True}
        return Asked(
            f"{self.server.place.api}/chat/completions", body | limit | conversed(prompt.conversation)
        )

    def reader(self, model: LocalModel, prompt: Prompt, sampling: Sampling) -> Reader:
        if prompt.conversation is None:
            return KoboldReader(model.name, self.server.name)
        return ChatReader(model.name, self.server.name)

    async def left(self, asked: Asked, context: Context) -> None:
        await self.server.post(f"{self._base}/api/extra/abort", {"genkey": asked.body["genkey"]})

    async def tokenized(self, prompt: Prompt) -> list[int]:
        """Of a text. Raises BadParameter for one with ids in it."""
        return await self._ids(text_of(prompt), special=prompt.add_special)

    async def counted(self, texts: Sequence[str]) -> list[int]:
        return [len(await self._ids(text)) for text in texts]

    async def _ids(self, text: str, *, special: bool = False) -> list[int]:
        """Without a BOS where no `special` ones are wanted."""
        asked = {"prompt": text, "special": special}
        told = await self.server.post(f"{self._base}/api/extra/tokencount", asked)
        return [int(id) for id in told["ids"]]


def _numbers(model: LocalModel, sampling: Sampling, used: Mapping[str, Any]) -> dict[str, Any]:
    body = numbers.named(used, NAMES)
    context = model.trained_context
    for name, ours in (("rep_pen_range", "repetition_window"), ("dry_penalty_last_n", "dry_window")):
        body[name] = context if used[ours] < 0 else used[ours]
    body |= {
        "use_default_badwordsids": sampling.ignore_eos,
        "dry_sequence_breakers": list(sampling.dry_sequence_breakers),
        "banned_strings": list(sampling.banned_strings),
        "max_length": sampling.max_tokens or REPLY,
        "stop_sequence": [stop for stop in sampling.stop if stop],
    }
    body |= {"max_context_length": context} if context else {}
    bias = numbers.bias(sampling)
    return body | ({"logit_bias": bias} if bias else {})


class KoboldReader(Reader):
    """`{token, finish_reason}`; the last one has a reason, and there is no other end marker."""

    def read(self, row: dict[str, Any]) -> Iterable[Delta]:
        if text := row.get("token"):
            self.told.written += 1
            yield Token(text)
        if reason := row.get("finish_reason"):
            self.complete = True
            self.told.reason = REASONS.get(reason, "stop")
