"""What Ollama tells of models: listed, shown, running. Knows no request.

Source: Ollama's docs/api.md (tags, show, ps).
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping
from typing import Any

from fabula.app import Studio
from fabula.core.model import LocalModel
from fabula.core.plan import HOST
from fabula.core.worker import Running
from fabula.engine.parsing import families
from fabula.models.derived import Derived
from fabula.models.formats.gguf import BadHeader, read_header
from fabula.models.verifying import files_of, known_hash
from fabula.prompt.template import takes_tools
from fabula.server.ollama import modelfile, options
from fabula.server.ollama.times import NEVER, at, tagged

Json = dict[str, Any]
UNITS = ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "K"))


def row(studio: Studio, model: LocalModel) -> Json:
    """One of /api/tags."""
    return {
        "name": tagged(model.name),
        "model": tagged(model.name),
        "modified_at": at(changed_at(studio, model)),
        "size": model.size,
        "digest": digest(studio, model),
        "details": details(model),
        "capabilities": capabilities(model),
    }


def details(model: LocalModel) -> Json:
    return {
        "parent_model": model.base,
        "format": model.format if not model.elsewhere else "",
        "family": model.architecture,
        "families": [model.architecture] if model.architecture else [],
        "parameter_size": count(model.parameters),
        "quantization_level": model.quantization,
    }


def count(parameters: int) -> str:
    """134515008 → "134.52M"."""
    for size, unit in UNITS:
        if parameters >= size:
            number = parameters / size
            return f"{number:.2f}{unit}" if unit == "M" else f"{number:.1f}{unit}"
    return f"{parameters}" if parameters else ""


def capabilities(model: LocalModel) -> list[str]:
    """Of what its template and its files can; a server says it by itself."""
    if model.pooling:
        return ["embedding"]
    there = model.elsewhere.abilities if model.elsewhere else ()
    found = {
        "completion": True,
        "tools": "tools" in there or (bool(model.chat_template) and takes_tools(model.chat_template)),
        "vision": "images" in there or bool(model.projector),
        "thinking": "thinking" in there or families.detect(model.chat_template) is not None,
        "insert": bool(model.infill),
    }
    return [name for name, has in found.items() if has]


def changed_at(studio: Studio, model: LocalModel) -> float:
    """Unix seconds."""
    if told := derived(studio, model):
        return told.made_at
    try:
        return model.path.stat().st_mtime if not model.elsewhere else 0.0
    except OSError:
        return 0.0


def derived(studio: Studio, model: LocalModel) -> Derived | None:
    return studio.shelf.derived.find(model.name) if model.base else None


# ── digests ─────────────────────────────────────────────────────────────────────────────────────────


def digest(studio: Studio, model: LocalModel) -> str:
    """The file's SHA-256 where it was recorded (by its download or `fabula verify`); else one of its files'
    names, sizes and times, so that nothing has to be read. A derived model has one of its own."""
    told = derived(studio, model)
    of_files = _recorded(studio, model) or _state(model)
    return told.digest(of_files) if told else of_files


def _recorded(studio: Studio, model: LocalModel) -> str:
    files = [] if model.elsewhere or model.problem else files_of(model)
    return known_hash(files[0], studio.home.models) if len(files) == 1 and files[0].exists() else ""


def _state(model: LocalModel) -> str:
    if model.elsewhere:
        facts: list[Any] = [model.elsewhere.host, model.elsewhere.model]
    else:
        facts = [
            (str(file), file.stat().st_size, file.stat().st_mtime_ns)
            for file in files_of(model)
            if file.exists()
        ]
    return hashlib.sha256(json.dumps([model.base or model.name, facts]).encode()).hexdigest()


# ── one model ───────────────────────────────────────────────────────────────────────────────────────


def shown(studio: Studio, model: LocalModel, *, verbose: bool) -> Json:
    """/api/show. Texts that are not there are left out, as there."""
    told = derived(studio, model)
    parameters = dict(told.told.get("parameters", {})) if told else {}
    template = _template(model, told)
    texts = {
        "license": _licence(model, told),
        "parameters": "\n".join(f"{name:<30} {value}" for name, value in options.lines(parameters)),
        "template": template,
        "system": told.system if told else "",
        "requires": str(told.told.get("requires", "")) if told else "",
    }
    talk = [{"role": each.role, "content": each.text} for each in told.messages] if told else []
    return {
        "modelfile": _modelfile(model, told, parameters, template),
        **{name: text for name, text in texts.items() if text},
        **({"messages": talk} if talk else {}),
        "details": details(model),
        "model_info": facts(model, verbose=verbose),
        "capabilities": capabilities(model),
        "modified_at": at(changed_at(studio, model)),
    }


def _template(model: LocalModel, told: Derived | None) -> str:
    """As it was given, where it was."""
    return str(told.told.get("template") or "") if told and told.template else model.chat_template


def _licence(model: LocalModel, told: Derived | None) -> str:
    return str((told.told.get("license") if told else "") or model.licence)


def _modelfile(model: LocalModel, told: Derived | None, parameters: Mapping[str, Any], template: str) -> str:
    adapters = dict(told.load.adapters or ()) if told else {}
    return modelfile.written(
        base=model.base or model.name,
        parameters=parameters,
        template=template if '"""' not in template else "",
        system=told.system if told else "",
        adapters=adapters,
        messages=[(each.role, each.text) for each in told.messages] if told else (),
        licence=_licence(model, told),
    )


def facts(model: LocalModel, *, verbose: bool) -> Json:
    """The header's own facts; its long lists are null unless asked for."""
    least = {
        "general.architecture": model.architecture,
        "general.parameter_count": model.parameters,
        f"{model.architecture or 'general'}.context_length": model.trained_context,
        f"{model.architecture or 'general'}.embedding_length": model.embedding,
    }
    told = {name: value for name, value in least.items() if value}
    if model.elsewhere or model.problem or model.path.is_dir():
        return told
    keep = ("tokenizer.ggml.tokens", "tokenizer.ggml.token_type", "tokenizer.ggml.merges") if verbose else ()
    try:
        metadata = read_header(model.path, keep).metadata
    except BadHeader:
        return told
    return told | {
        name: _fact(value, verbose) for name, value in metadata.items() if name != "tokenizer.chat_template"
    }


def _fact(value: Any, verbose: bool) -> Any:
    if isinstance(value, str | int | float | bool):
        return value
    if verbose and isinstance(value, tuple):
        return list(value)
    return None


# ── what runs ───────────────────────────────────────────────────────────────────────────────────────


def running(studio: Studio, row: Running) -> Json:
    """One of /api/ps. Where the drivers tell nothing, the plan does."""
    model = studio.find_model(row.model)
    on_gpus = sum(size for device, size in row.measured.items() if device != HOST)
    planned = sum(device.total - device.reserve for device in row.plan.devices)
    return {
        "name": tagged(model.name),
        "model": tagged(model.name),
        "size": max(on_gpus + row.memory, planned),
        "digest": digest(studio, model),
        "details": details(model),
        "expires_at": NEVER if row.keep_alive_s < 0 else at(row.expires_at or time.time() + row.keep_alive_s),
        "size_vram": on_gpus,
        "context_length": row.plan.context,
    }
