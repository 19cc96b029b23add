"""Trees of very many nodes are drawn in part, and say so."""

from __future__ import annotations

import pytest

from replay.cli.repl.trees import MOST, MOST_BELOW, Room

Tree = dict[int, list[int]]


def drawn(children: Tree, *, is_bounded: bool = True) -> list[str]:
    """Return the lines of the tree of node 0."""
    room = Room(is_bounded=is_bounded)

    def lines(node: int, first: str, rest: str) -> list[str]:
        found = [f"{first}{node}"]
        for branch in room.below(children.get(node, []), rest):
            found += (
                [branch.more] if branch.node is None else lines(branch.node, branch.first, branch.further)
            )
        return found

    (root,) = room.roots([0])
    assert root.node == 0
    return lines(0, "", "")


def test_a_small_tree_is_whole() -> None:
    assert drawn({0: [1, 2], 1: [3]}) == ["0", "├─ 1", "│  └─ 3", "└─ 2"]


def test_many_below_one() -> None:
    found = drawn({0: list(range(1, 10_001)), 1: [10_001]})
    assert len(found) == MOST_BELOW + 3
    assert found[1:3] == ["├─ 1", "│  └─ 10001"]
    assert found[-1] == f"└─ and {10_000 - MOST_BELOW} more"
    assert len(drawn({0: list(range(1, 10_001))}, is_bounded=False)) == 10_001


def test_one_more_is_drawn() -> None:
    found = drawn({0: list(range(1, MOST_BELOW + 2))})
    assert found[-1] == f"└─ {MOST_BELOW + 1}"


def test_many_levels() -> None:
    found = drawn({at: [at + 1] for at in range(10_000)})
    assert len(found) == MOST + 1
    assert found[-1].endswith("└─ and 1 more")


@pytest.mark.parametrize("count", [1, MOST_BELOW + 1, MOST_BELOW + 2])
def test_many_roots(count: int) -> None:
    found = list(Room(is_bounded=True).roots(range(count)))
    assert sum(one.node is not None for one in found) + found[-1].more_count == count
    assert found[-1].more_count == (0 if count <= MOST_BELOW + 1 else 2)
