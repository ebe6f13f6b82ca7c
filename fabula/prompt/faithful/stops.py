"""Texts at which a reply ends. Knows no budget and no engine."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from fabula.prompt.faithful.templates import Context, Instruct


def stop_strings(
    *,
    user: str,
    char: str,
    context: Context,
    instruct: Instruct | None,
    resolve: Callable[[str], str],
    impersonates: bool = False,
    continues_user: bool = False,
    members: Sequence[str] = (),
    own: Sequence[str] = (),
) -> list[str]:
    """In SillyTavern's order, each once: names, the template's sequences, separators, the person's own.

    `continues_user`: the person's own message is lengthened.
    """
    found: list[str] = ["\n"] if context.single_line else []
    if context.names_as_stop_strings:
        found += [f"\n{char}:"] if impersonates else []
        found += [f"\n{user}:", *([f"\n{char}:"] if continues_user else [])]
        found += [f"\n{name}:" for name in members if name and name != char]
    found += _of_template(instruct, user, char, resolve) if instruct else []
    if context.use_stop_strings:
        found += [f"\n{resolve(text)}" for text in (context.chat_start, context.example_separator) if text]
    return list(dict.fromkeys(text for text in (*found, *own) if text))


def _of_template(instruct: Instruct, user: str, char: str, resolve: Callable[[str], str]) -> list[str]:
    sequences = [(instruct.stop_sequence, "")]
    if instruct.sequences_as_stop_strings:
        sequences += [
            (instruct.input_sequence, user),
            (instruct.output_sequence, char),
            (instruct.first_output_sequence, char),
            (instruct.last_output_sequence, char),
            (instruct.system_sequence, "System"),
            (instruct.last_system_sequence, "System"),
        ]
    named = [_named(text, name) for text, name in sequences]
    lines = dict.fromkeys("\n".join(named).split("\n"))
    wrapped = [instruct.separator + line for line in lines if line.strip()]
    return [resolve(text) for text in wrapped] if instruct.macro else wrapped


def _named(text: str, name: str) -> str:
    for spelling in ("{{name}}", "{{Name}}", "{{NAME}}"):
        text = text.replace(spelling, name) if name else text
    return text
