"""One studio with the real engine for each file, and one with a scripted model. Know no client."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from scripted_studio import Scripted
from studio_process import StudioProcess, home_with

from fabula.store.home import Home

CONTEXT = 1024  # tokens; long prompts are short here, so that they are read soon
TEMPLATE = (
    "{% if messages[0].role != 'system' %}<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n"
    "{% endif %}{% if tools %}<|im_start|>system\n{% for tool in tools %}{{ tool | tojson }}{% endfor %}"
    "<tool_call></tool_call><|im_end|>\n{% endif %}"
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
"""The starter's way of chats, with a place for tools, which its own template lacks."""


@pytest.fixture(scope="module")
def studio(starter_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StudioProcess]:
    """The real engine with the starter model, loaded."""
    home = home_with(tmp_path_factory.mktemp("home") / "home", starter_model)
    studio = StudioProcess(home, FABULA_ENGINE_CONTEXT=f"{CONTEXT}")
    options = {"options": {"chat_template": TEMPLATE}}
    studio.client.call("PUT", "/models/smollm2/options", json=options)
    studio.client.post("/models/smollm2/load")
    yield studio
    studio.close()


@pytest.fixture(scope="module")
def scripted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scripted]:
    stop = threading.Event()
    scripted = Scripted(Home(tmp_path_factory.mktemp("scripted") / "home").create(), stop)
    yield scripted
    stop.set()
    scripted.thread.join()
