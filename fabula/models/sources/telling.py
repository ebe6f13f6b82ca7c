"""What was found and what is offered, as the data that programs read: bytes, names, sentences."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from fabula.core.texts import say
from fabula.models.fit.telling import plan_data

if TYPE_CHECKING:
    from fabula.models.sources.hubs import HubFile
    from fabula.models.sources.offers import Hit, Offer, Offers

Json = dict[str, Any]


def hit_data(row: Hit, language: str) -> Json:
    planned = plan_data(row.plan, language) if row.plan else None
    return dataclasses.asdict(row.found) | {
        "source": row.found.source,
        "verdict": row.plan.verdict if row.plan else "",
        "plan": planned,
    }


def offers_data(found: Offers, language: str) -> Json:
    return {
        "source": found.source,
        "found": found.found,
        "offers": [offer_data(row, found, language) for row in found.offers],
        "recommended": found.best.source if found.best else "",
        "why": found.why.say(language),
        "needed": found.needed,
        "projector": file_data(found.projector) if found.projector else None,
        "unneeded": [
            file_data(row.file) | {"why": say(f"models.offers.unneeded.{row.why}", language)}
            for row in found.unneeded
        ],
        "header_requests": found.header_requests,
    }


def offer_data(row: Offer, found: Offers, language: str) -> Json:
    return {
        "source": row.source,
        "name": row.model.name,
        "format": row.model.format,
        "quantization": row.label,
        "size": row.model.size,
        "files": [file_data(each) for each in row.model.files],
        "verdict": row.plan.verdict,
        "basis": row.basis,
        "plan": plan_data(row.plan, language),
        "recommended": row is found.best,
        "out": say(f"models.offers.out.{row.out}", language) if row.out else "",
    }


def file_data(row: HubFile) -> Json:
    return {"path": row.path, "size": row.size, "sha256": row.sha256}
