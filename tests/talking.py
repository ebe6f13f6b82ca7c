"""Talk to a studio as a program would: JSON calls and event streams. Knows nothing of its inside."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

NATIVE = "/api/fabula/v1"
EVENTS = {"accept": "text/event-stream"}
Json = dict[str, Any]


@dataclass(frozen=True)
class Heard:
    """One server-sent event."""

    id: int
    kind: str
    data: Json = field(default_factory=dict)


def heard(lines: Iterable[str]) -> Iterator[Heard]:
    fields: dict[str, str] = {}
    for line in lines:
        if line.startswith(":"):
            continue
        if line:
            name, _, value = line.partition(": ")
            fields[name] = value
        elif fields:
            yield Heard(int(fields["id"]), fields["event"], json.loads(fields["data"]))
            fields = {}


async def overheard(lines: AsyncIterator[str]) -> AsyncIterator[Heard]:
    block: list[str] = []
    async for line in lines:
        block.append(line)
        if not line:
            for event in heard(block):
                yield event
            block = []


def text_of(events: Iterable[Heard]) -> str:
    return "".join(event.data["text"] for event in events if event.kind == "text")


class Client:
    """The native API of one studio."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.http = httpx.Client(base_url=address + NATIVE, timeout=60)

    def call(self, method: str, path: str, status: int = 200, **more: Any) -> Any:
        """The answer's JSON; the status is checked."""
        answer = self.http.request(method, path, **more)
        assert answer.status_code == status, answer.text
        return answer.json() if answer.content else None

    def get(self, path: str, **query: Any) -> Any:
        return self.call("GET", path, params=query)

    def post(self, path: str, body: Json | None = None, status: int = 200) -> Any:
        return self.call("POST", path, status, json=body or {})

    @contextmanager
    def events(self, method: str, path: str, **more: Any) -> Iterator[Iterator[Heard]]:
        headers = EVENTS | more.pop("headers", {})
        with self.http.stream(method, path, headers=headers, **more) as answer:
            assert answer.status_code in (200, 202), answer.read()
            yield heard(answer.iter_lines())

    def hear(self, path: str, **more: Any) -> list[Heard]:
        """A whole event stream."""
        with self.events("GET", path, **more) as events:
            return list(events)

    def new_chat(self, **fields: Any) -> Chat:
        return Chat(self, self.post("/chats", fields, 201)["id"])


class Chat:
    """One chat, always at the revision that the studio has."""

    def __init__(self, client: Client, id: str) -> None:
        self.client, self.id = client, id
        self.path = f"/chats/{id}"

    @property
    def now(self) -> Json:
        return dict(self.client.get(self.path))

    def at_revision(self, **body: Any) -> Json:
        return {"revision": self.now["revision"], **body}

    def start(self, status: int = 202, **body: Any) -> Json:
        """Begin a turn and leave it running."""
        return dict(self.client.post(f"{self.path}/turns", self.at_revision(**body), status))

    def say(self, text: str = "", **body: Any) -> list[Heard]:
        """A whole turn, as its events."""
        body = self.at_revision(text=text, **body)
        with self.client.events("POST", f"{self.path}/turns", json=body) as events:
            return list(events)

    def add(self, role: str, text: str) -> Json:
        body = self.at_revision(role=role, text=text)
        return dict(self.client.post(f"{self.path}/messages", body, 201)["message"])

    @property
    def messages(self) -> list[Json]:
        return list(self.client.get(f"{self.path}/messages")["messages"])

    @property
    def texts(self) -> list[str]:
        return [message["text"] for message in self.messages]

    def wait_until_quiet(self) -> Json:
        """Until no turn runs in it."""
        while turn_id := self.now["turn_id"]:
            self.client.hear(f"/turns/{turn_id}/events")
        return self.now
