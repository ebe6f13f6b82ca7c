"""The rules of "why is this reply bad?": each reads the evidence, and finds one thing or nothing. Pure.

The sentences are the texts `why.RULE`, `why.RULE_fix` and `why.RULE_advice`. Limits are rules of thumb: a
healthy chat trips none of them, and what one of them finds can be tried out blind.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from fabula.chats.why.evidence import Evidence, Finding, Fix, Weight
from fabula.chats.why.repetition import repeated_sentences, repeated_share
from fabula.core.texts import Phrase, phrase

Rule = Callable[[Evidence], Finding | None]

LOW_BITS, LOW_KV = 3.6, ("q4_0", "q4_1", "iq4_nl")  # Q3_K_M has about 3.9 bits, Q2_K 3.0
SMALL = 1_000_000_000  # parameters
MUCH_REPEATED = 0.25  # of the runs of four words
LARGE_HEAD = 0.4  # of the context
SHORT_GREETING = 60  # letters

HEAT, PENALTY, PRESENCE = 1.4, 1.25, 1.2
STRONG = 1.5  # scale of an adapter or a vector
GUARDS = {"min_p": (0.02, 1.0), "top_p": (0.0, 0.98), "top_k": (1, 100), "top_n_sigma": (0.01, 3.0)}
"""Which values of these cut the unlikely rest off."""

MARKS = {
    "ChatML": "<|im_start|>",
    "Llama 3": "<|start_header_id|>",
    "Gemma": "<start_of_turn>",
    "Mistral": "[INST]",
    "Phi, Zephyr": "<|assistant|>",
    "Alpaca": "### Instruction:",
    "Vicuna": "USER:",
    "Command R": "<|START_OF_TURN_TOKEN|>",
    "DeepSeek": "<｜Assistant｜>",
}
"""Texts by which the common templates are known."""

UNRESOLVED = re.compile(r"\{\{\s*\w+[^{}\n]{0,60}\}\}")


def _found(rule: str, weight: Weight, fix: Fix | None = None, **fields: Any) -> Finding:
    advice = None if fix else phrase(f"why.{rule}_advice")
    return Finding(rule=rule, weight=weight, words=phrase(f"why.{rule}", **fields), fix=fix, advice=advice)


def _fix(rule: str, sampling: Mapping[str, Any] | None = None, /, **more: Any) -> Fix:
    fields = {name: more.pop(name) for name in tuple(more) if name not in ("model", "load")}
    return Fix(words=phrase(f"why.{rule}_fix", **fields), sampling=sampling or {}, **more)


# ── the model and its template ──────────────────────────────────────────────────────────────────────


def template_missing(seen: Evidence) -> Finding | None:
    if not seen.model or seen.model.chat_template or not seen.prompt or seen.layout == "raw":
        return None
    return _found("template_missing", "likely", name=seen.model.name)


def template_set(seen: Evidence) -> Finding | None:
    """A template of one's own is used, though the model brings one."""
    if seen.own_template or not seen.model or not seen.model.chat_template:
        return None
    fix = _fix("template_set", load={"chat_template": seen.model.chat_template})
    return _found("template_set", "possible", fix, name=seen.model.name)


def template_mismatch(seen: Evidence) -> Finding | None:
    """The prompt is worded as another kind of model wants it."""
    if not seen.model or not seen.model.chat_template or not seen.prompt:
        return None
    wanted = {name for name, mark in MARKS.items() if mark in seen.model.chat_template}
    used = {name for name, mark in MARKS.items() if mark in seen.prompt}
    if not wanted or wanted & used or (not used and seen.layout != "text"):
        return None
    names = " / ".join(sorted(used)) or phrase("why.no_template")
    return _found("template_mismatch", "likely", wanted=" / ".join(sorted(wanted)), used=names)


def bos_doubled(seen: Evidence) -> Finding | None:
    if not seen.model or not (bos := seen.model.bos) or not seen.prompt:
        return None
    written, rest = 0, seen.prompt
    while rest.startswith(bos):
        written, rest = written + 1, rest[len(bos) :]
    # The engine puts its own in front, and one of the text's is taken away for that.
    count = max(written, 1) if seen.model.adds_bos else written
    return _found("bos_doubled", "likely", count=count, token=bos) if count > 1 else None


def model_elsewhere_made(seen: Evidence) -> Finding | None:
    """It was not made to chat: it embeds or judges."""
    if not seen.model or not seen.model.pooling:
        return None
    return _found("model_elsewhere_made", "likely", name=seen.model.name)


def model_small(seen: Evidence) -> Finding | None:
    if not seen.model or not 0 < seen.model.parameters < SMALL:
        return None
    size = f"{round(seen.model.parameters / 1_000_000)}M"
    return _found("model_small", "note", name=seen.model.name, size=size)


def bits_low(seen: Evidence) -> Finding | None:
    if not seen.model or not 0 < seen.model.bits < LOW_BITS:
        return None
    better = seen.model.better
    fix = _fix("bits_low", model=better, name=better) if better else None
    return _found("bits_low", "likely", fix, bits=seen.model.bits, type=seen.model.quantization or "–")


