"""What was found out about a text is kept, and the text is not."""

from __future__ import annotations

from fabula.guard.kept import Known, kept


def test_a_text_is_looked_at_once_while_there_is_room() -> None:
    seen: list[str] = []

    @kept(most=2)
    def size(text: str) -> int:
        seen.append(text)
        return len(text)

    assert [size(text) for text in ("one", "three", "one", "three")] == [3, 5, 3, 5]
    assert seen == ["one", "three"]
    assert [size(text) for text in ("a", "one")] == [1, 3]
    assert seen == ["one", "three", "a", "one"]


def test_a_word_is_looked_up_once_while_there_is_room() -> None:
    seen: list[str] = []

    def size(word: str) -> int:
        seen.append(word)
        return len(word)

    sizes = Known(size, most=2)
    assert [sizes[word] for word in ("one", "three", "one", "three")] == [3, 5, 3, 5]
    assert seen == ["one", "three"]
    assert [sizes[word] for word in ("a", "one")] == [1, 3]
    assert len(sizes) == 2
    assert seen == ["one", "three", "a", "one"]
