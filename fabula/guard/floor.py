"""The floor: sexual content involving minors is refused, whatever else a policy allows. There is no switch.

Knows text and the order of messages; nothing of chats, engines or HTTP. What it cannot see: docs/guard.md.
"""

from __future__ import annotations

import functools
import itertools
import time
from collections.abc import Sequence

from fabula.core.errors import Blocked
from fabula.core.messages import Message
from fabula.core.request import ANYONE, Context
from fabula.core.seams import Guard, Watch
from fabula.guard.glance import glance
from fabula.guard.lexicon import lexicon, phrases
from fabula.guard.normalise import spellings
from fabula.guard.purpose import Frame, is_clear
from fabula.guard.reading import read
from fabula.guard.scene import Scene
from fabula.guard.sense import senses_heat, senses_young
from fabula.guard.stir import arms, stirs
from fabula.guard.watch import FloorWatch

POLICY = "floor"
AT_ONCE, PAUSE_S = 64, 0.001  # words looked up in a row; then others, who may wait for Python, get it
EVERY_KIND = (
    "She is thirty and teaches; her son, born the year the towers fell, is nine and wants a child some day.\n"
    "Ana tiene 34 años, Claire a 34 ans, Anna ist 34 Jahre alt.\n她三十歲，在學校教書，兒子九歲。\n"
)


class FloorGuard:
    """Implements `core.seams.Guard` around a further policy, which is asked after the floor."""

    def __init__(self, further: Guard):
        self._further = further

    def prepare(self) -> None:
        """Reads all lists, makes all patterns and looks up all words of the lists: the first message would
        wait for it."""
        said = (Message(role="user", text=EVERY_KIND),)
        hear(said)
        watch = self.watch(said, ANYONE)
        watch.feed(EVERY_KIND)
        watch.finish()
        for sentence in EVERY_KIND.splitlines():
            glance(sentence)
            senses_heat(sentence)
        atoms = lexicon().atoms
        begin = map(str.capitalize, phrases("common"))  # as most sentences do
        for place, form in enumerate((*itertools.chain.from_iterable(map(spellings, atoms)), *begin)):
            senses_young(form)
            if place % AT_ONCE == 0:
                time.sleep(PAUSE_S)

    def judge(self, messages: Sequence[Message], context: Context) -> None:
        if _may_be_warm(messages):
            hear(messages)
        _may_tell_of_young(messages)  # `watch` asks again, in the event loop; long texts are judged beside it
        self._further.judge(messages, context)

    def watch(self, messages: Sequence[Message], context: Context) -> Watch:
        before = tuple(messages)
        further = self._further.watch(messages, context)
        return FloorWatch(
            functools.partial(hear, before),
            further,
            warm=_may_be_warm(before),
            armed=_may_tell_of_young(before),
        )


def _may_be_warm(messages: Sequence[Message]) -> bool:
    """Whether any message has a word that could make it sexual. Without one, nobody needs to be read."""
    return any(stirs(_written(message)) for message in messages)


def _may_tell_of_young(messages: Sequence[Message]) -> bool:
    return any(arms(_written(message)) for message in messages)


def hear(messages: Sequence[Message]) -> tuple[Scene, Frame]:
    """The scene after all messages, and the frame that the last one sets for its answer. Raises Blocked."""
    scene, frame = Scene(), Frame()
    for message in messages:
        reading = read(_written(message))
        if scene.hear(reading, message.role, frame if message.role == "assistant" else Frame()):
            raise Blocked(POLICY)
        if message.role == "user":
            frame = reading.frame if is_clear(reading.frame) and not reading.lured else Frame()
    return scene, frame


def _written(message: Message) -> str:
    """All that a message says: its text, its reasoning, what it calls tools with."""
    calls = [call.arguments for call in message.tool_calls]
    if not (message.reasoning or calls):
        return message.text
    return "\n".join([message.reasoning, message.text, *calls])
