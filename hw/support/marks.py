"""How files that commands write begin: with their kind, such as "partita.check", and its version.

What does not begin so is somebody else's, whatever it says further on.
"""

import re
from pathlib import Path

__all__ = ["is_marked", "marked_page", "marked_svg", "marked_vcd", "wave_version"]

#: Bytes in which a file says what it is.
_BEGIN = 4096
#: Of an FST file: where its header has the name of what wrote it.
_FST = rb"\0.{73}"


def is_marked(path: Path, kind: str) -> bool:
    """Whether a file is one of a kind, in any version; an empty one is nobody's, and so is taken
    for one."""
    with path.open("rb") as file:
        begin = file.read(_BEGIN)
    name = re.escape(kind.encode())
    forms = (rb'\{\s*("otherData": \{\s*)?"schema": "%s",\s*"version": \d+[\s,}]',
             rb"<!doctype html>\n<!-- %s \d+ -->", rb"<svg [^>]*><!-- %s \d+ -->",
             rb"\$comment %s \d+ \$end", _FST + rb"%s \d+\0")
    return not begin or any(re.match(form.replace(b"%s", name), begin, re.DOTALL)
                            for form in forms)


def marked_page(kind: str, version: int) -> str:
    """How a page of HTML begins."""
    return f"<!doctype html>\n<!-- {kind} {version} -->"


def marked_svg(kind: str, version: int) -> str:
    """What is the first in the element of a figure."""
    return f"<!-- {kind} {version} -->"


def marked_vcd(kind: str, version: int) -> bytes:
    """The first line of a VCD file."""
    return f"$comment {kind} {version} $end\n".encode()


def wave_version(kind: str, version: int) -> bytes:
    """What an FST file names in its header as what wrote it."""
    return f"{kind} {version}".encode()
