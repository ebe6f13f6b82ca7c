"""A studio in a thread whose model says what a test tells it to. Knows no client."""

from __future__ import annotations

import queue
import threading

import tiny_model
from stage import Stage
from talking import Client

from fabula.core.sampling import Sampling
from fabula.core.worker import Prompt
from fabula.engine.scripted import Reply, Script, ScriptedWorker
from fabula.server.run import serve
from fabula.store.home import Home

TEMPLATE = (
    "{% if tools %}<tools>{% for tool in tools %}{{ tool | tojson }}{% endfor %}<tool_call></tools>"
    "{% endif %}"
    "{% for m in messages %}[{{ m.role }}]{{ m.content }}"
    "{% for call in m.tool_calls or [] %}<tool_call>{{ call.function | tojson }}</tool_call>{% endfor %}"
    "{% endfor %}{% if add_generation_prompt %}[assistant]"
    "{% if enable_thinking is defined and not enable_thinking %}<think></think>{% endif %}{% endif %}"
)
"""Of a model that thinks and calls tools, like Qwen3's."""


WEATHER = {
    "name": "get_weather",
    "description": "The weather of a city.",
    "parameters": {
        "type": "object",
        "properties": {"city": {"enum": ["台北", "Paris"]}},
        "required": ["city"],
    },
}
CALL = '<tool_call>\n{"name": "get_weather", "arguments": {"city": "台北"}}\n</tool_call>'


class Scripted:
    """A studio whose models say what `says` is at that moment: `tiny` writes, `vectors` embeds."""

    def __init__(self, home: Home, stop: threading.Event) -> None:
        self.says: Reply | str | Script = "Hello there, traveller."
        self.stage = Stage(self._play)
        tiny_model.write(home.models / "tiny.gguf", **{"tokenizer.chat_template": TEMPLATE})
        tiny_model.write(home.models / "vectors.gguf", **{"llama.pooling_type": 1})
        ready: queue.SimpleQueue[str] = queue.SimpleQueue()
        run = {"ready": ready.put, "stop": stop, "make_worker": self.stage.make_worker}
        self.thread = threading.Thread(target=serve, args=(home, {"port": 0}), kwargs=run)
        self.thread.start()
        self.client = Client(ready.get(timeout=30))

    def _play(self, prompt: Prompt, sampling: Sampling) -> Reply | str:
        return self.says(prompt, sampling) if callable(self.says) else self.says

    @property
    def writer(self) -> ScriptedWorker:
        """The worker that wrote last, and knows what it was asked."""
        return next(worker for worker in reversed(self.stage.workers) if worker.samplings)

    @property
    def address(self) -> str:
        return self.client.address
