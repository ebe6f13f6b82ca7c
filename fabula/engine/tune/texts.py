"""What is read and written while measuring: free text, and text that repeats itself. Written for this."""

from __future__ import annotations

FREE = (
    "The ferry left before the fog had lifted. Marta counted the lamps along the quay until they were "
    "gone, then sat down beside a crate of lemons and opened the letter again. Her brother wrote the "
    "way he talked: in circles, with the important thing hidden somewhere in the third one. The house "
    "was sold, he said, or nearly; the buyer had asked about the well, and nobody had dared to tell "
    "him what was in it. Behind her two sailors argued about the price of rope. One of them laughed, "
    "and a gull took it for an invitation. She tried to remember the well. There had been a wooden "
    "lid, green on one side, and a rule that no child might lift it. Naturally all of them had. What "
    "they saw in there was mostly sky, small and very round, and once, in the dry year, a bicycle. "
    "Her grandmother had never explained the bicycle. She had looked at it for a long time and then "
    "ordered new shoes for everyone, as if one thing followed from the other.\n"
)
"""About 200 tokens."""

LIST = "".join(
    f"{number}. The {thing} is in the kitchen, and the {thing} is ready.\n"
    for number, thing in enumerate(("cup", "lamp", "chair", "clock", "spoon", "towel"), start=1)
)

REPEATING = LIST * 4


def free(words_to_skip: int) -> str:
    """Free text that begins elsewhere each time, so that no cache knows it."""
    words = (FREE * 8).split(" ")
    return f"{words_to_skip}. " + " ".join(words[words_to_skip % 150 :])
