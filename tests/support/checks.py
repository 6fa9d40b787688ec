"""What `sw.check` finds of a network."""

import json

from sw import check

__all__ = ["checked"]


def checked(capsys, *arguments, code=0):
    """The check's JSON."""
    assert check.main([*map(str, arguments), "--json", "--quiet"]) == code
    return json.loads(capsys.readouterr().out)
