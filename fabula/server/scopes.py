"""What a key must allow for each route: one table. Knows no key.

The first row that fits holds. A native route that no row names needs `admin`, and fails a test.
"""

from __future__ import annotations

from dataclasses import dataclass

NATIVE = "/api/fabula/v1"
FREE = ""
CHAT, MODELS, ADMIN = "chat", "models", "admin"
READ = frozenset({"GET", "HEAD"})
ALL = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
WRITE = ALL - READ


@dataclass(frozen=True, slots=True)
class Row:
    methods: frozenset[str]
    beginning: str
    scope: str
    ending: str = ""

    def fits(self, method: str, path: str) -> bool:
        return method in self.methods and path.startswith(self.beginning) and path.endswith(self.ending)


def _native(methods: frozenset[str], scope: str, *paths: str) -> tuple[Row, ...]:
    """A path with * is a beginning and an ending."""
    parts = [path.partition("*") for path in paths]
    return tuple(Row(methods, f"{NATIVE}{beginning}", scope, ending) for beginning, _, ending in parts)


ROWS = (
    *_native(READ, FREE, "/health", "/texts/"),
    *_native(ALL, FREE, "/session"),
    # ── what the program is and who may use it
    *_native(ALL, ADMIN, "/keys", "/reach", "/backup", "/import", "/places", "/system/", "/restart"),
    *_native(READ, CHAT, "/settings", "/engines", "/remotes", "/system", "/events", "/appearance"),
    *_native(WRITE, ADMIN, "/settings", "/engines", "/remotes", "/appearance"),
    # ── models
    *_native(
        WRITE, CHAT, "/models/*/score", "/models/*/compare", "/models/*/perplexity", "/models/*/choices"
    ),
    *_native(WRITE, CHAT, "/models/*/capture"),
    *_native(READ, CHAT, "/models", "/adapters", "/vectors", "/directions", "/catalog", "/recommend"),
    *_native(WRITE, CHAT, "/recommend"),
    *_native(READ, CHAT, "/evals"),
    *_native(WRITE, MODELS, "/models", "/adapters", "/vectors", "/directions", "/evals"),
    *_native(ALL, MODELS, "/downloads", "/jobs", "/search", "/fit"),
    # ── text, and what belongs to stories
    *_native(ALL, CHAT, "/generate", "/tokenize", "/detokenize", "/embed", "/rerank", "/turns/", "/presets"),
    *_native(ALL, CHAT, "/chats", "/characters", "/lorebooks", "/personas", "/scripts", "/templates"),
    *_native(ALL, CHAT, "/stories", "/batches", "/novels", "/notebooks", "/packs", "/replies"),
    *_native(ALL, CHAT, "/take", "/sampling", "/pictures"),
    Row(ALL, NATIVE, ADMIN),
    # ── dialects: all that only asks is chat, what changes models is listed
    Row(READ, "/health", FREE),
    Row(READ, "/v1/health", FREE),
    Row(READ, "/v1/health", FREE),
    Row(WRITE, "/api/pull", MODELS),
    Row(WRITE, "/api/push", MODELS),
    Row(WRITE, "/api/create", MODELS),
    Row(WRITE, "/api/copy", MODELS),
    Row(WRITE, "/api/delete", MODELS),
    Row(ALL, "/api/blobs/", MODELS),
    Row(ALL, "/api/admin/", MODELS),
    Row(WRITE, "/v1/internal/model/", MODELS),
    Row(WRITE, "/v1/internal/lora/", MODELS),
    Row(WRITE, "/models/", MODELS),
    Row(WRITE, "/lora-adapters", MODELS),
    Row(WRITE, "/slots/", MODELS),
    Row(WRITE, "/props", MODELS),
    Row(ALL, "/", CHAT),
)


def needed(method: str, path: str) -> str:
    """The scope of a route, "" where nobody has to be known."""
    return next((row.scope for row in ROWS if row.fits(method, path)), ADMIN)
