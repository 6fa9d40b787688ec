"""Libraries in the cache, each known by the C++ that it is compiled from."""

from collections.abc import Callable, Sequence
from pathlib import Path

from hw.support.entries import cached_file

from . import compile as compiler
from .tools import check_tools, digest, made_by

__all__ = ["cached_library"]

_CXX = (".cpp", ".h")


def cached_library(name: str, sources: Sequence[str], prepare: Callable[[Path], None],
                   harness: Path, models: Sequence[str], *, headers: Sequence[Path] = (),
                   macros: Sequence[str] = (), kind: str = "plain",
                   say: Callable[[str], None] = lambda text: None) -> Path:
    """Return the library of a harness around Verilated models, from the cache or new.

    What leaves the C++ as it is compiles nothing again, whatever was edited.

    Parameters
    ----------
    name : of the library, for people
    sources : texts of all that the C++ is made from, which spare making it to know it
    prepare : writes the models' C++, and what the harness includes, into a folder
    headers : that the harness includes beside those in its folder
    harness, models, macros, kind : as `compile_model` takes them

    Raises
    ------
    ToolMissingError, BuildError
    """
    compiled = [name, kind, *macros, made_by(), compiler.optimisation(),
                Path(compiler.__file__).read_text(),
                *(text for file in (harness, *headers) for text in _texts_beside(file))]

    def make(folder: Path) -> Path:
        say("compiling the models and the harness")
        include = [f"-I{header.parent}" for header in headers]
        return compiler.compile_model(folder, harness, models, [*macros, *include], kind)

    def prepared(folder: Path) -> Path:
        check_tools()
        prepare(folder)
        return folder

    def find(folder: Path) -> Path:
        files = sorted(p for p in prepared(folder).rglob("*") if p.suffix in (*_CXX, ".json"))
        cxx = (text for p in files for text in (str(p.relative_to(folder)), p.read_text()))
        library = f"{name}-{digest(*compiled, *cxx)}"
        cached_file(library, lambda _: make(folder), say=say)
        (folder / "library.txt").write_text(library)
        return folder / "library.txt"

    library = cached_file(f"cxx-{digest(*compiled, *sources)}", find, say=say).read_text()
    # one that was there, and is not, or is damaged, is made again
    return cached_file(library, lambda folder: make(prepared(folder)), say=say)


def _texts_beside(file: Path) -> list[str]:
    """The texts of a C++ file and of those that are in its folder."""
    return [f.read_text() for f in sorted(file.parent.iterdir()) if f.suffix in _CXX]
