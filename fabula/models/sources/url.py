"""The file behind a web address, as a model in the folder. Knows no hub."""

from __future__ import annotations

from pathlib import Path

from fabula.core.errors import NotAModel
from fabula.models.sources import landing
from fabula.models.sources.download import Download
from fabula.models.sources.requests import Remote
from fabula.models.sources.words import Errand, Source


def fetch_url(source: Source, errand: Errand) -> Path:
    remote = Remote(source.target, "", source.text, source.sha256, source.size)
    with landing.one_at_a_time(errand, remote.id):
        download = Download(remote, errand)
        part = download.run()
        try:
            landing.check_model(part, source.text)
        except NotAModel:
            download.forget()
            raise
        return download.land()