def kv_low(seen: Evidence) -> Finding | None:
    if seen.kv_type not in LOW_KV:
        return None
    return _found("kv_low", "possible", _fix("kv_low", load={"kv_type": "q8_0"}), type=seen.kv_type)


# ── the context ─────────────────────────────────────────────────────────────────────────────────────


def context_cut(seen: Evidence) -> Finding | None:
    cut = int(seen.facts.get("cut_messages") or 0)
    if not cut:
        return None
    trained = seen.model.trained_context if seen.model else 0
    longer = min(2 * seen.context, trained)
    fix = _fix("context_cut", load={"context": longer}, context=longer) if longer > seen.context else None
    return _found("context_cut", "possible", fix, count=cut, context=seen.context)


def context_stretched(seen: Evidence) -> Finding | None:
    trained = seen.model.trained_context if seen.model else 0
    used = int(seen.facts.get("prompt_tokens") or 0)
    if not trained or used <= trained:
        return None
    return _found("context_stretched", "likely", used=used, trained=trained)


def head_large(seen: Evidence) -> Finding | None:
    """Card, lore and system prompt leave little room for what was said."""
    head = sum(seen.parts.values())
    if not seen.context or head <= LARGE_HEAD * seen.context:
        return None
    largest = max(seen.parts, key=lambda part: seen.parts[part])
    return _found(
        "head_large",
        "possible",
        tokens=head,
        context=seen.context,
        share=head / seen.context,
        part=phrase(f"story.parts.{largest}"),
        most=seen.parts[largest],
    )


# ── the sampling ────────────────────────────────────────────────────────────────────────────────────


def too_hot(seen: Evidence) -> Finding | None:
    """Heat, and nothing that cuts the unlikely rest off."""
    heat = float(seen.effective.get("temperature") or 0)
    guarded = any(low <= float(seen.effective.get(name) or 0) <= high for name, (low, high) in GUARDS.items())
    if heat <= HEAT and (heat <= 1.05 or guarded):
        return None
    fix = _fix("too_hot", {"temperature": 0.8, "min_p": 0.05})
    return _found("too_hot", "likely", fix, temperature=heat)


def too_cold(seen: Evidence) -> Finding | None:
    """Always the likeliest word, and the reply repeats itself."""
    heat = seen.effective.get("temperature")
    if heat is None or float(heat) > 0.15 or repeated_share(seen.text) <= MUCH_REPEATED / 2:
        return None
    return _found("too_cold", "possible", _fix("too_cold", {"temperature": 0.8}), temperature=float(heat))


def penalty_strong(seen: Evidence) -> Finding | None:
    """Penalties that punish words the grammar needs."""
    limits = {"repetition_penalty": PENALTY, "presence_penalty": PRESENCE, "frequency_penalty": PRESENCE}
    over = {
        name: float(seen.effective[name])
        for name, limit in limits.items()
        if float(seen.effective.get(name) or 0) > limit
    }
    if not over:
        return None
    name, value = max(over.items(), key=lambda one: one[1])
    neutral = {"repetition_penalty": 1.0, "presence_penalty": 0.0, "frequency_penalty": 0.0}
    change = {name: neutral[name] for name in over} | {"dry_multiplier": 0.8}
    return _found(
        "penalty_strong",
        "likely",
        _fix("penalty_strong", change),
        name=phrase(f"sampling.{name}.title"),
        value=value,
    )


def cut_narrow(seen: Evidence) -> Finding | None:
    """So little is left to choose from that the text turns flat."""
    narrow: dict[str, tuple[Callable[[float], bool], Any]] = {
        "top_k": (lambda value: 0 < value <= 3, 40),
        "top_p": (lambda value: 0 < value < 0.3, 0.95),
        "min_p": (lambda value: value > 0.4, 0.05),
        "typical_p": (lambda value: 0 < value < 0.3, 1.0),
    }
    over = {
        name: usual
        for name, (is_narrow, usual) in narrow.items()
        if is_narrow(float(seen.effective.get(name) or 0))
    }
    if not over or not seen.effective.get("temperature"):
        return None
    name = next(iter(over))
    title, value = phrase(f"sampling.{name}.title"), seen.effective[name]
    return _found("cut_narrow", "possible", _fix("cut_narrow", over), name=title, value=value)


def ignored(seen: Evidence) -> Finding | None:
    if not seen.ignored:
        return None
    return _found("ignored", "note", names=", ".join(seen.ignored))


def trait_strong(seen: Evidence) -> Finding | None:
    """An adapter or a control vector far beyond what it was made for."""
    scales = {**_pairs(seen.effective.get("adapters")), **_pairs(seen.effective.get("control_vectors"))}
    strong = {name: scale for name, scale in scales.items() if abs(scale) >= STRONG}
    if not strong:
        return None
    name, scale = max(strong.items(), key=lambda one: abs(one[1]))
    change: dict[str, Any] = {}
    for kind in ("adapters", "control_vectors"):
        if pairs := _pairs(seen.effective.get(kind)):
            change[kind] = {each: 0.0 if each in strong else own for each, own in pairs.items()}
    return _found("trait_strong", "likely", _fix("trait_strong", change, name=name), name=name, scale=scale)


