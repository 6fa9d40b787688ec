"""Runs cocotb benches on the packaged Verilator, with programs kept by content."""

import hashlib
import os
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from xml.etree import ElementTree

from cocotb_tools.runner import get_runner

from hw.support.entries import cached_file
from sim.verilated.tools import verilator_root

__all__ = ["run_bench"]

ROOT = Path(__file__).parent.parent.parent
BUILD = ("-Wno-fatal", "-Wno-lint", "-Wno-style", "--no-timing", "-O3")
#: What the wheel's verilated.mk leaves empty, and quick compilation: runs are short.
MAKE = ("CFG_CXXFLAGS_PCH_I=-include", "CFG_CXXFLAGS_STD=-std=gnu++20",
        "CFG_CXXFLAGS_COROUTINES=-fcoroutines", "CFG_LDLIBS_THREADS=-pthread",
        "OPT_FAST=-O0", "OPT_SLOW=-O0", "OPT_GLOBAL=-O0")


def run_bench(text: str, top: str, modules: Sequence[str], folder: Path,
              environment: dict[str, str]) -> None:
    """Build Verilog and run benches on it; a failed test is an AssertionError.

    Parameters
    ----------
    text : Verilog
    top : its module
    modules : dotted names of the benches' modules
    folder : where the run's files go
    environment : for the bench
    """
    # Programs link to libraries of this environment, so others do not share them.
    parts = (text, top, *BUILD, *MAKE, str(verilator_root()), metadata.version("cocotb"),
             metadata.version("verilator"))
    key = hashlib.sha256("\0".join(parts).encode()).hexdigest()[:24]
    saved = dict(os.environ)
    os.environ.update(
        PATH=f"{verilator_root() / 'bin'}{os.pathsep}{os.environ['PATH']}",
        VERILATOR_ROOT=str(verilator_root()), MAKEFLAGS=" ".join(MAKE))
    os.environ.pop("PYTEST_CURRENT_TEST", None)  # with it the runner exits, and names no test
    try:
        runner = get_runner("verilator")

        def make(build: Path) -> Path:
            source = build / f"{top}.v"
            source.write_text(text)
            runner.build(sources=[source], hdl_toplevel=top, build_dir=build, build_args=BUILD)
            return build / top

        # Never built again in the same folder: `#include <array>` would find the program `array`.
        (folder / top).symlink_to(cached_file(f"cocotb-{top}-{key}", make))
        results = runner.test(
            hdl_toplevel=top, hdl_toplevel_lang="verilog", test_module=modules,
            build_dir=folder, test_dir=folder,
            results_xml=str(folder / "results.xml"),
            extra_env={**environment, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore"})
    finally:
        os.environ.clear()
        os.environ.update(saved)
    cases = list(ElementTree.parse(results).iter("testcase"))
    ran = {case.get("classname") for case in cases}
    assert ran == set(modules), f"no tests of {', '.join(set(modules) - ran)} ran; see {folder}"
    failed = [case.get("name") for case in cases if case.find("failure") is not None]
    assert not failed, f"{len(failed)} of {len(cases)} cocotb tests failed: " \
        f"{', '.join(map(str, failed))}; see {folder}"
