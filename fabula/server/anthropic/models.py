"""The list of models in Anthropic's shape, page by page. Knows no route and no file.

Source: Anthropic's API reference (models). Newest first there; here in the order that `fabula list` has.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import Any

from fabula.core.errors import BadParameter
from fabula.core.model import LocalModel
from fabula.core.texts import phrase

USUAL, MOST = 20, 1000  # of a page


def page(
    models: Sequence[LocalModel], *, before_id: str = "", after_id: str = "", limit: int = USUAL
) -> dict[str, Any]:
    """The models behind `after_id` or in front of `before_id`. Raises BadParameter."""
    if not 1 <= limit <= MOST:
        raise BadParameter("limit", f"{limit}", phrase("expected.whole_range", low=1, high=MOST))
    names = [model.name for model in models]
    start = _place(names, "after_id", after_id) + 1 if after_id else 0
    end = _place(names, "before_id", before_id) if before_id else len(models)
    asked = models[start:end]
    shown = asked[-limit:] if before_id and not after_id else asked[:limit]
    return {
        "data": [info(model) for model in shown],
        "has_more": len(shown) < len(asked),
        "first_id": shown[0].name if shown else None,
        "last_id": shown[-1].name if shown else None,
    }


def _place(names: Sequence[str], field: str, name: str) -> int:
    if name not in names:
        raise BadParameter(field, name[:80], phrase("expected.one_of", names=", ".join(names)))
    return names.index(name)


def info(model: LocalModel) -> dict[str, Any]:
    """What is not known is null; a model that runs elsewhere has no date, which is told as the epoch."""
    is_here = not model.elsewhere and model.path.exists()
    changed = model.path.stat().st_mtime if is_here else 0.0
    made = datetime.datetime.fromtimestamp(int(changed), datetime.UTC)
    return {
        "type": "model",
        "id": model.name,
        "display_name": model.title or model.name,
        "created_at": made.isoformat().replace("+00:00", "Z"),
        "lifecycle": "active",
        "max_input_tokens": model.trained_context or None,
        "max_tokens": model.trained_context or None,
    }
