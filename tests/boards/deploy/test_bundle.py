"""Bundles: what is written, what is read again, and what is refused before and after."""

import dataclasses
import hashlib
import json
import re
import shlex
import subprocess
from pathlib import Path

import numpy as np
import pytest

from boards.__main__ import main
from boards.catalogue import BOARDS, Board
from boards.deploy import command, task
from boards.deploy.bundle import read_bundle
from boards.deploy.headers import c_string, registers_header
from hw import registers
from hw.isa import ISA_VERSION, ErrorCode
from hw.support.reading import FileFormatError
from sw.compiler.programfile import ProgramError
from sw.experiment.workload import Workload
from sw.reference.golden import run_golden
from tests.support.cdriver import CC
from tests.support.fakeusb import written
from tests.support.present import present
from tests.support.programs import random_graph
from tests.support.systems import CONFIG, SDRAM

GRAPH = random_graph(6)
PIXELS = np.random.default_rng(6).integers(-128, 128, GRAPH.in_shape, dtype=np.int8)
NAME = "ulx3s-85f"


@pytest.fixture(autouse=True)
def small_board(monkeypatch, tmp_path):
    """The board of `SDRAM` under the name of another, with a random network for digits."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Board, "system", lambda self, config=None, **changes: dataclasses.replace(
        SDRAM, config=config or CONFIG))
    monkeypatch.setitem(BOARDS, NAME, dataclasses.replace(BOARDS[NAME], config=CONFIG))
    monkeypatch.setattr(task, "load_workload", lambda *args, **options: Workload(
        "random", "seeded", GRAPH, GRAPH, (PIXELS,)))


def exported(folder: Path = Path("out"), *more: str) -> Path:
    assert main(["export", NAME, "--out", str(folder), *more]) == 0
    return folder


def test_a_bundle_is_told_in_a_line_and_says_what_to_type_next(capsys, monkeypatch):
    folder = exported()
    first, second, last = capsys.readouterr().out.splitlines()
    program = read_bundle(folder).program
    assert first == (
        f"random for the ULX3S-85F, 2 x 4x4: {(folder / 'image.bin').stat().st_size:,} bytes of "
        f"weights and instructions, {program.window_bytes:,} of 33,554,432 bytes of memory")
    assert second.startswith("wrote 13 files into out; ") and len(list(folder.iterdir())) == 13
    assert last == "next: python -m boards run ulx3s-85f --bundle out --virtual"  # none is built
    monkeypatch.setattr(command, "built_here", lambda *where: (CONFIG, None))
    exported(folder, "--quiet")
    said = capsys.readouterr()
    assert said.out.endswith("\nnext: python -m boards run ulx3s-85f --bundle out --port auto\n")
    assert not said.err


def test_the_manifest_says_where_all_of_it_lies(capsys):
    folder = exported(Path("out"), "--json")
    told = json.loads(capsys.readouterr().out)
    manifest = json.loads((folder / "bundle.json").read_text())
    assert told == {"folder": "out", **manifest,
                    "next": f"python -m boards run {NAME} --bundle out --virtual"}
    assert (manifest["manifest"], manifest["version"]) == ("partita.bundle", 1)
    assert manifest["config_digest"] == CONFIG.digest
    assert {name: hashlib.sha256((folder / name).read_bytes()).hexdigest()
            for name in manifest["written"]} == manifest["written"]
    found = read_bundle(folder)
    program, image = found.program, (folder / "image.bin").read_bytes()
    for offset, data in program.segments:
        at = offset - manifest["image"]["offset"]
        assert image[at:at + len(data)] == data.tobytes()
    assert [x["address"] for x in manifest["layers"]] == [p.offset for p in program.outputs if p]
    assert np.array_equal(found.images[0], PIXELS)
    assert (folder / "input.bin").read_bytes() == PIXELS.tobytes()
    output = run_golden(found.graph, PIXELS)[-1]
    assert output is not None and (folder / "output.bin").read_bytes() == output.tobytes()


def test_with_the_last_output_alone_the_window_is_smaller(capsys):
    whole = read_bundle(exported()).program
    last = read_bundle(exported(Path("last"), "--last-only")).program
    assert last.window_bytes < whole.window_bytes and last.stays(2)


def test_an_older_bundle_is_replaced_and_nothing_else(capsys):
    folder = exported()
    exported(folder, "--last-only")
    (folder / "run").write_text("somebody's program")
    assert main(["export", NAME, "--out", str(folder)]) == 2
    assert "it holds 'run', which this command has not written" in capsys.readouterr().err
    assert (folder / "run").read_text() == "somebody's program"


def test_lines_to_type_survive_a_space_in_the_path(capsys):
    folder = exported(Path("my bundle"))
    assert shlex.join([f"{folder}/partita.c", f"{folder}/example_serial.c"]) in (
        said := capsys.readouterr().out)
    assert f"--bundle {shlex.quote(str(folder))} " in said


def test_a_bundle_of_another_board_is_refused_but_for_the_same_configuration(capsys):
    folder = exported()
    assert main(["run", "ulx3s-12f", "--bundle", str(folder), "--virtual"]) == 2
    assert ("out is a bundle for ulx3s-85f, 2 x 4x4, not for ulx3s-12f, 1 x 2x2: run it there, or "
            "export another: python -m boards export ulx3s-12f --out FOLDER") in \
        capsys.readouterr().err
    alike = dataclasses.replace(BOARDS["ulx3s-12f"], config=CONFIG)
    assert read_bundle(folder, alike).program.config == CONFIG


@pytest.mark.parametrize("exist", [True, False])
def test_what_does_not_fit_is_refused_and_nothing_is_written(exist, capsys, monkeypatch):
    small = dataclasses.replace(SDRAM, sdram=None, ram_bytes=1 << 13)
    monkeypatch.setattr(Board, "system", lambda self, config=None, **changes: small)
    if exist:
        Path("out").mkdir()
    assert main(["export", NAME, "--out", "out"]) == 4
    assert "bytes of memory; there are 8,192 on the ULX3S-85F: prune it into more partitions " \
        "(--partitions), or" in capsys.readouterr().err
    assert Path("out").exists() == exist and not list(Path().glob("out/*"))
    assert main(["export", NAME, "--rows", "32", "--out", "out"]) == 4
    assert "DSP blocks of 156" in capsys.readouterr().err


def test_the_build_that_the_board_holds_decides(capsys):
    written(BOARDS[NAME], Path("build", NAME))
    assert main(["export", NAME, "--rows", "8", "--out", "out"]) == 2
    assert f"--rows is 8, not 4 as in the build build/{NAME}; leave the option out, or name " \
        "another build with --build" in capsys.readouterr().err
    assert main(["export", NAME, "--build", "nowhere", "--out", "out"]) == 2
    assert "--build nowhere holds no build; make it: python -m boards build" in \
        capsys.readouterr().err
    assert main(["export", NAME, "--build", f"build/{NAME}", "--rows", "4", "--out", "out"]) == 0


def changed(key: str, value: object):
    def change(folder: Path) -> None:
        path = folder / "bundle.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | {key: value}))
    return change


@pytest.mark.parametrize(("spoil", "error", "message"), [
    (changed("manifest", "partita.build"), FileFormatError, "manifest is 'partita.build'; it must"),
    (changed("version", 7), FileFormatError, "version is 7; it must be 1; export it again"),
    (changed("isa_version", 0), FileFormatError,
     f"isa_version is 0; it must be {ISA_VERSION}; export"),
    (changed("register_map_version", 0), FileFormatError, "register_map_version is 0; it must"),
    (changed("config_digest", "00"), FileFormatError, "config_digest is '00'; it must be .*, the "
     "program's"),
    (changed("written", {}), FileFormatError, "written.program.npz is missing"),
    (lambda folder: (folder / "input.bin").write_bytes(b"x"), FileFormatError,
     "input.bin: is not as it was exported: export it again"),
    (lambda folder: (folder / "program.npz").unlink(), OSError, "program.npz"),
    (lambda folder: (folder / "bundle.json").write_text("["), FileFormatError, "not a bundle of a"),
])
def test_a_bundle_that_is_not_as_it_was_written_is_refused(spoil, error, message):
    folder = exported()
    spoil(folder)
    with pytest.raises(error, match=message):
        read_bundle(folder)


def test_files_of_two_networks_are_refused():
    folder = exported()
    (folder / "input.bin").write_bytes(b"abc")
    changed("written", json.loads((folder / "bundle.json").read_text())["written"] | {
        "input.bin": hashlib.sha256(b"abc").hexdigest()})(folder)
    with pytest.raises(FileFormatError, match="program, network and input are not of one network"):
        read_bundle(folder)
    (folder / "program.npz").write_bytes(b"abc")
    changed("written", json.loads((folder / "bundle.json").read_text())["written"] | {
        "program.npz": hashlib.sha256(b"abc").hexdigest()})(folder)
    with pytest.raises(ProgramError):
        read_bundle(folder)


@pytest.mark.parametrize(("arguments", "message"), [
    (["--network", "digits"], "--network goes without --bundle, which has its network and input"),
    (["--dense"], "--dense goes without --bundle"), (["--seed", "0"], "--seed goes without"),
    (["--images", "1"], "--images goes without --bundle"),
    (["--rows", "8"], "--rows is 8, not 4 as in the bundle out; leave the option out"),
])
def test_a_bundle_has_its_network_and_its_configuration(arguments, message, capsys):
    exported()
    assert main(["run", NAME, "--virtual", "--bundle", "out", *arguments]) == 2
    assert message in capsys.readouterr().err


def test_a_bundle_for_another_build_than_the_board_holds_is_refused(capsys, monkeypatch):
    exported()
    other = dataclasses.replace(BOARDS[NAME], config=CONFIG.replace(instances=1))
    monkeypatch.setitem(BOARDS, NAME, other)
    written(other, Path("build", NAME))
    assert main(["run", NAME, "--port", "/dev/nowhere", "--bundle", "out"]) == 2
    assert re.search(rf"--bundle out is for 2 x 4x4, configuration {CONFIG.digest[:8]}; the board "
                     rf"holds the build build/{NAME}, 1 x 4x4, \w+: export it again",
                     capsys.readouterr().err)


@pytest.mark.builds
def test_a_bundle_runs_on_a_board_as_the_network_does(capsys):
    exported()
    capsys.readouterr()
    assert main(["run", NAME, "--virtual", "--bundle", "out", "--json"]) == 0
    image, = json.loads(capsys.readouterr().out)["images"]
    assert image["bit_exact"] and image["differences"] == []


# -- headers --------------------------------------------------------------------------------------
def test_every_register_is_in_the_header_at_its_address():
    text = registers_header()

    def numbers(pattern: str) -> list[int]:
        return [int(x, 16) for x in present(re.search(pattern, text)).groups()]

    base, stride = numbers(r"PARTITA_INSTANCE\(i\) \((\w+)u \+ (\w+)u \*")
    for instance in range(3):
        for name in registers.INSTANCE:
            [at] = numbers(rf"PARTITA_REG_{name}\(i\) \(PARTITA_INSTANCE\(i\) \+ (\w+)u\)")
            assert base + instance * stride + at == registers.address(name, instance)
    for name in registers.GLOBAL:
        assert numbers(rf"PARTITA_REG_{name} (\w+)u ") == [registers.address(name)]
    for code in ErrorCode:
        assert f'{{"{code.name}", "' in text


@pytest.mark.builds
def test_any_name_is_a_literal_that_a_compiler_takes(tmp_path):
    names = ['a"b\\', "new\nline", "??/ and ??=", "\0017", "Größe 中", "%s%n", "*/ /*", "'", ""]
    source = tmp_path / "names.c"
    source.write_text("#include <stdio.h>\nint main(void) {\n" + "\n".join(
        f"puts({c_string(name)});" for name in names) + "\nreturn 0; }\n")
    subprocess.run([*CC, "-o", tmp_path / "names", source], check=True)
    found = subprocess.run([tmp_path / "names"], capture_output=True, check=True).stdout
    assert found.decode() == "".join(name + "\n" for name in names)
    assert len(eval(c_string("x" * 9000))) == 4000
