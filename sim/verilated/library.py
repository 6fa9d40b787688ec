"""Libraries in the cache, each known by the C++ that it is compiled from."""

from collections.abc import Callable, Sequence
from pathlib import Path

from hw.support.entries import cached_file

from . import compile as compiler
from .tools import check_tools, digest, made_by

__all__ = ["cached_library", "texts_beside"]

_CXX = (".cpp", ".h")


def cached_library(name: str, key: str, prepare: Callable[[Path], None], harness: Path,
                   models: Sequence[str], *, headers: Sequence[Path] = (),
                   macros: Sequence[str] = (), kind: str = "plain",
                   say: Callable[[str], None] = lambda text: None) -> Path:
    """Return the library of a harness around Verilated models, from the cache or new.

    What leaves the C++ as it is compiles nothing again, whatever was edited.

    Parameters
    ----------
    name : of the library, for people
    key : of all that `prepare` depends on, which spares preparing to know the C++
    prepare : writes the models' C++, and what the harness includes, into a folder
    headers : that the harness includes beside those in its folder
    harness, models, macros, kind : as `compile_model` takes them

    Raises
    ------
    ToolMissingError, BuildError
    """
    def make(folder: Path) -> Path:
        say("compiling the models and the harness")
        include = [f"-I{header.parent}" for header in headers]
        return compiler.compile_model(folder, harness, models, [*macros, *include], kind)

    def find(folder: Path) -> Path:
        check_tools()
        prepare(folder)
        cxx = sorted(p for p in folder.rglob("*") if p.suffix in (*_CXX, ".json"))
        contents = digest(*macros, kind, made_by(),
                          *(text for file in (harness, *headers) for text in texts_beside(file)),
                          Path(compiler.__file__).read_text(),
                          *(text for p in cxx for text in (str(p.relative_to(folder)),
                                                           p.read_text())))
        library = f"{name}-{contents}"
        cached_file(library, lambda _: make(folder), say=say)
        (folder / "library.txt").write_text(library)
        return folder / "library.txt"

    def make_again(folder: Path) -> Path:  # it was there, and is not, or is damaged
        check_tools()
        prepare(folder)
        return make(folder)

    library = cached_file(f"cxx-{key}", find, say=say).read_text()
    return cached_file(library, make_again, say=say)


def texts_beside(file: Path) -> list[str]:
    """The texts of a C++ file and of those that are in its folder."""
    return [f.read_text() for f in sorted(file.parent.iterdir()) if f.suffix in _CXX]
