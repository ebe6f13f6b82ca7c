"""The common suite with a studio of our own as an OpenAI server."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from remote_loading import loaded
from studio_process import StudioProcess
from worker_suite import Suited, WorkerSuite

from fabula.core.messages import Message
from fabula.core.sampling import Sampling
from fabula.core.stream import Finished
from fabula.core.worker import Conversation, Prompt
from fabula.store.home import Home

pytestmark = pytest.mark.asyncio(loop_scope="module")
RAW = Path(__file__).with_name("raw_server.py")
KEY = secrets.token_urlsafe()


@pytest.fixture(scope="module")
def our_own(starter_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    home = Home(tmp_path_factory.mktemp("theirs")).create()
    (home.models / "starter.gguf").symlink_to(starter_model)
    with_slots = {"FABULA_ENGINE_SLOTS": "2", "FABULA_ENGINE_AUTO_TUNE": "false"}
    studio = StudioProcess(home.path, **with_slots)
    studio.client.post("/models/starter/load")
    yield studio.address
    studio.process.terminate()
    studio.ended()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def suited(our_own: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Suited]:
    worker = await loaded(tmp_path_factory.mktemp("home"), our_own, "starter")
    yield Suited(worker, frozenset({"ids"}))
    await worker.close()


class TestOurOwnStudio(WorkerSuite):
    """As an OpenAI server, which tells no token ids."""

    async def test_a_conversation_is_rendered_there(self, suited: Suited) -> None:
        talk = Conversation(messages=(Message(role="user", text="Say only: yes."),))
        asked = suited.worker.stream(Prompt((), conversation=talk), Sampling(temperature=0, max_tokens=8))
        *deltas, end = [delta async for delta in asked]
        assert deltas
        assert isinstance(end, Finished)
        assert end.engine.startswith("Fabula (127.0.0.1:")
