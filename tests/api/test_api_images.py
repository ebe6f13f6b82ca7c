"""Images in OpenAI's dialect: as data only, for models that see."""

from __future__ import annotations

import base64
from typing import Any

import httpx
import pytest
import tiny_model
from stage import Stage

from fabula.core.messages import IMAGE
from fabula.store.home import Home

V1 = "http://127.0.0.1/v1"
GIF = b"GIF89a\x05\0\x05\0"
DATA = f"data:image/gif;base64,{base64.b64encode(GIF).decode()}"


@pytest.fixture
def home(home: Home) -> Home:
    """With a model that has a projector beside it."""
    tiny_model.write(home.models / "seer-Q4_0.gguf")
    tiny_model.write(home.models / "mmproj-seer-F16.gguf", **{"general.type": "mmproj"})
    return home


def asked(*parts: Any, model: str = "seer-Q4_0") -> dict[str, Any]:
    return {"model": model, "messages": [{"role": "user", "content": list(parts)}]}


def text(words: str) -> dict[str, Any]:
    return {"type": "text", "text": words}


def image(url: Any) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": url}}


async def test_images_reach_a_model_that_sees_in_their_places(api: httpx.AsyncClient, stage: Stage) -> None:
    body = asked(text("Compare "), image(DATA), text(" with "), image(DATA))
    assert (await api.post(f"{V1}/chat/completions", json=body)).status_code == 200
    prompt = stage.worker.prompts[-1]
    assert prompt.images == (GIF, GIF)
    assert prompt.pieces == (f"<user>Compare {IMAGE} with {IMAGE}</><assistant>",)


async def test_base64_may_stand_in_lines(api: httpx.AsyncClient, stage: Stage) -> None:
    lines = base64.encodebytes(GIF + bytes(100)).decode()
    answer = await api.post(f"{V1}/chat/completions", json=asked(image(f"data:image/gif;base64,{lines}")))
    assert answer.status_code == 200
    assert stage.worker.prompts[-1].images == (GIF + bytes(100),)


async def test_a_model_that_sees_nothing_says_so(api: httpx.AsyncClient) -> None:
    answer = await api.post(f"{V1}/chat/completions", json=asked(image(DATA), model="tiny"))
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "sees_no_images")


@pytest.mark.parametrize(
    "part",
    [
        image("http://192.0.2.1/cat.png"),
        image("https://example.org/cat.png"),
        image("file:///etc/passwd"),
        image("data:image/png;base64,%%%"),
        image("data:text/html;base64,aGk="),
        image("data:image/png;base64," + base64.b64encode(b"no image").decode()),
        image(None),
        {"type": "image_url"},
        {"type": "input_audio", "input_audio": {}},
        text(f"a mark {IMAGE} of ours"),
    ],
)
async def test_nothing_is_fetched_and_what_is_no_image_is_refused(
    api: httpx.AsyncClient, stage: Stage, part: dict[str, Any]
) -> None:
    answer = await api.post(f"{V1}/chat/completions", json=asked(part))
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "bad_parameter")
    assert stage.workers == []


async def test_more_images_than_anyone_needs_are_refused(api: httpx.AsyncClient) -> None:
    answer = await api.post(f"{V1}/chat/completions", json=asked(*[image(DATA)] * 17))
    assert answer.json()["error"]["code"] == "bad_parameter"
