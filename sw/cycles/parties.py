"""What the parts of an accelerator need of each other, where one is made before the other."""

from typing import Protocol

from .fifo import Fifo
from .storer import Storer
from .work import Work

__all__ = ["Fetched", "Host", "Party"]


class Host(Protocol):
    """What an array needs of its instance: a place for what may go on, `todo`, and for ends, and
    its `storer`, which reads beside it."""

    todo: int
    storer: Storer

    def contend(self, post: Work | None) -> None:
        """A POST writes, or none."""

    def finish(self, work: Work, after: float) -> None:
        """An operation ends in so many cycles."""


class Fetched(Protocol):
    """A program of which so many beats are `missing` until its next instruction is complete."""

    missing: float


class Party(Protocol):
    """What a flow needs of an instance.

    Members: `fifos`, by kind, what LOAD and WEIGHTS fill; `storer`, which fills a STORE's.
    """

    fifos: dict[int, Fifo]
    storer: Storer

    @property
    def program(self) -> Fetched:
        """Its program."""

    def fetched(self) -> None:
        """Some of its program has come."""

    def over(self) -> float:
        """Beats of its LOADs beyond those with which it takes up the next."""

    def ready(self, kind: int) -> None:
        """Its first flow of a kind may move."""

    def ended(self, kind: int) -> None:
        """Its flow's last beat has crossed the port."""

    def relieved(self) -> None:
        """It may take up its next LOAD."""
