"""A text with places for the columns of a row. Knows no file and no model.

`{column}` is the whole syntax of the plain kind; any other brace stands for itself, so that a template may
show JSON. A text with `{{ … }}` or `{% … %}` is Jinja and is rendered in the same sandbox as chat
templates; `row` is the whole row there.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fabula.batches.table import Table
from fabula.core.errors import ColumnMissing, RowTemplateUnusable, TemplateRefused
from fabula.core.texts import phrase

PLACE = re.compile(r"\{([^\W\d][^{}\n\"':,\[\]]{0,200})\}")
JINJA = re.compile(r"\{\{|\{%")
ROW = "row"
GIVEN = frozenset({ROW, "range", "strftime_now", "raise_exception", "loop", "namespace", "dict", "cycler"})
"""Names that a Jinja template may use beside columns."""
EXAMPLE = "{name}"


@dataclass(frozen=True, slots=True)
class RowTemplate:
    """`columns` are those that every row must have."""

    source: str
    columns: tuple[str, ...]
    is_jinja: bool

    def fill(self, row: Mapping[str, Any]) -> str:
        """Raises RowTemplateUnusable with what the sandbox says."""
        if self.is_jinja:
            return _rendered(self.source, row)
        return PLACE.sub(lambda match: as_text(row[match[1].strip()]), self.source)


def parse(source: str) -> RowTemplate:
    """Raises RowTemplateUnusable for broken Jinja."""
    if JINJA.search(source):
        return RowTemplate(source, _jinja_columns(source), True)
    names = (match[1].strip() for match in PLACE.finditer(source))
    return RowTemplate(source, tuple(dict.fromkeys(names)), False)


def check(templates: Sequence[RowTemplate], table: Table) -> None:
    """Before anything is asked. Raises ColumnMissing with row and column, or RowTemplateUnusable."""
    if not any(template.columns or template.is_jinja for template in templates):
        raise RowTemplateUnusable(phrase("batch.template.nothing", example=EXAMPLE))
    needed = tuple(dict.fromkeys(column for template in templates for column in template.columns))
    for number, row in enumerate(table.rows, 1):
        for column in needed:
            if row.get(column) is None:
                raise ColumnMissing(column, number, ", ".join(table.columns))
        _try(templates, row, number)


def _try(templates: Sequence[RowTemplate], row: Mapping[str, Any], number: int) -> None:
    """Jinja may fail at one row only."""
    for template in templates:
        if template.is_jinja:
            try:
                template.fill(row)
            except RowTemplateUnusable as error:
                reason = phrase("batch.template.row", row=number, reason=error.reason)
                raise RowTemplateUnusable(reason) from error


def as_text(value: Any) -> str:
    """A value of a row as it stands in a prompt and in a CSV file."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


# ── Jinja ───────────────────────────────────────────────────────────────────────────────────────────


def _jinja_columns(source: str) -> tuple[str, ...]:
    import jinja2
    from jinja2 import meta

    environment = jinja2.Environment(extensions=["jinja2.ext.loopcontrols"])  # it only parses
    try:
        tree = environment.parse(source)
    except jinja2.TemplateSyntaxError as error:
        told = phrase("batch.template.syntax", line=error.lineno, reason=error.message or "")
        raise RowTemplateUnusable(told) from error
    except RecursionError as error:
        raise RowTemplateUnusable(phrase("reasons.template_depth")) from error
    return tuple(sorted(meta.find_undeclared_variables(tree) - GIVEN))


def _rendered(source: str, row: Mapping[str, Any]) -> str:
    from fabula.prompt.template import ChatTemplate

    names = {name: value for name, value in row.items() if name.isidentifier() and name not in RESERVED}
    try:
        template = ChatTemplate(source, variables={**names, ROW: dict(row)})
        return template.render([], add_generation_prompt=False)
    except TemplateRefused as error:
        raise RowTemplateUnusable(error.reason) from error


RESERVED = frozenset({"messages", "add_generation_prompt", "bos_token", "eos_token", "range", "strftime_now"})
"""What the renderer of chat templates gives itself; a column of such a name is `row["messages"]`."""
