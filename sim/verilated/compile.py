"""Verilog to C++, and C++ to a shared library."""

import os
import re
import shlex
from collections.abc import Sequence
from pathlib import Path

from hw.support.entries import cached_file
from hw.support.processors import processors

from .tools import call, digest, made_by, run_verilator, verilator_root

__all__ = ["compile_model", "optimisation", "trace_options", "verilate"]

_VERILATOR_FLAGS = ("-O3", "--x-assign", "fast", "--x-initial", "unique", "--noassert",
                    "-Wno-fatal", "-Wno-lint", "-Wno-style", "--no-timing")
_CXX_FLAGS = ("-march=native", "-fPIC", "-std=gnu++20", "-fno-plt", "-w")
#: Verilator's support code is seldom run.
_SELDOM = "-O1"
#: Code that runs once, mostly tables of names, takes a compiler that optimises longer than the
#: rest.
_ONCE = '#pragma GCC optimize("O0")\n'
_RUNS_ONCE = re.compile(r"__(?:Slow|Syms)\b|__Syms__")
#: Verilator gives all words of a memory the same noise at power-up; each has its own here.
_NOISE = '''#include "verilated.h"
#include "verilated_funcs.h"
#define VL_SCOPED_RAND_RESET_I(bits, scope, salt) VL_RAND_RESET_I(bits)
#define VL_SCOPED_RAND_RESET_Q(bits, scope, salt) VL_RAND_RESET_Q(bits)
#define VL_SCOPED_RAND_RESET_W(bits, words, scope, salt) VL_RAND_RESET_W(bits, words)
'''
#: Kinds of builds that trace, and with what: Verilator's options, macros, support source.
_TRACING = ("vcd", "wave")
_TRACE = (("--trace-vcd", "--trace-underscore"),
          "-DPARTITA_VCD -DVM_TRACE=1 -DVM_TRACE_VCD=1", "verilated_vcd_c.cpp")
#: What is read before anything else, and takes longer to read than a small model to compile.
_HEADERS = "verilator.h"
_HEADERS_TEXT = "".join(f"#include <{header}>\n" for header in (
    "verilated.h", "algorithm", "array", "atomic", "deque", "functional", "map", "memory",
    "string", "thread", "tuple", "utility", "vector"))


def _trace(kind: str) -> tuple[tuple[str, ...], str, str]:
    """`_TRACE` for a kind of build that traces; for another, nothing."""
    return _TRACE if kind in _TRACING else ((), "", "")


def trace_options(kind: str) -> tuple[str, ...]:
    """Verilator's options for the module that a kind of build traces."""
    return _trace(kind)[0]


def verilate(folder: Path, name: str, sources: list[str], *options: str) -> None:
    """Write the C++ of a Verilog module into a folder, as class `V<name>` in `o_<name>`."""
    run_verilator(["--cc", *_VERILATOR_FLAGS, *options, "--top-module", name, "--prefix",
                   f"V{name}", "--Mdir", f"o_{name}", *sources], folder)


def optimisation() -> str:
    """The compiler's option for code that runs often; by $PARTITA_CXX_OPT, -O3 if it is not set."""
    return os.environ.get("PARTITA_CXX_OPT") or "-O3"


def _includes() -> list[str]:
    root = verilator_root() / "include"
    return [f"-I{root}", f"-I{root / 'vltstd'}"]


def _runtime(kind: str) -> Path:
    """Verilator's own support code as an archive, once for all models of a kind."""
    _, macros, more = _trace(kind)
    sources = ["verilated.cpp", "verilated_threads.cpp", *([more] if more else [])]
    often = optimisation()
    key = digest(macros, *sources, repr((often, _SELDOM, *_CXX_FLAGS)), made_by())

    def make(folder: Path) -> Path:
        compiler = ["g++", *_CXX_FLAGS, *macros.split(), *_includes()]
        objects = {Path(source).with_suffix(".o").name: source for source in sources}
        rules: dict[str, list[str]] = {
            f"runtime.a: {' '.join(objects)}": ["ar", "rcs", "runtime.a", *objects]}
        for name, source in objects.items():
            rules[f"{name}:"] = [*compiler, often if source == more else _SELDOM, "-c",
                                 str(verilator_root() / "include" / source)]
        return _make(folder, "runtime.a", rules)

    return cached_file(f"runtime-{key}", make)


def _precompiled(kind: str) -> Path:
    """The headers that all units read, precompiled once for all models of a kind."""
    options = [*_CXX_FLAGS, *_trace(kind)[1].split(), *_includes(), optimisation()]
    made = f"{_HEADERS}.gch"

    def make(folder: Path) -> Path:
        (folder / _HEADERS).write_text(_HEADERS_TEXT)
        return _make(folder, made, {f"{made}:": [
            "g++", *options, "-x", "c++-header", "-o", made, _HEADERS]})

    return cached_file(f"headers-{digest(_HEADERS_TEXT, *options, made_by())}", make)


def compile_model(folder: Path, harness: Path, names: Sequence[str], macros: Sequence[str] = (),
                  kind: str = "plain") -> Path:
    """Compile what `verilate` wrote, and a harness around it, to `model.so`.

    Translation units that take about as long: the first model, which is the largest; and the
    others, the harness and, not optimised, what of all runs once.
    """
    macros = [*_trace(kind)[1].split(), *macros]
    include = [folder, harness.parent, *(folder / f"o_{name}" for name in names)]
    (folder / _HEADERS).write_text(_HEADERS_TEXT)
    (folder / f"{_HEADERS}.gch").symlink_to(_precompiled(kind))
    compiler = ["g++", *_CXX_FLAGS, *macros, *(f"-I{i}" for i in include), *_includes(),
                optimisation(), "-include", _HEADERS, "-c"]
    units = {"first": _often(folder, names[:1]),
             "others": f'{_often(folder, names[1:])}#include "{harness}"\n{_once(folder, names)}'}
    objects = [f"{unit}.o" for unit in units]
    rules = {f"model.so: {' '.join(objects)}":
             ["g++", "-shared", "-o", "model.so", *objects, str(_runtime(kind)), "-pthread"]}
    for unit, text in units.items():
        (folder / f"{unit}.cpp").write_text(text)
        rules[f"{unit}.o: {unit}.cpp"] = [*compiler, f"{unit}.cpp"]
    return _make(folder, "model.so", rules)


def _often(folder: Path, names: Sequence[str]) -> str:
    """C++ of models, all that runs more than once."""
    return "".join(_included(folder, name, once=False) for name in names)


def _once(folder: Path, names: Sequence[str]) -> str:
    """C++ of models, what runs once."""
    return _ONCE + _NOISE + "".join(_included(folder, name, once=True) for name in names)


def _included(folder: Path, name: str, *, once: bool) -> str:
    """A model's C++: what runs once, or all that runs more often."""
    files = sorted((folder / f"o_{name}").glob(f"V{name}*.cpp"))
    return "".join(f'#include "o_{name}/{file.name}"\n' for file in files
                   if bool(_RUNS_ONCE.search(file.name)) == once) \
        + "#undef VL_PCH_INCLUDED\n"  # one model's headers are not another's


def _make(folder: Path, target: str, rules: dict[str, list[str]]) -> Path:
    """Make a file by rules with a command each, on all processors."""
    (folder / "Makefile").write_text("".join(
        f"{rule}\n\t{shlex.join(command).replace('$', '$$')}\n"
        for rule, command in rules.items()))
    call(["make", "-s", f"-j{processors()}", target], folder, "the compiler")
    return folder / target
