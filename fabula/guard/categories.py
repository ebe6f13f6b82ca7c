"""The categories of the word lists as bits: what a sentence holds is one number. Knows no word."""

from __future__ import annotations

import functools
import operator

_ALL = (
    "minor3 minor2 minor1 grade school3 school2 "  # who is young
    "act depict hint body explicit "  # what is sexual
    "absent adult collective couple elder first pair possessive second third "  # who is there
    "break later memory now recall "  # when
    "condemn frame frame3 frame_weak scholarly "  # what reports
    "asks asks_license lure negator object query void "
    "reckoned"  # of no list: from a year of birth
)
BITS = {category: 1 << place for place, category in enumerate(_ALL.split())}


def bits(categories: str) -> int:
    """ "act hint" → the bits of both."""
    return functools.reduce(operator.or_, [BITS[category] for category in categories.split()], 0)


YOUNG = bits("minor3 minor2 minor1 grade school3 school2")
HEAT = bits("act depict hint body explicit")
