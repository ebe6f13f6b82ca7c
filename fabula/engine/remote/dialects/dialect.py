"""What every dialect tells of itself: its models, how it is asked, how it is read. Knows none of them."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from fabula.core.errors import BadParameter, FabulaError, OnlyConverses
from fabula.core.model import Elsewhere, LocalModel
from fabula.core.request import Context
from fabula.core.sampling import Sampling
from fabula.core.stream import Delta, Finished
from fabula.core.texts import phrase
from fabula.core.worker import Conversation, Prompt
from fabula.engine.remote import numbers
from fabula.engine.remote.reading import Reader
from fabula.engine.remote.server import Refused, Server, refused


@dataclass(frozen=True, slots=True, kw_only=True)
class Offered:
    """A model as its server lists it; "" and 0 where it does not say."""

    id: str
    title: str = ""
    context: int = 0
    reply_limit: int = 0
    abilities: tuple[str, ...] = ()
    parameters: tuple[str, ...] = ()
    weights: int = 0  # how many
    size: int = 0  # bytes
    quantization: str = ""
    architecture: str = ""
    chat_template: str = ""
    bos_token: str = ""
    eos_token: str = ""
    adds_bos: bool = False
    vocabulary: int = 0
    tokenizer: str = ""  # of what identifies it there; "" = its ids are not known


@dataclass(frozen=True, slots=True)
class Asked:
    url: str
    body: dict[str, Any]


class Dialect(ABC):
    """One server, spoken to in one way. `kind` is its name in settings, `label` among people."""

    kind: ClassVar[str]
    label: ClassVar[str]
    droppable: Mapping[str, str] = {}
    """Fields of a body that may be left out when the server refuses them, with our names for them."""

    wanted_context = 0
    """Tokens that the model shall be loaded with, for servers that can be told."""

    def __init__(self, server: Server) -> None:
        self.server = server

    @classmethod
    def headers(cls, key: str) -> dict[str, str]:
        return {"authorization": f"Bearer {key}"} if key else {}

    def converses(self, model: LocalModel) -> bool:
        """Whether it takes messages rather than a prompt that is made here."""
        return True

    def sees(self, model: LocalModel) -> bool:
        """Whether images may be sent; where that is not told, the server decides."""
        return True

    @abstractmethod
    async def offers(self) -> list[Offered]:
        """Its models. Raises what the server tells."""

    async def look(self, id: str) -> Offered | None:
        """One model as it is now; None where it is not there any more."""
        return next((offered for offered in await self.offers() if offered.id == id), None)

    @abstractmethod
    def honoured(self, model: LocalModel) -> frozenset[str]:
        """Which of our generation parameters have an effect."""

    def effective(self, model: LocalModel, sampling: Sampling, seed: int) -> dict[str, Any]:
        return numbers.effective(sampling, self.honoured(model), seed)

    def ignored(self, model: LocalModel, sampling: Sampling) -> tuple[str, ...]:
        return numbers.ignored(sampling, self.honoured(model))

    @abstractmethod
    async def ask(
        self, model: LocalModel, prompt: Prompt, sampling: Sampling, used: Mapping[str, Any]
    ) -> Asked:
        """The request for one stream; `used` is `effective` of the sampling."""

    @abstractmethod
    def reader(self, model: LocalModel, prompt: Prompt, sampling: Sampling) -> Reader:
        """Of one stream."""

    def unheeded(self, model: LocalModel, conversation: Conversation) -> tuple[str, ...]:
        """What of a conversation has no effect with this server."""
        return ()

    async def completed(self, model: LocalModel, read: Any) -> Sequence[Delta]:
        """A delta with what only the server can add to it."""
        return (read,)

    async def weigh(self, model: LocalModel, conversation: Conversation) -> int | None:
        return None

    def refusal(self, model: LocalModel, failure: Refused) -> FabulaError:
        return refused(model.name, there(model).model, self.server.name, failure)

    def settled(self, used: dict[str, Any], finished: Finished) -> dict[str, Any]:
        """`used`, corrected by what the server says that it used."""
        return used

    async def left(self, asked: Asked, context: Context) -> None:  # noqa: B027  # most need nothing
        """The reader of a stream has gone before its end."""


def there(model: LocalModel) -> Elsewhere:
    assert model.elsewhere, "a worker of servers is given models of servers"
    return model.elsewhere


def conversation_of(model: LocalModel, prompt: Prompt) -> Conversation:
    """Raises OnlyConverses."""
    if prompt.conversation is None:
        raise OnlyConverses(model.name)
    return prompt.conversation


def as_object(arguments: str) -> Any:
    """A tool call's arguments where a server wants no text."""
    try:
        return json.loads(arguments)
    except ValueError:
        return {}


def text_of(prompt: Prompt) -> str:
    """A raw prompt as text. Raises BadParameter for token ids, whose words only their tokenizer knows."""
    for piece in prompt.pieces:
        if not isinstance(piece, str):
            raise BadParameter("prompt", f"{piece[:8]}", phrase("expected.text"))
    return "".join(piece for piece in prompt.pieces if isinstance(piece, str))
