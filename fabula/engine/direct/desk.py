"""What the direct child is asked to do, one function each. Runs in the child process only."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fabula.core.sampling import Sampling
from fabula.core.stream import Choice, Token
from fabula.engine.direct import capture, pointing, scoring
from fabula.engine.direct.capture import Reader
from fabula.engine.direct.context import Context
from fabula.engine.direct.forms import WholeRegex
from fabula.engine.direct.frames import frame
from fabula.engine.direct.grammar import Grammar
from fabula.engine.direct.library import Drifted, Library
from fabula.engine.direct.weights import Refused, Settings, TooLong, Weights
from fabula.engine.direct.writing import Asked, Reply
from fabula.engine.parsing.schema_grammar import Grammar as SchemaGrammar

SHORTEST = 512  # tokens that a context which stays has room for
SPELLED = 256  # candidates of an outlook whose texts are told

Json = dict[str, Any]
Say = Callable[[bytes], None]


class Ended(Exception):
    """Nobody waits for the answer any more."""


class Desk:
    """One loaded model, and the requests that it serves. `ended` are numbers of requests that are to end."""

    def __init__(self, library: Library, settings: Settings) -> None:
        self.weights = Weights(library, settings)
        self.context = Context(self.weights)
        self._kept: tuple[Any, Reader] | None = None
        self.ended: set[int] = set()
        self._scales: tuple[float, ...] = (0.0,) * len(settings.adapters)
        self._worn: int | None = None
        self._vectors: NDArray[np.float32] | None = None
        self._pointed: list[list[Any]] = []
        self._say: Say = lambda data: None
        self._id = 0

    def facts(self) -> Json:
        return {
            "vocabulary": self.weights.vocabulary,
            "layers": self.weights.layers,
            "width": self.weights.width,
            "rows": self.context.rows,
        }

    def answer(self, asked: Json, say: Say) -> None:
        """Every request ends with one answer that says so; no failure of a request ends the child."""
        self._id, self._say = asked["id"], say
        try:
            self._adapt(asked.get("scales"))
            self._point(asked.get("pointed"))
            self.context.only(0)
            duty = getattr(self, DUTIES[asked["do"]].__name__)  # a desk that derives may do it its own way
            last = duty(asked)
            self._tell({"done": True} | last)
        except Ended:
            self._tell({"done": True, "ended": True})
        except TooLong as long:
            self._tell({"error": "too_long", "tokens": long.tokens, "context": long.context})
        except (Refused, Drifted) as refused:
            self._tell({"error": "refused", "reason": f"{refused}"})
        except Exception as failure:  # noqa: BLE001  # told to the studio, which raises it
            self._tell({"error": "failed", "reason": f"{type(failure).__name__}: {failure}"})
        self.ended.discard(self._id)

    def pause(self) -> None:
        if self._id in self.ended:
            raise Ended

    def _tell(self, said: Json, data: bytes = b"") -> None:
        self._say(frame({"id": self._id} | said, data))

    def _adapt(self, scales: Sequence[float] | None) -> None:
        if scales is not None and tuple(scales) != self._scales:
            self.context.adapt(scales, self._worn)
            self._scales = tuple(scales)

    def _point(self, vectors: list[list[Any]] | None) -> None:
        """Control vectors from files, as the request names them; None = as they are."""
        if vectors is None or vectors == self._pointed:
            return
        matrix = pointing.matrix(vectors, self.weights.layers, self.weights.width) if vectors else None
        self.context.steer(matrix)
        self._vectors, self._pointed = matrix, vectors

    # ── texts ───────────────────────────────────────────────────────────────────────────────────────

    def ids(self, pieces: Sequence[Any], *, add_special: bool, literal: bool = False) -> list[int]:
        """Text is tokenized in place; special tokens are put before and behind the first piece at most."""
        found: list[int] = []
        for number, piece in enumerate(pieces):
            if isinstance(piece, str):
                first = add_special and number == 0
                found += self.weights.tokenize(piece, add_special=first, parse_special=not literal)
            else:
                found += self._known(piece)
        return found

    def _known(self, ids: Sequence[int]) -> list[int]:
        wrong = [id for id in ids if not 0 <= id < self.weights.vocabulary]
        if wrong:
            raise Refused(f"there is no token {wrong[0]}: the vocabulary has {self.weights.vocabulary}")
        return list(ids)

    def _asked_ids(self, asked: Json, name: str = "prompt") -> list[int]:
        pieces, add_special, literal = asked[name]
        return self.ids(pieces, add_special=add_special, literal=literal)

    def tokenize(self, asked: Json) -> Json:
        return {"ids": self._asked_ids(asked)}

    def count(self, asked: Json) -> Json:
        return {"counts": [len(self.weights.tokenize(text, add_special=False)) for text in asked["texts"]]}

    def detokenize(self, asked: Json) -> Json:
        raw = b"".join(self.weights.piece(id) for id in self._known(asked["ids"]))
        return {"text": raw.decode("utf-8", "replace")}

    def outlook(self, asked: Json) -> Json:
        """All tokens that may follow, best first, as int32 and float32 behind the head."""
        ids = self._asked_ids(asked)
        if not ids:
            raise Refused("the prompt is empty")
        self.context.reuse(ids, len(ids) - 1)
        logits = self.context.last(ids, pause=self.pause)
        row = scoring.log_softmax(logits[None])[0]
        best = np.argsort(-row, kind="stable")
        best = best[np.isfinite(row[best])]
        spelled = dict.fromkeys([*ids, *best[:SPELLED].tolist()])
        pieces = [[id, base64.b64encode(self.weights.piece(id)).decode()] for id in spelled]
        told: Json = {"prompt": ids, "vocabulary": self.weights.vocabulary, "pieces": pieces}
        told |= {
            "offset": float(logits[best[0]] - row[best[0]]),
            "spread": float(logits.std(dtype=np.float64)),
        }
        self._tell(told, best.astype("<i4").tobytes() + row[best].astype("<f4").tobytes())
        return {}

    # ── scoring ─────────────────────────────────────────────────────────────────────────────────────

    def score(self, asked: Json) -> Json:
        ids = self._asked_ids(asked)
        if len(ids) < 2:
            return {"ids": ids, "texts": [self._text(id) for id in ids], "logprobs": [], "likeliest": []}
        values, best, best_values = scoring.score(self.context, ids, asked["likeliest"], self.pause)
        rows = [
            [self._choice(int(id), float(value)) for id, value in zip(*row, strict=True)]
            for row in zip(best, best_values, strict=True)
        ]
        texts = [self._text(id) for id in ids]
        return {"ids": ids, "texts": texts, "logprobs": values.tolist(), "likeliest": rows}

    def choices(self, asked: Json) -> Json:
        prefix = self._asked_ids(asked)
        if not prefix:
            raise Refused("choices need a text before them")
        continuations = [self.ids(pieces, add_special=False) for pieces, *_ in asked["continuations"]]
        return {"logprobs": scoring.choices(self.context, prefix, continuations, self.pause)}

    def keep_rows(self, asked: Json) -> Json:
        ids, file = self._known(asked["ids"]), Path(asked["file"])
        scoring.keep_rows(self.context, ids, asked["start"], asked["end"], file, self.pause)
        return {}

    def compare_rows(self, asked: Json) -> Json:
        ids, file = self._known(asked["ids"]), Path(asked["file"])
        rows = scoring.compare_rows(self.context, ids, asked["start"], asked["end"], file, self.pause)
        return {"rows": rows}

    def _text(self, id: int) -> str:
        return self.weights.piece(id).decode("utf-8", "replace")

    def _choice(self, id: int, logprob: float) -> list[Any]:
        return as_row(Choice(id, self._text(id), logprob, tuple(self.weights.piece(id))))

    # ── inside ──────────────────────────────────────────────────────────────────────────────────────

    def capture(self, asked: Json) -> Json:
        ids = self._asked_ids(asked)
        if shared := asked.get("shared", 0):
            found = self._reader(asked["tensors"], len(ids)).read(ids, shared, self.pause)
        else:
            found = capture.capture(
                self.weights, ids, asked["tensors"], asked["keep"], self._change, self.pause
            )
        for name, (seen, values) in found.items():
            told = {"name": name, "rows": seen.rows, "shape": list(values.shape), "tokens": len(ids)}
            told |= {"counts": [] if seen.counts is None else seen.counts.tolist()}
            self._tell(told, values.astype("<f4").tobytes())
        return {}

    def _reader(self, patterns: Sequence[str], size: int) -> Reader:
        """One for the same tensors, adapters, vectors and size of texts, in place of an earlier one."""
        length = min(max(SHORTEST, 1 << size.bit_length()), self.weights.settings.context)
        key = (tuple(patterns), self._scales, repr(self._pointed), length)
        if self._kept is None or self._kept[0] != key:
            if self._kept:
                self._kept[1].close()
            self._kept = key, Reader(self.weights, patterns, self._change, length)
        return self._kept[1]

    def _change(self, context: Context) -> None:
        """Another context of the same model, with the adapters and vectors of this one."""
        if any(self._scales) or self._worn is not None:
            context.adapt(self._scales, self._worn)
        if self._vectors is not None:
            context.steer(self._vectors)

    def wear(self, asked: Json) -> Json:
        """An adapter from a file beside those of the settings, in place of the one before; "" = none."""
        if self._kept:  # it reads with what was worn before
            self._kept[1].close()
            self._kept = None
        before, self._worn = self._worn, None
        self.context.adapt(self._scales)
        if before is not None:
            self.weights.library.adapter_lora_free(before)
        if asked["file"]:
            self._worn = self.weights.adapter(asked["file"])
            self.context.adapt(self._scales, self._worn)
        return {}

    def steer(self, asked: Json) -> Json:
        """Vectors are multiplied here: the library takes them as they are."""
        vectors: Mapping[str, Sequence[float]] = asked["vectors"]
        layers, width = self.weights.layers, self.weights.width
        self._pointed = []
        if not vectors or not asked["scale"]:
            self._vectors = None
            self.context.steer(None)
            return {}
        matrix = np.zeros((layers - 1, width), np.float32)
        for layer, vector in vectors.items():
            if not 1 <= int(layer) < layers or len(vector) != width:
                raise Refused(
                    f"layer {layer} with {len(vector)} numbers: layers 1 to {layers - 1} with {width} numbers"
                )
            matrix[int(layer) - 1] = np.asarray(vector, np.float32) * asked["scale"]
        self.context.steer(matrix)
        self._vectors = matrix
        return {}

    # ── writing ─────────────────────────────────────────────────────────────────────────────────────

    def write(self, asked: Json) -> Json:
        sampling = Sampling.of(asked["sampling"])
        ids = self._asked_ids(asked)
        if not ids:
            raise Refused("the prompt is empty")
        form = self._form(sampling, asked["triggers"])
        request = Asked(
            ids=ids,
            negative=self._negative(sampling, ids),
            sampling=sampling,
            seed=asked["seed"],
            shown=self._shown([*asked["shown"], *asked["triggers"]]),
            marks=tuple(asked["shown"]),
            triggers=tuple(asked["triggers"]),
        )
        began = time.perf_counter()
        try:
            reply = Reply(
                self.context, request, form, show=self._show, prefill=self._prefill, pause=self.pause
            )
            end = reply.write()
        finally:
            if isinstance(form, Grammar):
                form.close()
        return {
            "reason": end.reason,
            "prompt": len(ids),
            "reused": end.reused,
            "prompt_ms": end.prompt_ms,
            "predicted_ms": end.predicted_ms,
            "total_ms": (time.perf_counter() - began) * 1000,
            "stop_string": end.stop_string,
            "completion": len(end.written),
            "bans": [end.rewrites, end.wasted_tokens, list(end.unavoided)],
        }

    def _show(self, token: Token) -> None:
        said: Json = {"text": token.text, "ids": list(token.ids)}
        if token.chosen:
            said |= {"chosen": as_row(token.chosen), "likeliest": [as_row(row) for row in token.likeliest]}
        self._tell(said)

    def _prefill(self, processed: int, total: int, reused: int) -> None:
        self._tell({"prefill": [processed, total, reused]})

    def _shown(self, texts: Sequence[str]) -> frozenset[int]:
        """Special tokens that are written out, by their texts."""
        found = (self.weights.tokenize(text, add_special=False) for text in texts)
        return frozenset(ids[0] for ids in found if len(ids) == 1)

    def _negative(self, sampling: Sampling, ids: Sequence[int]) -> list[int]:
        """What guidance leads away from; without a negative prompt, the last token alone."""
        if sampling.guidance_scale == 1:
            return []
        return self.weights.tokenize(sampling.negative_prompt, add_special=True) or [ids[-1]]

    def _form(self, sampling: Sampling, triggers: Sequence[str]) -> Grammar | WholeRegex | None:
        if sampling.regex:
            plain = partial(self.weights.piece, special=False)  # what has no text of its own cannot follow
            return WholeRegex(sampling.regex, plain, self.weights.ends)
        text = sampling.grammar
        if sampling.json_schema:
            rules = SchemaGrammar()
            text = rules.text(rules.schema(json.loads(sampling.json_schema)))
        return Grammar(self.weights, text, triggers) if text else None


def as_row(choice: Choice) -> list[Any]:
    """−inf has no place in JSON."""
    return [choice.id, choice.text, max(choice.logprob, -1e30), list(choice.bytes)]


DUTIES: dict[str, Callable[[Desk, Json], Json]] = {
    "tokenize": Desk.tokenize,
    "count": Desk.count,
    "detokenize": Desk.detokenize,
    "outlook": Desk.outlook,
    "score": Desk.score,
    "choices": Desk.choices,
    "keep_rows": Desk.keep_rows,
    "compare_rows": Desk.compare_rows,
    "capture": Desk.capture,
    "wear": Desk.wear,
    "steer": Desk.steer,
    "write": Desk.write,
}
