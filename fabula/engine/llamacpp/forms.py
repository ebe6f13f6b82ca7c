"""Notice that the engine did not understand the form that a reply should have. Knows no request, no process.

Given a JSON schema, a regex or a grammar in llguidance's own language that it cannot compile (measured:
`not`, `if`, `uniqueItems`, look-arounds, a rule that is missing …), the engine writes freely and says so in
its log only. The log line comes before the first token, so a form that is new is watched until then, one at
a time; a form that was understood once is not watched again. The log has a thread of its own and may lag: a
mark is set behind that line, and awaited. A llama-server of the user's own sets none, but tells that the
sampler is ready.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Protocol

from fabula.core.errors import BadParameter
from fabula.core.sampling import Sampling
from fabula.core.stream import Delta, Finished, Token
from fabula.core.texts import phrase

KEPT = 1000  # forms that are remembered as understood
LAG_S = 2.0  # how long the log may lag behind the first token
LOOK_S = 0.005
_COMPLAINT = re.compile(r"\bllg error: (?:at \d+\(\d+\): )?(?P<text>.+)")
OWN_LANGUAGE = "%llguidance"  # how a grammar begins that is no GBNF
IMPOSSIBLE = "NoExtensionBias"  # no reply can have the form
_REPEATED = re.compile(r"^failed to compile JSON schema: ")


class Log(Protocol):
    """The engine's log: how many lines it has had, those after a number, and a mark that it is to have."""

    def lines_since(self, mark: int) -> tuple[int, list[str]]: ...
    def mark(self) -> str: ...


class Forms:
    """Which forms one engine process has understood."""

    def __init__(self, log: Log):
        self._log = log
        self._understood: set[str] = set()
        self._one_at_a_time = asyncio.Lock()

    def is_news(self, sampling: Sampling) -> bool:
        """Whether it has a form that was not understood before."""
        _, form = _form(sampling)
        return bool(form) and form not in self._understood

    async def watched(
        self, deltas: AsyncGenerator[Delta, None], sampling: Sampling, slot: int
    ) -> AsyncGenerator[Delta, None]:
        """The same deltas. Raises BadParameter before the first token of a form that is not understood."""
        name, form = _form(sampling)
        async with aclosing(deltas):
            async with self._one_at_a_time:
                before, _ = self._log.lines_since(0)
                async for delta in deltas:
                    if isinstance(delta, Token | Finished):
                        break
                    yield delta
                else:
                    return
                self._judge(await self._begun(before, slot), name, form)
            yield delta
            async for delta in deltas:
                yield delta

    async def _begun(self, before: int, slot: int) -> list[str]:
        """What the log says of how the request in this slot was begun."""
        ready = re.compile(rf"\binit_sampler: id +{slot} |{re.escape(self._log.mark())}")
        for _ in range(int(LAG_S / LOOK_S)):
            _, lines = self._log.lines_since(before)
            if any(ready.search(line) for line in lines):
                break
            await asyncio.sleep(LOOK_S)
        return lines

    def _judge(self, lines: list[str], name: str, form: str) -> None:
        for line in lines:
            if complaint := _COMPLAINT.search(line):
                reason = _REPEATED.sub("", complaint["text"])[:300]
                wanted = phrase("expected.form_understood", reason=reason)
                if reason == IMPOSSIBLE:
                    wanted = phrase("expected.form_possible")
                raise BadParameter(name, form[:80], wanted)
        if len(self._understood) >= KEPT:
            self._understood.clear()
        self._understood.add(form)


def _form(sampling: Sampling) -> tuple[str, str]:
    """What llguidance has to compile, behind its name; GBNF is refused by the engine itself."""
    if sampling.grammar.startswith(OWN_LANGUAGE):
        return "grammar", sampling.grammar
    name = "json_schema" if sampling.json_schema else "regex"
    return name, getattr(sampling, name)