def _pairs(value: Any) -> dict[str, float]:
    """Name → scale, of pairs, of rows with layers, or of an object."""
    rows = value.items() if isinstance(value, Mapping) else value or ()
    return {str(row[0]): float(row[1]) for row in rows}


# ── the reply ───────────────────────────────────────────────────────────────────────────────────────


def repeats_itself(seen: Evidence) -> Finding | None:
    looped = seen.facts.get("finish_reason") == "loop"
    share = repeated_share(seen.text)
    if share <= MUCH_REPEATED and not looped:
        return None
    fix = _fix("repeats_itself", {"dry_multiplier": 0.8, "temperature": _warmer(seen)})
    return _found("repeats_itself", "likely", fix, share=share)


def repeats_the_chat(seen: Evidence) -> Finding | None:
    sentences = repeated_sentences(seen.text, seen.earlier)
    if not sentences:
        return None
    fix = _fix("repeats_the_chat", {"dry_multiplier": 0.8, "dry_window": -1})
    quoted = _short(sentences[0])
    return _found("repeats_the_chat", "likely", fix, count=len(sentences), sentence=quoted)


def _warmer(seen: Evidence) -> float:
    return max(float(seen.effective.get("temperature") or 0), 0.8)


def cut_short(seen: Evidence) -> Finding | None:
    if seen.facts.get("finish_reason") != "length":
        return None
    limit, written = seen.effective.get("max_tokens"), int(seen.facts.get("completion_tokens") or 0)
    full = bool(seen.context) and int(seen.facts.get("prompt_tokens") or 0) + written >= seen.context
    if full or not limit:
        return _found("context_full", "likely", context=seen.context or written)
    more = 2 * int(limit)
    return _found("cut_short", "likely", _fix("cut_short", {"max_tokens": more}, more=more), limit=int(limit))


def broken_off(seen: Evidence) -> Finding | None:
    reason = seen.facts.get("finish_reason")
    if reason not in ("interrupted", "error", "stopped"):
        return None
    return _found("broken_off", "likely", why=phrase(f"web.facts.ended_{reason}"))


def empty(seen: Evidence) -> Finding | None:
    if seen.text.strip() or seen.facts.get("finish_reason") in ("tool_calls", "stopped", "error"):
        return None
    if seen.reasoning.strip():
        return _found("only_thought", "likely", _fix("only_thought", {"think": False}))
    return _found("empty", "likely", _fix("empty", {"min_tokens": 20}))


def wrong_form(seen: Evidence) -> Finding | None:
    problem = seen.facts.get("form_problem")
    if not problem:
        return None
    told = Phrase.of(problem) if isinstance(problem, Mapping) else problem
    return _found("wrong_form", "likely", problem=told)


def unavoided(seen: Evidence) -> Finding | None:
    texts = (seen.facts.get("bans") or {}).get("unavoided") or ()
    return _found("unavoided", "note", texts=", ".join(texts)) if texts else None


def speaks_for_the_person(seen: Evidence) -> Finding | None:
    """It goes on as the person."""
    name = seen.person.strip()
    if not name or not re.search(rf"(?m)^\W{{0,3}}{re.escape(name)}\W{{0,3}}[:：]", seen.text):
        return None
    fix = _fix("speaks_for_the_person", {"stop": [f"\n{name}:"]}, name=name)
    return _found("speaks_for_the_person", "likely", fix, name=name)


# ── what the prompt says ────────────────────────────────────────────────────────────────────────────


def macros_left(seen: Evidence) -> Finding | None:
    found = UNRESOLVED.search(seen.prompt)
    return _found("macros_left", "possible", macro=found[0]) if found else None


def greeting_short(seen: Evidence) -> Finding | None:
    """A story's model imitates the greeting: its length, its manner."""
    if not seen.is_story or seen.greeting is None or len(seen.greeting.strip()) >= SHORT_GREETING:
        return None
    return _found("greeting_short", "possible", letters=len(seen.greeting.strip()))


def greeting_missing(seen: Evidence) -> Finding | None:
    if not seen.is_story or seen.greeting is not None or seen.earlier:
        return None
    return _found("greeting_missing", "note")


def _short(sentence: str) -> str:
    return sentence if len(sentence) <= 80 else f"{sentence[:80]}…"


RULES: tuple[Rule, ...] = (
    *(model_elsewhere_made, template_missing, template_mismatch, template_set, bos_doubled),
    *(broken_off, empty, cut_short, wrong_form, speaks_for_the_person),
    *(repeats_itself, repeats_the_chat, too_hot, too_cold, penalty_strong, cut_narrow, trait_strong),
    *(context_cut, context_stretched, head_large, bits_low, kv_low),
    *(macros_left, greeting_short, greeting_missing, ignored, unavoided, model_small),
)

_ORDER: dict[Weight, int] = {"likely": 0, "possible": 1, "note": 2}


def findings(seen: Evidence) -> list[Finding]:
    """All that is found, the likeliest reasons first."""
    found = [finding for rule in RULES if (finding := rule(seen))]
    return sorted(found, key=lambda one: _ORDER[one.weight])
