"""One mutant: a line of gateware, what becomes of it, and who notices."""

from dataclasses import dataclass
from pathlib import Path

__all__ = ["Mutant"]


@dataclass(frozen=True)
class Mutant:
    """A fault.

    Members
    -------
    name : what a designer would have got wrong
    file : of the gateware, from the repository's root
    old, new : part of a line that is in the file once, and what stands there instead
    test : the cheapest test that fails, as pytest names it
    """

    name: str
    file: str
    old: str
    new: str
    test: str

    def put_in(self, root: Path) -> str:
        """Change the line in the tree at `root`; returns the file's text as it was.

        Raises
        ------
        ValueError
            If the old text is not there exactly once, or is not of one line.
        """
        path = root / self.file
        text = path.read_text()
        if (count := text.count(self.old)) != 1 or "\n" in self.old + self.new:
            raise ValueError(f"{self.name}: in {self.file} {self.old!r} stands {count} times; it "
                             "must be one line's, and stand there once: mend the table")
        path.write_text(text.replace(self.old, self.new))
        return text
