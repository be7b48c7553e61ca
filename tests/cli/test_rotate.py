"""`rotate many` watches all that are owed, however many: the node gives them page by page."""

from typing import Any, cast

from breakglass.cli.rotate import PAGE, _owed
from breakglass.cli.server import Server


class Node:
    """Owes so many changes, and finishes some of the first while somebody reads."""

    def __init__(self, owed: int, done_meanwhile: int = 0) -> None:
        self.owed, self.done_meanwhile = [{"id": f"rot_{n}"} for n in range(owed)], done_meanwhile

    def get(self, path: str, *, owed: bool, limit: int, skip: int) -> list[Any]:
        assert (path, owed) == ("/rotations", True)
        page = self.owed[skip : skip + limit]
        del self.owed[: self.done_meanwhile]
        return page


def ids(node: Node) -> set[str]:
    return {one["id"] for one in _owed(cast(Server, node))}


def test_all_of_them() -> None:
    for count in (0, 1, PAGE - 1, PAGE, PAGE + 1, 3 * PAGE):
        assert len(ids(Node(count))) == count


def test_those_that_are_done_meanwhile_hide_no_other() -> None:
    node = Node(3 * PAGE, done_meanwhile=PAGE // 2)
    found = ids(node)
    assert {one["id"] for one in node.owed} <= found
