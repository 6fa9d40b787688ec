"""The boards' results: a row for each, from an actual build."""

import json
from pathlib import Path
from typing import Any

from boards.catalogue import Board
from hw.support.files import save_file

from .build import BuildResult, sources_digest

__all__ = ["RESULTS", "add_row", "built", "rows", "stale"]

RESULTS = Path(__file__).parents[1] / "results.json"


def rows() -> dict[str, dict]:
    """Board -> its row."""
    return json.loads(RESULTS.read_text()) if RESULTS.is_file() else {}


def built(board: Board) -> dict | None:
    """The row of a board's preset: what it took when it was last built, or `why` it could not
    be; None if this preset has not been built."""
    row = rows().get(board.name)
    return row if row and row["config"] == board.config.shape else None


def stale(board: Board) -> str:
    """Why a board's row is not of today's sources, or ""."""
    row = rows().get(board.name)
    if row is None:
        return "not built"
    if row["config"] != board.config.shape:
        return f"of another accelerator, {row['config']}"
    if row.get("build") != sources_digest(board, board.config).hex():
        return "of other sources than today's"
    return ""


def add_row(board: Board, result: BuildResult | None, why: str) -> None:
    """Put a build's numbers, or why there are none, into `RESULTS`."""
    known = rows()
    row: dict[str, Any] = {"board": board.title, "device": board.device.name,
                           "config": board.config.shape, "why": why,
                           "build": sources_digest(board, board.config).hex()}
    if result:
        row |= {"luts": result.usage.luts, "luts_of": board.device.luts,
                "dsps": result.usage.dsps, "dsps_of": board.device.dsps,
                "block_rams": result.usage.block_rams, "block_rams_of": board.device.block_rams,
                "fmax_mhz": round(result.fmax_mhz, 1), "clock_mhz": result.clock_mhz,
                "bytes": result.bytes, "seconds": round(result.seconds)}
    known[board.name] = row
    save_file(RESULTS, json.dumps(known, indent=1, sort_keys=True) + "\n")
