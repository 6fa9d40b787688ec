"""Floorplans in files: finding one takes minutes, and not all of them route."""

import json
from pathlib import Path

from hw.config import Config
from hw.support.files import save_file
from hw.support.reading import FileFormatError, read_json

from .devices import Device
from .floorplan import Floorplan, Site, within_instances
from .tools import ToolError

__all__ = ["kept_floorplan", "write_floorplan"]


def kept_floorplan(path: Path, config: Config, device: Device) -> Floorplan | None:
    """Read the floorplan that `write_floorplan` has written; None if the file is not there yet.

    Raises
    ------
    FileFormatError
        If the file is none, or is one of another device or number of instances.
    ValueError
        If there is nothing to plan, or no folder to keep it in.
    """
    if config.instances == 1 or device.family != "ecp5":
        raise ValueError("only several instances on an ECP5 have a floorplan; leave it out")
    if not path.parent.is_dir():
        raise ValueError(f"there is no folder {path.parent} to keep a floorplan in")
    if not path.exists():
        return None
    again = "name another file, or one that is not there yet to have it made"
    try:
        found = read_json(path, "a floorplan")
        of = (found["device"].text(), found["instances"].integer(1, 32))
        entries = found["places"].entries()
        within = within_instances(entries)
        places = {within[name]: Site.named(bel.text(100)) for name, bel in entries.items()}
    except (FileFormatError, ToolError) as error:
        raise FileFormatError(f"{path} is no floorplan ({error}); {again}") from None
    if of != (device.name, config.instances):
        raise FileFormatError(f"{path} is the floorplan of {of[1]} instances on {of[0]}, not of "
                              f"{config.instances} on {device.name}; {again}")
    return places


def write_floorplan(path: Path, places: Floorplan, config: Config, device: Device) -> None:
    """Write a floorplan, whole or not at all."""
    save_file(path, json.dumps({
        "device": device.name, "instances": config.instances,
        "places": {f"core_{n}.{name}": site.bel for (n, name), site in sorted(places.items())},
    }, indent=1) + "\n")
