"""What goes wrong with servers: each fault has its own sentence, and none looks like a short reply."""

from __future__ import annotations

import asyncio
import ssl
import subprocess
from pathlib import Path

import pytest
from remoting import QUICK, talk, worker_of, written
from standing_in import Says, Script, says, sent, standing_in
from test_remote_dialects import CLAUDE, GEMINI, KOBOLD, OLLAMA, OPENAI, chunk

from fabula.core.errors import (
    BadParameter,
    EngineDied,
    EngineFailure,
    EngineRefused,
    RemoteBroke,
    RemoteBusy,
    RemoteExists,
    RemoteKeyRefused,
    RemoteModelMissing,
    RemoteNotFound,
    RemoteSlow,
    RemoteUnknown,
    RemoteUnreachable,
    RemoteUntrusted,
)
from fabula.core.sampling import Sampling
from fabula.core.stream import Token
from fabula.core.worker import Prompt
from fabula.engine.remote.remotes import Remotes
from fabula.engine.remote.server import Patience
from fabula.store.home import Home

CHAT = "POST /v1/chat/completions"
HELLO = chunk({"content": "Hello"})
STREAMS = [
    (OPENAI, "compatible", CHAT, talk("Hi")),
    (OLLAMA, "ollama", "POST /api/chat", talk("Hi")),
    (KOBOLD, "kobold", "POST /api/extra/generate/stream", Prompt(("Hi",))),
    (CLAUDE, "anthropic", "POST /v1/messages", talk("Hi")),
    (GEMINI, "gemini", "POST /v1beta/models/gemini-x:streamGenerateContent", talk("Hi")),
]


