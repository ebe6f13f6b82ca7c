"""llama.cpp's own server somewhere else: prompts are made here with its template, and all its samplers work.

Source: the README of llama.cpp's server (props, completion, tokenize, detokenize). The words of requests and
answers are those of the engine's child: `engine.llamacpp.wire` and `reading`. Knows no connection.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from fabula.core.errors import FabulaError, RemoteBroke
from fabula.core.model import LocalModel
from fabula.core.sampling import Sampling
from fabula.core.stream import Delta, Finished
from fabula.core.worker import Prompt
from fabula.engine.llamacpp import reading, wire
from fabula.engine.llamacpp.eye import Eye, pictured
from fabula.engine.remote.dialects.dialect import Asked, Dialect, Offered, there
from fabula.engine.remote.reading import Reader
from fabula.engine.remote.server import Refused

BETWEEN_TEXTS = -1  # no token has this id; the server's tokenizer passes it through
ANCHOR = "\n"  # put before a fragment, so that no tokenizer adds a space to it


class LlamaCpp(Dialect):
    kind = "llamacpp"
    label = "llama.cpp"

    @property
    def _base(self) -> str:
        return self.server.place.base

    async def offers(self) -> list[Offered]:
        """The one that it has loaded."""
        props = await self.server.get(f"{self._base}/props")
        listed = await self.server.find(f"{self.server.place.api}/models") or {}
        row = (listed.get("data") or [{}])[0]
        meta = row.get("meta") or {}
        bos = await self.ids("", add_special=True)
        file = PurePosixPath(f"{props.get('model_path', '')}".replace("\\", "/")).name
        about = [file, meta, props.get("chat_template")]
        return [
            Offered(
                id=_name(row.get("id") or file),
                context=(props.get("default_generation_settings") or {}).get("n_ctx") or 0,
                weights=meta.get("n_params") or 0,
                size=meta.get("size") or 0,
                vocabulary=meta.get("n_vocab") or 0,
                abilities=("images",) if (props.get("modalities") or {}).get("vision") else (),
                chat_template=props.get("chat_template") or "",
                bos_token=props.get("bos_token") or "",
                eos_token=props.get("eos_token") or "",
                adds_bos=bool(bos),
                tokenizer=hashlib.sha256(f"{self._base} {json.dumps(about)}".encode()).hexdigest(),
            )
        ]

    def converses(self, model: LocalModel) -> bool:
        return False

    def sees(self, model: LocalModel) -> bool:
        return "images" in there(model).abilities

    def honoured(self, model: LocalModel) -> frozenset[str]:
        return wire.HONOURED - {"adapters"}

    def effective(self, model: LocalModel, sampling: Sampling, seed: int) -> dict[str, Any]:
        return wire.effective(sampling, context=model.trained_context, seed=seed) | {"adapters": {}}

    def ignored(self, model: LocalModel, sampling: Sampling) -> tuple[str, ...]:
        return (*wire.ignored(sampling), *(["adapters"] if sampling.adapters else []))

    async def ask(
        self, model: LocalModel, prompt: Prompt, sampling: Sampling, used: Mapping[str, Any]
    ) -> Asked:
        seen = {}
        if prompt.images:
            props = await self.server.get(f"{self._base}/props")  # its marker is another one at each start
            prompt = await Eye(props["media_marker"], self.spelled).seen(prompt)
            seen = pictured(prompt)
        elif isinstance(prompt.pieces[0], str) and not prompt.add_special:
            ids = tuple(await self.tokenized(prompt))
            prompt = dataclasses.replace(prompt, pieces=(ids,))
        return Asked(f"{self._base}/completion", wire.body(prompt, sampling, dict(used)) | seen)

    def reader(self, model: LocalModel, prompt: Prompt, sampling: Sampling) -> Reader:
        return LlamaCppReader(model.name, self.server.name, sampling)

    async def completed(self, model: LocalModel, read: Any) -> Sequence[Delta]:
        if isinstance(read, reading.Gap):
            anchor = await self.ids(ANCHOR)
            whole = await self.ids(ANCHOR + read.text)
            return (read.filled(tuple(whole[len(anchor) :]) if whole[: len(anchor)] == anchor else ()),)
        if isinstance(read, reading.Unsaid):
            return read.said(await self.spelled(read.ids))
        return (read,)

    def settled(self, used: dict[str, Any], finished: Finished) -> dict[str, Any]:
        return wire.settled(used, finished.effective or {})

    def refusal(self, model: LocalModel, failure: Refused) -> FabulaError:
        if isinstance(failure.body, dict) and "error" in failure.body:
            return reading.refusal(model.name, failure.body["error"])
        return super().refusal(model, failure)

    # ── tokens ──────────────────────────────────────────────────────────────────────────────────────

    async def tokenized(self, prompt: Prompt) -> list[int]:
        return await self.ids(wire.mixed(prompt), add_special=prompt.add_special)

    async def counted(self, texts: Sequence[str]) -> list[int]:
        """All texts in one request, told apart by an id that no token has."""
        counts = [0]
        for id in await self.ids([part for text in texts for part in (text, BETWEEN_TEXTS)]):
            if id == BETWEEN_TEXTS:
                counts.append(0)
            else:
                counts[-1] += 1
        return counts[:-1]

    async def ids(self, content: Any, *, add_special: bool = False) -> list[int]:
        body = {"content": content, "add_special": add_special, "parse_special": True}
        return list((await self.server.post(f"{self._base}/tokenize", body))["tokens"])

    async def spelled(self, ids: Sequence[int]) -> str:
        told = await self.server.post(f"{self._base}/detokenize", {"tokens": list(ids)})
        return str(told["content"])


def _name(told: str) -> str:
    """Without the folders and the ending of a file."""
    return told.replace("\\", "/").rpartition("/")[2].removesuffix(".gguf") or "model"


class LlamaCppReader(Reader):
    """The engine's own reader; its last event is the end marker. What it gives has yet to be `completed`."""

    def __init__(self, name: str, server: str, sampling: Sampling) -> None:
        super().__init__(name, server)
        self._reader = reading.Reader(name, logprobs=sampling.logprobs, stops=bool(sampling.stop))
        self._end: Finished | None = None

    def read(self, row: dict[str, Any]) -> Sequence[Any]:
        return self._reader.read(row)

    def feed(self, data: bytes) -> list[Any]:
        try:
            found = self._reader.feed(data)
        except (ValueError, KeyError, TypeError, AttributeError, IndexError) as reason:
            raise RemoteBroke(self.server, "an event that cannot be read") from reason
        for delta in found:
            if isinstance(delta, Finished):
                self._end = delta
        return [delta for delta in found if not isinstance(delta, Finished)]

    def finish(self) -> list[Any]:
        if self._end is None:
            raise RemoteBroke(self.server, "its answer broke off")
        return [dataclasses.replace(self._end, cache="slot" if self._end.reused_tokens else "none")]
