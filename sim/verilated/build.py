"""Builds the RTL and the harness into a shared library, once per content.

A library is known by what it is made from: C++, which is made from Verilog, which is made from
Python. What leaves one of them as it is makes nothing again of what follows, whatever was edited.
"""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

from hw.config import Config
from hw.gateware.top import CORE_NAME, SHELL_NAME
from hw.gateware.verilog import generate
from hw.support.sources import sources_of
from sim.activity.instrument import instrument
from sim.activity.map import ActivityMap, load_maps

from .compile import trace_options, verilate
from .flipflops import keep_registers, map_members, walk_modules
from .glue import glue_header
from .library import cached_library
from .memory import MEMORY_NAME, RtlMemory
from .monitor import MONITOR_MACRO
from .parts import find_parts
from .rtl import cached_rtl
from .shown import keep_shown

__all__ = ["activity_maps", "build", "build_shared"]

_SIM = Path(__file__).resolve().parents[1]
_HARNESS = Path(__file__).parent / "harness" / "model.cpp"
#: For `find_parts`: functions whose code stays in a cache while all cores run it, none of which
#: is moved into its caller.
_SPLIT_FLAGS = ("--output-split-cfuncs", "2500", "--inline-cfuncs", "0")


def _sources(texts: dict[str, str]) -> list[str]:
    """What C++ is made from: the Verilog of modules, and what turns it into C++."""
    makers = [p for p in sorted(sources_of(Path(__file__))) if _SIM in p.parents]
    return [*texts, *texts.values(), *(p.read_text() for p in makers)]


def build(config: Config, say: Callable[[str], None] = lambda text: None, *,
          kind: str = "plain", memory: RtlMemory | None = None,
          change: Callable[[dict[str, str]], dict[str, str]] | None = None) -> Path:
    """Return the shared library for a configuration, building it if it is not in the cache.

    Parameters
    ----------
    config : Config
    say : called with a line before each long step
    kind : "plain", "activity", "vcd" or "wave"
        With "activity" it can count what `sim.activity.map` reads, by the maps in a JSON file
        beside it; with "vcd" it can also write such files (`partita_trace`), to check counts
        against and to evaluate netlists on; with "wave" it writes them for people.
    memory : RtlMemory or None
        In place of the model of `sim/verilated/harness/memory.h`; the configuration has one port.
    change : function or None
        Makes other Verilog of the modules', by their names.

    Raises
    ------
    ToolMissingError, BuildError, UnmappedError
    """
    texts = cached_rtl(config.shape, config.digest, (),
                       lambda: generate(config, clock_gates=True), say)
    if change:
        texts = change(texts)
    around: dict[str, str] = {}
    macros = [MONITOR_MACRO]
    headers: list[Path] = []
    if memory:
        around = cached_rtl("memory", memory.design, [memory.generator], memory.generate, say)
        macros += [f'-DPARTITA_MEMORY="{memory.header.name}"', *memory.macros]
        headers = [memory.header]
    models = [CORE_NAME, SHELL_NAME, *([MEMORY_NAME] if memory else [])]

    def prepare(folder: Path) -> None:
        _prepare(folder, config, texts, say, kind)
        if memory:
            _verilate(folder, MEMORY_NAME, around, say)

    return cached_library(
        f"{kind}-{config.digest[:16]}", _sources({**texts, **around}), prepare, _HARNESS, models,
        headers=headers, macros=macros, kind=kind, say=say)


def build_shared(top: str, design: str, generators: Sequence[str], generate_texts: Callable[
        [], dict[str, str]], harness: Path, *, headers: Sequence[Path] = (), macros: str = "",
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
    headers : others that it includes
    macros : options for the compiler
    say : called with a line before each long step

    Raises
    ------
    ToolMissingError, BuildError
    """
    texts = cached_rtl(top, design, generators, generate_texts, say)

    def prepare(folder: Path) -> None:
        _verilate(folder, top, texts, say)

    return cached_library(top, _sources(texts), prepare, harness, [top], headers=headers,
                          macros=macros.split(), say=say)


def activity_maps(library: Path) -> dict[str, ActivityMap]:
    """What the counted bits of the core and of the shell mean, in a library that counts."""
    return load_maps(library.with_suffix(".json").read_text())


def _verilate(folder: Path, top: str, texts: dict[str, str], say: Callable[[str], None]) -> None:
    """Write the C++ of some modules, of which one is the top."""
    say(f"building the Verilator model: {top}")
    for module, text in texts.items():
        (folder / f"{module}.v").write_text(text)
    verilate(folder, top, [f"{m}.v" for m in texts])


def _prepare(folder: Path, config: Config, texts: dict[str, str], say: Callable[[str], None],
             kind: str) -> None:
    """Write the C++ of core and shell, what joins them, and the meaning of what is counted."""
    headers, tables, parts, maps = {}, {}, {}, {}
    for name in (CORE_NAME, SHELL_NAME):
        say(f"building the Verilator model: {name}")
        text, modules = (texts[name], {}) if kind in ("plain", "wave") else \
            instrument(texts[name])
        (folder / f"{name}.v").write_text(keep_shown(keep_registers(text)))
        trace = trace_options(kind) if name == CORE_NAME else ()
        verilate(folder, name, [f"{name}.v"], *_SPLIT_FLAGS, *trace)
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
