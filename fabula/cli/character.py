"""`fabula character …`. Knows how characters are shown, and no file format."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from fabula.cli import marking, outside, screen, verbs
from fabula.cli.client import Client, Told, segment
from fabula.cli.marking import (
    FavouriteOption,
    FolderOption,
    InFolderOption,
    TaggedOption,
    TrashOption,
    UntagOption,
    WordsOption,
)
from fabula.cli.marking import TagOption as NewTagOption
from fabula.cli.options import HomeOption, JsonOption
from fabula.cli.outside import AllowOption
from fabula.cli.studio import connect
from fabula.cli.words import language, say
from fabula.core.errors import BadParameter, CharacterNotFound, FabulaError
from fabula.core.texts import phrase

ENDINGS = (".png", ".apng", ".json", ".charx", ".yaml", ".yml", ".byaf", ".jpg", ".jpeg")
PAGE = 500

FilesArgument = Annotated[
    list[Path],
    typer.Argument(metavar="FILE|DIR…", help=say("cli.character.files"), show_default=False),
]
WhichArgument = Annotated[
    str, typer.Argument(metavar="CHARACTER", help=say("cli.character.which"), show_default=False)
]
WordsArgument = Annotated[
    str, typer.Argument(metavar="[WORDS]", help=say("cli.character.words"), show_default=False)
]
TagOption = Annotated[
    list[str] | None, typer.Option("--tag", metavar="TAG", help=say("cli.character.tag"), show_default=False)
]
OutOption = Annotated[
    Path | None, typer.Option("--out", metavar="FILE", help=say("cli.character.out"), show_default=False)
]
CounterOption = Annotated[
    str, typer.Option("--model", metavar="MODEL", help=say("cli.counter"), show_default=False)
]
AsOption = Annotated[
    str, typer.Option("--as", metavar="NAME", help=say("cli.character.as"), show_default=False)
]
PictureArgument = Annotated[
    Path, typer.Argument(metavar="PICTURE", help=say("cli.character.picture_file"), show_default=False)
]
PackArgument = Annotated[
    Path, typer.Argument(metavar="FILE", help=say("cli.character.pack_file"), show_default=False)
]
NewNameArgument = Annotated[
    str, typer.Argument(metavar="NAME", help=say("cli.character.new_name"), show_default=False)
]
FormatOption = Annotated[
    Literal["png", "json", "charx"], typer.Option("--format", help=say("cli.character.format"))
]


def group() -> Any:
    functions = (
        ("list", list_),
        ("show", show),
        ("import", import_),
        ("export", export),
        ("pack", pack),
        ("tokens", tokens),
        ("picture", picture),
        ("pictures", pictures),
        ("copy", copy),
        ("mark", mark),
        ("rm", rm),
    )
    return verbs.group("character", functions)


def list_(
    words: WordsArgument = "",
    tag: TagOption = None,
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    with connect(home) as studio:
        characters = list(_all(studio, words, tag or ()))
    if json:
        screen.json_lines(characters)
        return
    titles = [(say(f"cli.columns.{title}"), "left") for title in ("name", "tags", "about")]
    rows = [(row["name"], ", ".join(row["tags"]), row["about"]) for row in characters]
    screen.table(titles, rows)  # type: ignore[arg-type]


def show(which: WhichArgument, home: HomeOption = None, json: JsonOption = False) -> None:
    with connect(home) as studio:
        character = found(studio, which)
    if json:
        screen.json_lines([character])
    else:
        fields = character["card"]["data"].items()
        screen.pairs([(name, value) for name, value in fields if isinstance(value, str) and value])


def import_(files: FilesArgument, home: HomeOption = None, json: JsonOption = False) -> None:
    """Every file that can be read is taken; the others are told, and make the command fail."""
    found = [file for given in files for file in _files(given)]
    refused: list[FabulaError] = []
    with connect(home) as studio:
        for file in found:
            try:
                taken = studio.send("/characters/import", _content(file), name=file.name)
            except (Told, BadParameter) as wrong:
                refused.append(wrong)
                screen.note(wrong.sentence(language()))
            else:
                _tell(taken, json)
    if refused and len(found) > 1:
        screen.note(say("cli.character.some", taken=len(found) - len(refused), refused=len(refused)))
    if refused:
        raise typer.Exit(1)


def _tell(taken: dict[str, Any], json: bool) -> None:
    if json:
        screen.json_lines([taken])
    else:
        key = "cli.character.already" if taken.get("already") else "cli.character.imported"
        screen.line(say(key, name=taken["name"]))


def export(
    which: WhichArgument, format: FormatOption = "png", out: OutOption = None, home: HomeOption = None
) -> None:
    with connect(home) as studio:
        character = found(studio, which)
        content = studio.fetch(f"/characters/{segment(character['id'])}/file", format=format)
    if out is None:
        sys.stdout.buffer.write(content)
        return
    if out.exists():
        raise BadParameter("--out", str(out), phrase("expected.new_file"))
    out.write_bytes(content)
    screen.note(say("cli.character.exported", name=character["name"], file=str(out)))


def pack(
    out: PackArgument,
    words: WordsOption = "",
    in_: InFolderOption = None,
    tagged: TaggedOption = None,
    format: FormatOption = "png",
    home: HomeOption = None,
) -> None:
    if out.exists():
        raise BadParameter("FILE", str(out), phrase("expected.new_file"))
    with connect(home) as studio:
        ids = studio.get("/characters/ids", **marking.wanted(words, in_, tagged, False))["ids"]
        out.write_bytes(studio.answer("/characters/export", {"ids": ids, "format": format}))
    screen.note(say("cli.character.packed", count=len(ids), file=str(out)))


def tokens(
    which: WhichArgument,
    model: CounterOption = "",
    as_: AsOption = "",
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    with connect(home) as studio:
        body = {"card": found(studio, which)["card"], "user": as_, "model": model}
        told = studio.post("/characters/tokens", body)
    if json:
        screen.json_lines([told])
        return
    titles = [(say("cli.columns.field"), "left"), (say("cli.columns.tokens"), "right")]
    titles.append((say("cli.columns.when"), "left"))
    rows = [
        (row["field"], f"{row['tokens']}", say(f"cli.character.when.{row['when']}")) for row in told["parts"]
    ]
    screen.table(titles, rows)  # type: ignore[arg-type]
    screen.note(say("cli.character.always", tokens=told["always"]))
    screen.note(say("cli.counted", model=told["model"]) if told["model"] else say("cli.guessed"))


def picture(which: WhichArgument, file: PictureArgument, home: HomeOption = None) -> None:
    with connect(home) as studio:
        character = found(studio, which)
        path = f"/characters/{segment(character['id'])}/picture"
        studio.lay(path, _content(file), revision=character["revision"])
    screen.note(say("cli.character.drawn", name=character["name"]))


def pictures(
    which: WhichArgument, allow: AllowOption = None, home: HomeOption = None, json: JsonOption = False
) -> None:
    with connect(home) as studio:
        outside.choose(studio, "character", found(studio, which)["id"], allow, json)


def copy(
    which: WhichArgument, name: NewNameArgument, home: HomeOption = None, json: JsonOption = False
) -> None:
    with connect(home) as studio:
        character = found(studio, which)
        made = studio.post(f"/characters/{segment(character['id'])}/copy", {"name": name})
    _tell(made, json)


def mark(
    words: WordsOption = "",
    in_: InFolderOption = None,
    tagged: TaggedOption = None,
    folder: FolderOption = None,
    favourite: FavouriteOption = None,
    tag: NewTagOption = None,
    untag: UntagOption = None,
    trash: TrashOption = None,
    home: HomeOption = None,
) -> None:
    query = marking.wanted(words, in_, tagged, trash is False)
    changes = marking.marks(folder, favourite, tag, untag, trash)
    with connect(home) as studio:
        marking.mark(studio, "characters", studio.get("/characters/ids", **query)["ids"], changes)


def rm(which: WhichArgument, home: HomeOption = None) -> None:
    with connect(home) as studio:
        character = found(studio, which)
        studio.post("/characters/mark", {"ids": [character["id"]], "trashed": True})
    screen.note(say("cli.character.removed", name=character["name"]))


def found(studio: Client, which: str) -> dict[str, Any]:
    """By id, or by a name that only one has."""
    try:
        return studio.get(f"/characters/{segment(which)}")
    except CharacterNotFound:
        named = [row for row in _all(studio) if row["name"].casefold() == which.casefold()]
    if len(named) > 1:
        ids = ", ".join(row["id"] for row in named)
        raise BadParameter("CHARACTER", which, phrase("expected.one_of", names=ids))
    if not named:
        raise CharacterNotFound(which)
    return studio.get(f"/characters/{segment(named[0]['id'])}")


def _all(studio: Client, words: str = "", tags: Sequence[str] = ()) -> Iterator[dict[str, Any]]:
    offset, total = 0, 1
    while offset < total:
        query = {"words": words, "offset": offset, "limit": PAGE}
        page = studio.get("/characters", **query, **({"tag": tags} if tags else {}))
        offset, total = offset + PAGE, page["total"]
        yield from page["characters"]


def _files(given: Path) -> list[Path]:
    if not given.is_dir():
        return [given]
    return sorted(path for path in given.rglob("*") if path.suffix.lower() in ENDINGS and path.is_file())


def _content(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as wrong:
        expected = phrase("expected.readable_file", reason=f"{wrong.strerror}")
        raise BadParameter("FILE", str(file), expected) from wrong
