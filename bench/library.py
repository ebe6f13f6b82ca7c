"""A home with a library of many characters, for what has to stay fast with 20,000 of them.

`seed(home, count)` fills it through the shelf, as an import would, in a few transactions (measured: 95 s of
one core for 20,000). Names, tags, folders and pictures repeat, so that filters find something. Knows no
browser.
"""

from __future__ import annotations

import io
import random
import sys
from collections.abc import Iterable
from functools import partial
from pathlib import Path

from sqlalchemy import Connection

from fabula.chats.characters import shelf
from fabula.chats.characters.card import card
from fabula.chats.characters.shelf import Marks
from fabula.core.request import LOCAL_OWNER
from fabula.store.database import Database
from fabula.store.home import Home
from fabula.store.media import Media

CARDS = 20_000
PICTURES = 200
AT_ONCE = 1000  # cards of one transaction
FIRST = ("Mira", "Bo", "Ilse", "Taro", "Nadia", "阿波", "林墨", "Ravn", "Odile", "Kestrel", "雪見", "Anselm")
LAST = ("of the Light", "Harrow", "from the Coast", "Vane", "北海", "the Ferryman", "Okafor", "Lindqvist")
TAGS = (
    "sea",
    "city",
    "mystery",
    "slow",
    "comedy",
    "歷史",
    "sci-fi",
    "companion",
    "adventure",
    "school of magic",
)
FOLDERS = ("", "", "", "Coast", "City", "Unsorted")


def seed(home: Home, count: int = CARDS) -> None:
    """Puts so many characters into a home that nobody runs."""
    chance = random.Random(7)
    media = Media(home.media)
    pictures = [media.put(_picture(number)) for number in range(min(PICTURES, count))]
    database = Database(home.database, home.backups)
    database.open()
    try:
        known = database.read_sync(lambda c: shelf.page(c, LOCAL_OWNER, shelf.Filter(), 0, 1).total)
        for start in range(known, count, AT_ONCE):
            numbers = range(start, min(start + AT_ONCE, count))
            database.write_sync(partial(_add_all, numbers=numbers, chance=chance, pictures=pictures))
    finally:
        database.close()


def _add_all(
    connection: Connection, numbers: Iterable[int], chance: random.Random, pictures: list[str]
) -> None:
    for number in numbers:
        _add(connection, number, chance, pictures[number % len(pictures)])


def _add(connection: Connection, number: int, chance: random.Random, picture: str) -> None:
    name = f"{chance.choice(FIRST)} {chance.choice(LAST)} {number}"
    tags = chance.sample(TAGS, chance.randint(0, 4))
    about = f"{name} keeps lamp {number} and {' '.join(chance.choices(TAGS, k=12))}."
    fields = {"name": name, "description": about, "first_mes": "Come in, {{user}}.", "tags": tags}
    made = shelf.add(connection, LOCAL_OWNER, card({"data": fields}), picture)
    folder, favourite = chance.choice(FOLDERS), number % 50 == 0
    if folder or favourite:
        marks = Marks(folder=folder or None, favourite=favourite or None)
        shelf.mark(connection, LOCAL_OWNER, [made.id], marks)


def _picture(number: int) -> bytes:
    """A plain face before a sky, 400 × 600 px: as large as those of many cards."""
    from PIL import Image, ImageDraw

    chance = random.Random(number)
    sky = tuple(chance.randint(60, 200) for _ in range(3))
    image = Image.new("RGB", (400, 600), sky)
    draw = ImageDraw.Draw(image)
    for _ in range(40):
        x, y, size = chance.randint(0, 400), chance.randint(0, 600), chance.randint(10, 120)
        draw.ellipse(
            (x, y, x + size, y + size), tuple(min(255, part + chance.randint(-40, 40)) for part in sky)
        )
    skin = (chance.randint(150, 240), chance.randint(110, 190), chance.randint(90, 160))
    draw.ellipse((130, 140, 270, 320), skin)
    draw.ellipse((60, 330, 340, 700), tuple(chance.randint(20, 160) for _ in range(3)))
    made = io.BytesIO()
    image.save(made, "PNG")
    return made.getvalue()


if __name__ == "__main__":
    seed(Home(Path(sys.argv[1])).create(), int(sys.argv[2]) if len(sys.argv) > 2 else CARDS)
