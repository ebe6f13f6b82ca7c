"""The tree alone: paths, leaves, and the pointers that a change moves."""

from __future__ import annotations

import pytest

from fabula.chats.tree import Node, Pointer, Tree
from fabula.core.errors import MessageNotFound


def tree(head: str, *lines: str, hidden: str = "", shown: dict[str, str] | None = None) -> Tree:
    """`a>b` says that b is below a; the order of lines is the order of writing."""
    nodes: list[Node] = []
    for line in lines:
        parent, _, id = line.rpartition(">")
        position = sum(node.parent_id == parent for node in nodes)
        nodes.append(Node(id, parent, position, id in hidden, (shown or {}).get(id, "")))
    return Tree("chat", head, nodes)


def test_the_path_leads_from_the_first_message_to_the_head() -> None:
    assert tree("c", "a", "a>b", "b>c", "b>d").path("c") == ["a", "b", "c"]


def test_the_leaf_below_is_where_it_was_left_else_the_newest() -> None:
    assert tree("a", "a", "a>b", "a>c", shown={"a": "b"}).leaf_below("a") == "b"
    assert tree("a", "a", "a>b", "a>c").leaf_below("a") == "c"
    assert tree("a", "a", "a>b", "a>c", hidden="b", shown={"a": "b"}).leaf_below("a") == "c"
    assert tree("a", "a", "a>b", hidden="b").leaf_below("a") == "a"


def test_showing_another_branch_moves_the_pointers_from_the_fork_on() -> None:
    step = tree("c", "a", "a>b", "b>c", "a>d", "d>e", shown={"a": "b", "b": "c"}).show("e")
    assert step.path_from == "a"
    assert set(step.pointers) == {
        Pointer("chats", "chat", "head_id", "c", "e"),
        Pointer("messages", "a", "shown_id", "b", "d"),
        Pointer("messages", "d", "shown_id", "", "e"),
    }


def test_showing_what_is_shown_changes_nothing() -> None:
    assert tree("b", "a", "a>b", shown={"a": "b"}).show("b").pointers == ()


def test_paths_with_nothing_in_common_are_read_again_from_the_start() -> None:
    assert tree("b", "a", "a>b", "c").show("c").path_from == ""


def test_hiding_the_only_message_leaves_an_empty_chat() -> None:
    step = tree("a", "a").hide("a")
    assert Pointer("chats", "chat", "head_id", "a", "") in step.pointers


def test_hiding_moves_to_the_alternative_before_else_after_else_up() -> None:
    def head_after(tree: Tree, id: str) -> str:
        return next(p.after for p in tree.hide(id).pointers if p.field == "head_id")

    assert head_after(tree("c", "a", "a>b", "a>c", "a>d", "b>x"), "c") == "x"
    assert head_after(tree("b", "a", "a>b", "a>c"), "b") == "c"
    assert head_after(tree("b", "a", "a>b", "a>c", hidden="c"), "b") == "a"


@pytest.mark.parametrize("id", ["b", "c", "nowhere"])
def test_hidden_messages_and_what_is_below_them_cannot_be_found(id: str) -> None:
    with pytest.raises(MessageNotFound):
        tree("a", "a", "a>b", "b>c", hidden="b").find(id)


def test_a_pointer_goes_back_to_where_it_was() -> None:
    pointer = Pointer("messages", "a", "hidden", False, True)
    assert pointer.back() == Pointer("messages", "a", "hidden", True, False)
    assert pointer.back().back() == pointer
