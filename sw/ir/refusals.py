"""All of a network's refusals at once: what is refused is stood in for, and the rest looked at."""

from collections.abc import Callable
from typing import Any

from .errors import UnsupportedLayer

__all__ = ["Refusals"]


class Refusals:
    """Collects what an import refuses."""

    def __init__(self) -> None:
        self._found: list[UnsupportedLayer] = []

    def tried(self, make: Callable[[], Any], stand_in: Callable[[], Any]) -> Any:
        """What a node becomes; a stand-in of its shape, None if that is not known, if it is
        refused.

        Raises
        ------
        UnsupportedLayer
            As `settle`, if there is no stand-in.
        """
        try:
            return make()
        except UnsupportedLayer as error:
            self._found.append(error)
        except Exception:
            if not self._found:
                raise
            self.settle()  # nothing that follows a stand-in is more than a guess
        found = stand_in()
        if found is None:
            self.settle()
        return found

    def settle(self) -> None:
        """Raise the first refusal, if there is one, with the others as its `others`."""
        if self._found:
            first, *others = self._found
            first.others = tuple(others)
            raise first
