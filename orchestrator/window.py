"""How many requests one account has in flight: half as many each time its platform asks to wait."""

from __future__ import annotations


class Window:
    """Halved by a refusal, wider by one for each round that got through; never wider than `most`.

    So networks share a line (RFC 5681 section 3.1). It finds the platform's own rate within
    a few refusals; with a fixed number, most of what is sent would be refused.
    """

    __slots__ = ("_most", "_size")

    def __init__(self, most: int) -> None:
        self._most = self._size = float(most)

    @property
    def size(self) -> int:
        return int(self._size)

    def passed(self) -> None:
        self._size = min(self._most, self._size + 1 / self._size)

    def refused(self) -> None:
        self._size = max(1.0, self._size / 2)
