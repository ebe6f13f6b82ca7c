"""Notice an engine that lives no more, though its process does. Knows no request and no model.

One that computes answers `/health` all the same (measured: one thread reading a prompt for 84 s on a machine
with twice as much to do as cores, in 0.8 ms, at most in 0.4 s; one that runs for a twentieth of the time, at
most in 1.1 s), and one that has no time to answer uses the processor. So an engine is taken for dead only
when it does neither, look after look, while a request is open, whatever it asks.

What is left alone, because a slow engine does the same:
- one that computes and does not answer: its threads that answer may all be taken (measured: by 11 open
  requests with 4 slots, while all of them were being written), and a llama-server of the user's own may
  answer only between two batches (ik_llama.cpp, issue 1210: after 30 to 60 minutes);
- one that answers and does not compute: its model may lie on a disk or in a network that does not answer;
- one that answers and computes without an end: how long a batch takes is known to nobody beforehand.

Of a llama-server of the user's own that computes on a card, neither sign would be one: it is not watched.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import closing

import psutil

LOOK_S = 15.0  # between two looks
ANSWER_S = 15.0  # how long an answer may take
MISSES = 4  # looks in a row
LEAST_CPU_S = 0.05  # what an engine that does anything at all uses in that time
ASKED = b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


async def lost(address: tuple[str, int], pid: int, is_busy: Callable[[], bool]) -> float:
    """Returns when the engine is dead, and for how many seconds it has been silent."""
    loop = asyncio.get_running_loop()
    while True:
        began, spent = loop.time(), _spent(pid)
        for _ in range(MISSES):
            await asyncio.sleep(LOOK_S)
            if not is_busy() or await _answers(address) or _spent(pid) - spent > LEAST_CPU_S:
                break
        else:
            return loop.time() - began


async def _answers(address: tuple[str, int]) -> bool:
    """A connection that is refused or breaks says that the process ends, which is noticed elsewhere."""
    try:
        async with asyncio.timeout(ANSWER_S):
            reader, writer = await asyncio.open_connection(*address)
            with closing(writer):
                writer.write(ASKED)
                await reader.readline()
    except TimeoutError:
        return False
    except OSError:
        pass
    return True


def _spent(pid: int) -> float:
    """Seconds of the processor that the process has used; of one that has gone, ever more."""
    try:
        times = psutil.Process(pid).cpu_times()
    except psutil.Error:
        return float("inf")
    return float(times.user + times.system)
