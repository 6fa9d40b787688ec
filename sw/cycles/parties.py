"""What the parts of an accelerator need of each other, where one is made before the other."""

from typing import Protocol

from .fifo import Fifo
from .storer import Storer
from .work import Work

__all__ = ["Host", "Party"]


class Host(Protocol):
    """What an array needs of its instance: a place for what may go on, `todo`, and for ends."""

    todo: int

    def contend(self, post: Work | None) -> None:
        """A POST writes, or none."""

    def finish(self, work: Work, after: float) -> None:
        """An operation ends in so many cycles."""


class Party(Protocol):
    """What a port needs of an instance.

    Members
    -------
    missing : beats until its next instruction is complete
    fifos : by kind, what LOAD and WEIGHTS fill
    """

    fifos: dict[int, Fifo]
    storer: Storer
    missing: float

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
