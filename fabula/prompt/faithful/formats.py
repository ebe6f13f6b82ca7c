"""Instruct templates of the known model families, by name. Knows no model.

The tokens around turns are facts of each family's own chat template (tokenizer_config.json or model card);
where a model's file carries a template, that one is the better choice.
"""

from __future__ import annotations

from typing import Any, Final

from fabula.prompt.faithful.templates import Context, Instruct


def _turns(
    name: str, *, user: str, assistant: str, system: str = "", ends: str = "", **more: Any
) -> Instruct:
    """A template whose three kinds of turns begin with a text of their own and end alike.

    Without turns of the system's own, its texts are told as the person's.
    """
    given: dict[str, Any] = {
        "input_sequence": user,
        "output_sequence": assistant,
        "system_sequence": system,
        "input_suffix": ends,
        "output_suffix": ends,
        "system_suffix": ends if system else "",
        "story_string_prefix": system,
        "story_string_suffix": ends if system else "",
        "system_same_as_user": not system,
        "wrap": False,
    }
    return Instruct(name=name, **given | more)


_FORMATS: Final = (
    _turns(
        "ChatML",
        user="<|im_start|>user\n",
        assistant="<|im_start|>assistant\n",
        system="<|im_start|>system\n",
        ends="<|im_end|>\n",
        stop_sequence="<|im_end|>",
    ),
    _turns(
        "Llama 2",
        user="[INST] ",
        assistant="",
        input_suffix=" [/INST]",
        output_suffix="</s>",
        story_string_prefix="[INST] <<SYS>>\n",
        story_string_suffix="\n<</SYS>>\n\n [/INST]",
    ),
    _turns(
        "Llama 3",
        user="<|start_header_id|>user<|end_header_id|>\n\n",
        assistant="<|start_header_id|>assistant<|end_header_id|>\n\n",
        system="<|start_header_id|>system<|end_header_id|>\n\n",
        ends="<|eot_id|>",
        stop_sequence="<|eot_id|>",
    ),
    _turns(
        "Llama 4",
        user="<|header_start|>user<|header_end|>\n\n",
        assistant="<|header_start|>assistant<|header_end|>\n\n",
        system="<|header_start|>system<|header_end|>\n\n",
        ends="<|eot|>",
        stop_sequence="<|eot|>",
    ),
    _turns(
        "Mistral V1",
        user=" [INST] ",
        assistant=" [/INST] ",
        output_suffix="</s>",
        last_output_sequence=" [/INST]",
        story_string_prefix=" [INST] ",
        story_string_suffix=" [/INST]",
    ),
    _turns(
        "Mistral V3",
        user="[INST] ",
        assistant="[/INST] ",
        output_suffix="</s>",
        last_output_sequence="[/INST]",
        story_string_prefix="[INST] ",
        story_string_suffix="[/INST]",
    ),
    _turns(
        "Mistral V7",
        user="[INST] ",
        assistant=" ",
        system="[SYSTEM_PROMPT] ",
        ends="</s>",
        input_suffix="[/INST]",
        system_suffix="[/SYSTEM_PROMPT]",
        story_string_suffix="[/SYSTEM_PROMPT]",
        stop_sequence="</s>",
    ),
    _turns(
        "Mistral V7 Tekken",
        user="[INST]",
        assistant="",
        system="[SYSTEM_PROMPT]",
        ends="</s>",
        input_suffix="[/INST]",
        system_suffix="[/SYSTEM_PROMPT]",
        story_string_suffix="[/SYSTEM_PROMPT]",
        stop_sequence="</s>",
    ),
    _turns(
        "Gemma",
        user="<start_of_turn>user\n",
        assistant="<start_of_turn>model\n",
        ends="<end_of_turn>\n",
        story_string_prefix="<start_of_turn>user\n",
        story_string_suffix="<end_of_turn>\n",
        stop_sequence="<end_of_turn>",
    ),
    _turns(
        "Phi",
        user="<|user|>\n",
        assistant="<|assistant|>\n",
        system="<|system|>\n",
        ends="<|end|>\n",
        stop_sequence="<|end|>",
    ),
    _turns(
        "Command R",
        user="<|START_OF_TURN_TOKEN|><|USER_TOKEN|>",
        assistant="<|START_OF_TURN_TOKEN|><|CHATBOT_TOKEN|>",
        system="<|START_OF_TURN_TOKEN|><|SYSTEM_TOKEN|>",
        ends="<|END_OF_TURN_TOKEN|>",
        stop_sequence="<|END_OF_TURN_TOKEN|>",
    ),
    _turns(
        "DeepSeek",
        user="<｜User｜>",
        assistant="<｜Assistant｜>",
        output_suffix="<｜end▁of▁sentence｜>",
        stop_sequence="<｜end▁of▁sentence｜>",
    ),
    _turns(
        "GLM-4",
        user="<|user|>\n",
        assistant="<|assistant|>\n",
        system="<|system|>\n",
        story_string_prefix="[gMASK]<sop><|system|>\n",
    ),
    _turns(
        "Kimi",
        user="<|im_user|>user<|im_middle|>",
        assistant="<|im_assistant|>assistant<|im_middle|>",
        system="<|im_system|>system<|im_middle|>",
        ends="<|im_end|>",
        stop_sequence="<|im_end|>",
    ),
    _turns(
        "Harmony",
        user="<|start|>user<|message|>",
        assistant="<|start|>assistant<|channel|>final<|message|>",
        system="<|start|>developer<|message|>",
        ends="<|end|>",
        story_string_prefix="<|start|>system<|message|>",
    ),
    _turns(
        "Tülu",
        user="<|user|>\n",
        assistant="<|assistant|>\n",
        system="<|system|>\n",
        ends="\n",
        output_suffix="<|end_of_text|>\n",
        stop_sequence="<|end_of_text|>",
    ),
    _turns("Pygmalion", user="<|user|>", assistant="<|model|>", story_string_prefix="<|system|>"),
    _turns(
        "Alpaca",
        user="### Instruction:\n",
        assistant="### Response:\n",
        system="### Input:\n",
        ends="\n\n",
        story_string_prefix="",
    ),
    _turns(
        "Vicuna",
        user="USER: ",
        assistant="ASSISTANT: ",
        input_suffix=" ",
        output_suffix="</s>",
        story_string_suffix="\n\n",
    ),
    Instruct(name="Plain", sequences_as_stop_strings=False, names_behavior="always"),
)

FORMATS: Final[dict[str, Instruct]] = {template.name: template for template in _FORMATS}
CONTEXTS: Final[dict[str, Context]] = {
    "Default": Context(name="Default"),
    "Starred": Context(name="Starred", example_separator="***", chat_start="***"),
}
