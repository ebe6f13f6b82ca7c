"""How families of models mark their reasoning, as data. Knows no stream.

Written from the chat templates that the makers publish. A family is found by its tags in the template's
source; a caller can name one instead.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

BRIDGE = "\n\nI have thought long enough and will answer now.\n"
"""What is put at the end of reasoning that is cut off, so that the model goes on with an answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """`start` and `end` surround reasoning; `answer` stands between its end and the answer. `drops` are tags
    around the answer that are never shown."""

    name: str
    start: str
    end: str
    answer: str = "\n\n"
    drops: tuple[str, ...] = ()
    channels: bool = False  # every part of a reply has a header of its own (Harmony)

    @property
    def shown(self) -> tuple[str, ...]:
        """The marks that may be special tokens, of which engines print nothing unless they are told to."""
        if self.channels:
            return HARMONY_MARKS
        return (self.start, self.end, *self.drops)

    def is_open(self, prompt: str) -> bool:
        """Whether a prompt ends inside a block of reasoning."""
        return prompt.rstrip().endswith(self.start.rstrip())

    def closed(self) -> str:
        """The end of a block, up to where the answer begins."""
        return self.end + self.answer

    def skipped(self, is_open: bool) -> str:
        """What stands in a prompt so that the model answers without reasoning."""
        if self.channels:
            return self.answer_header
        return self.closed() if is_open else f"{self.start}\n\n{self.closed()}"

    @property
    def answer_header(self) -> str:
        """Harmony's header of an answer, after the name of the one who speaks."""
        return "<|channel|>final<|message|>"


HARMONY_MARKS = (
    "<|start|>",
    "<|channel|>",
    "<|message|>",
    "<|constrain|>",
    "<|end|>",
    "<|call|>",
    "<|return|>",
)


def _tags(name: str) -> Family:
    return Family(name=name, start=f"<{name}>", end=f"</{name}>")


FAMILIES = (
    Family(
        name="harmony",
        start="<|channel|>analysis<|message|>",
        end="<|end|>",
        answer="<|start|>assistant<|channel|>final<|message|>",
        channels=True,
    ),
    Family(name="gemma", start="<|channel>thought", end="<channel|>", answer="\n"),
    Family(
        name="apriel",
        start="Here are my reasoning steps:",
        end="[BEGIN FINAL RESPONSE]",
        answer="\n",
        drops=("[END FINAL RESPONSE]",),
    ),
    Family(name="magistral", start="[THINK]", end="[/THINK]"),
    Family(
        name="command",
        start="<|START_THINKING|>",
        end="<|END_THINKING|>",
        answer="<|START_RESPONSE|>",
        drops=("<|START_RESPONSE|>", "<|END_RESPONSE|>"),
    ),
    _tags("seed:think"),
    _tags("think"),
    _tags("thinking"),
    _tags("thought"),
    _tags("reasoning"),
    Family(name="kimi-vl", start="◁think▷", end="◁/think▷"),
    Family(name="granite-3.2", start="Here is my thought process:", end="Here is my response:"),
)
"""In this order: the first whose tags a template has is its family."""

BY_NAME = {family.name: family for family in FAMILIES}
WRAPPERS = (("<response>", "</response>"), ("<answer>", "</answer>"))
"""Tags that some models of the family `think` put around the answer (Granite 3.3, ERNIE, Hunyuan)."""

SWITCHES = ("enable_thinking", "thinking")
"""Variables by which templates switch reasoning on and off."""

EFFORTS = ("reasoning_effort", "thinking_effort")
BUDGETS = ("thinking_budget",)
KEEPS = {"preserve_thinking": True, "clear_thinking": False, "truncate_history_thinking": False}
"""Variables with which templates show the reasoning of earlier replies, and their values for it."""


def detect(template: str) -> Family | None:
    """The family of the model that a chat template belongs to; None where it does not reason."""
    family = next((family for family in FAMILIES if _is_of(family, template)), None)
    if family and family.name == "think":
        drops = [tag for pair in WRAPPERS if all(tag in template for tag in pair) for tag in pair]
        return replace(family, drops=tuple(drops))
    return family


def _is_of(family: Family, template: str) -> bool:
    if family.channels:
        return "<|channel|>" in template and "<|message|>" in template
    return family.start in template or family.end in template
