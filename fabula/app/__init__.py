"""The composition root: settings, the home folder, and the wiring of rooms through the seams of core.

Knows no HTTP, and has no logic of its own beyond who is given what.
"""

from fabula.app.studio import MakeWorker, Studio

__all__ = ["MakeWorker", "Studio"]