@pytest.mark.parametrize(("script", "kind", "path", "prompt"), STREAMS, ids=[row[1] for row in STREAMS])
@pytest.mark.parametrize("breaks", [False, True], ids=["ends", "breaks"])
async def test_a_stream_without_its_end_marker_is_an_error(
    tmp_path: Path, script: dict[str, Says], kind: str, path: str, prompt: Prompt, breaks: bool
) -> None:
    whole = script[path]
    cut = Says(whole.pieces[: max(1, len(whole.pieces) // 2)], kind=whole.kind, breaks=breaks)
    async with standing_in({**script, path: cut}) as server, worker_of(server, tmp_path, kind) as worker:
        with pytest.raises(RemoteBroke):
            await written(worker, prompt)


@pytest.mark.parametrize(("script", "kind", "path", "prompt"), STREAMS, ids=[row[1] for row in STREAMS])
async def test_what_cannot_be_read_is_told_in_its_own_words(
    tmp_path: Path, script: dict[str, Says], kind: str, path: str, prompt: Prompt
) -> None:
    garbage = Says([b"data: {oops\n\n{oops\n"], kind=script[path].kind)
    async with standing_in({**script, path: garbage}) as server, worker_of(server, tmp_path, kind) as worker:
        with pytest.raises(RemoteBroke, match="oops"):
            await written(worker, prompt)


async def test_what_was_written_before_a_break_has_been_given(tmp_path: Path) -> None:
    script: Script = {**OPENAI, CHAT: sent(HELLO, breaks=True)}
    async with standing_in(script) as server, worker_of(server, tmp_path) as worker:
        stream = worker.stream(talk("Hi"), Sampling())
        assert await anext(stream) == Token("Hello")
        with pytest.raises(RemoteBroke, match="What was written so far is kept"):
            await anext(stream)


async def test_an_error_inside_a_stream_is_an_error(tmp_path: Path) -> None:
    script: Script = {**OPENAI, CHAT: sent(HELLO, {"error": {"message": "out of memory"}})}
    async with standing_in(script) as server, worker_of(server, tmp_path) as worker:
        with pytest.raises(EngineRefused, match="out of memory"):
            await written(worker, talk("Hi"))


ERROR = {"error": {"message": "so it is"}}
STATUSES: list[tuple[Says, type[EngineFailure], str]] = [
    (says(ERROR, 400), EngineRefused, "so it is"),
    (says(ERROR, 401), RemoteKeyRefused, "so it is"),
    (says(ERROR, 403), RemoteKeyRefused, "fabula remote key box"),
    (says(ERROR, 404), RemoteModelMissing, "m-1"),
    (says(ERROR, 429, **{"retry-after": "7"}), RemoteBusy, "7.0 s"),
    (says(ERROR, 429), RemoteBusy, "10 s"),
    (says(ERROR, 500), RemoteBroke, "500 so it is"),
    (Says((b"<html>bad gateway</html>",), 502, kind="text/html"), RemoteBroke, "502"),
    (says({}, 302, location="http://127.0.0.1:1/elsewhere"), RemoteBroke, "302"),
]


@pytest.mark.parametrize(("said", "kind", "words"), STATUSES, ids=[f"{row[0].status}" for row in STATUSES])
async def test_every_status_has_its_sentence(
    tmp_path: Path, said: Says, kind: type[EngineFailure], words: str
) -> None:
    async with standing_in({**OPENAI, CHAT: said}) as server, worker_of(server, tmp_path) as worker:
        with pytest.raises(kind, match=words):
            await written(worker, talk("Hi"))
        assert [heard.path for heard in server.heard].count("/v1/chat/completions") == 1  # never twice


async def test_a_busy_server_says_when_to_come_again(tmp_path: Path) -> None:
    said = says(ERROR, 429, **{"retry-after": "42"})
    async with standing_in({**OPENAI, CHAT: said}) as server, worker_of(server, tmp_path) as worker:
        with pytest.raises(RemoteBusy) as busy:
            await written(worker, talk("Hi"))
    assert (busy.value.status, busy.value.seconds) == (503, 42)


async def test_a_silent_server_is_not_waited_for_for_ever(tmp_path: Path) -> None:
    said = sent(HELLO, hangs=True)
    patience = Patience(connect=5, silence=0.2)
    async with (
        standing_in({**OPENAI, CHAT: said}) as server,
        worker_of(server, tmp_path, patience=patience) as worker,
    ):
        with pytest.raises(RemoteSlow):
            await written(worker, talk("Hi"))


@pytest.mark.parametrize("first", [says(ERROR, 500), Says((b'{"da',), breaks=True)], ids=["500", "broken"])
async def test_what_is_no_stream_is_tried_once_more(tmp_path: Path, first: Says) -> None:
    listed = OPENAI["GET /v1/models"]
    script: Script = {**OPENAI, "GET /v1/models": [first, listed]}
    async with standing_in(script) as server:
        remotes = Remotes(Home(tmp_path).create(), patience=QUICK)
        await remotes.add("box", server.url, kind="compatible")
        assert [model.name for model in remotes.models()] == ["box/m-1"]
        assert len(server.heard) == 2


async def test_it_is_not_tried_a_third_time_and_then_it_is_not_added(tmp_path: Path) -> None:
    async with standing_in({"GET /v1/models": says(ERROR, 500)}) as server:
        remotes = Remotes(Home(tmp_path).create(), patience=QUICK)
        with pytest.raises(RemoteBroke):
            await remotes.add("box", server.url, kind="compatible")
        assert (len(server.heard), remotes.servers()) == (2, [])


async def test_a_model_that_is_gone_is_missed_at_its_load(tmp_path: Path) -> None:
    empty = says({"data": []})
    script: Script = {**OPENAI, "GET /v1/models": [OPENAI["GET /v1/models"], empty]}
    async with standing_in(script) as server:
        with pytest.raises(RemoteModelMissing):
            async with worker_of(server, tmp_path, "compatible"):
                pass


async def test_nobody_at_home(tmp_path: Path) -> None:
    remotes = Remotes(Home(tmp_path).create(), patience=QUICK)
    with pytest.raises(RemoteUnreachable, match=r"127\.0\.0\.1:9"):
        await remotes.add("box", "http://127.0.0.1:9")


async def test_a_server_that_is_none(tmp_path: Path) -> None:
    async with standing_in({}) as server:
        with pytest.raises(RemoteUnknown, match="llamacpp"):
            await Remotes(Home(tmp_path).create(), patience=QUICK).add("box", server.url)


async def test_a_key_is_missed_before_the_server_is_called_unknown(tmp_path: Path) -> None:
    async with standing_in({"GET /v1/models": says(ERROR, 401)}) as server:
        with pytest.raises(RemoteKeyRefused):
            await Remotes(Home(tmp_path).create(), patience=QUICK).add("box", server.url)


async def test_a_certificate_that_nobody_vouches_for_is_not_trusted(tmp_path: Path) -> None:
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost"]
    subprocess.run([*command, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    asyncio.get_running_loop().set_exception_handler(lambda loop, told: None)  # the stand-in's own surprise
    async with standing_in(dict(OPENAI), ssl=context) as server:
        with pytest.raises(RemoteUntrusted, match="Nothing was sent"):
            await Remotes(Home(tmp_path).create(), patience=QUICK).add("box", server.url, key="sk-1")
        assert server.heard == []


async def test_names_addresses_and_kinds_are_checked(tmp_path: Path) -> None:
    remotes = Remotes(Home(tmp_path).create(), patience=QUICK)
    for name, url, kind in (
        ("a/b", "http://127.0.0.1", ""),
        ("box", "ftp://127.0.0.1", ""),
        ("box", "http://me:secret@127.0.0.1", ""),
        ("box", "http://127.0.0.1?key=secret", ""),
        ("box", "http://127.0.0.1:9", "nonsense"),
    ):
        with pytest.raises(BadParameter) as wrong:
            await remotes.add(name, url, kind=kind)
        assert "secret" not in wrong.value.sentence()
    with pytest.raises(RemoteNotFound):
        await remotes.check("box")


async def test_a_name_is_given_once(tmp_path: Path) -> None:
    async with standing_in(dict(OPENAI)) as server:
        remotes = Remotes(Home(tmp_path).create(), patience=QUICK)
        await remotes.add("box", server.url, kind="compatible")
        with pytest.raises(RemoteExists):
            await remotes.add("box", server.url, kind="compatible")


async def test_a_worker_that_is_not_loaded_says_so_and_closing_twice_is_fine(tmp_path: Path) -> None:
    async with standing_in(dict(OPENAI)) as server, worker_of(server, tmp_path) as worker:
        await worker.close()
        with pytest.raises(EngineDied):
            await written(worker, talk("Hi"))
        await worker.close()
