"""Classes of values that go together, by union-find."""

from collections.abc import Iterable

__all__ = ["Classes"]


class Classes:
    """Names, each in a class of its own until it is joined to others."""

    def __init__(self, names: Iterable[str]):
        self._parent = {name: name for name in names}

    def of(self, name: str) -> str:
        """The name by which a class is known."""
        while self._parent[name] != name:
            name = self._parent[name]
        return name

    def join(self, first: str, *others: str) -> None:
        """Make one class of all, which is known as the first one's was."""
        for other in others:
            self._parent[self.of(other)] = self.of(first)
