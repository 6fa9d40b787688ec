"""Errors of the system are told with a remedy, and end a command with its exit code."""

import errno
import os
import subprocess
import sys

import pytest

from hw.support.errors import exit_code, explain
from hw.support.files import check_file
from tests.support.folders import names


def run_python(code: str, **options) -> subprocess.CompletedProcess:
    options = {"stdout": subprocess.PIPE, **options}
    program = ("import sys\nfrom hw.support.errors import exit_code\n"
               f"def run(argv):\n  {code}\n  return 0\n"
               "sys.exit(exit_code(run, [], 'it'))")
    return subprocess.run([sys.executable, "-c", program], stderr=subprocess.PIPE, text=True,
                          **options)


def test_every_error_of_the_system_is_told_and_ends_with_5(capsys):
    for code in errno.errorcode:
        if code in (errno.EPIPE, errno.ESHUTDOWN):  # nobody is there to be told
            continue

        def run(argv, code=code):
            raise OSError(code, os.strerror(code), "some/place")

        assert exit_code(run, [], "it") == 5
        said = capsys.readouterr().err
        assert said.startswith(f"it: error: some/place: {os.strerror(code)}; ")


def test_what_is_missing_is_to_be_made_where_it_is_written_to_alone(tmp_path):
    with pytest.raises(FileNotFoundError) as failed:
        (tmp_path / "images.npz").open("rb")
    assert explain(failed.value).endswith("images.npz: No such file or directory; check the name")
    with pytest.raises(FileNotFoundError) as failed:
        check_file(tmp_path / "new" / "report.html")
    assert explain(failed.value) == (f"{tmp_path / 'new'}: No such file or directory; check the "
                                     "name; a folder has to be made first")


def test_what_is_wrong_with_the_cache_names_its_variable(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("x")
    for place in (tmp_path / "file", tmp_path / "file" / "below"):
        monkeypatch.setenv("PARTITA_CACHE", str(place))
        with pytest.raises(OSError) as failed:
            place.mkdir(parents=True, exist_ok=True)
        assert "set PARTITA_CACHE to a folder that can be written" in explain(failed.value)


@pytest.mark.parametrize("count", [3, 100_000])
def test_output_that_nobody_reads_or_that_does_not_fit_ends_with_5(count):
    with open("/dev/full", "w") as full:
        done = run_python(f"print('x' * {count})", stdout=full)
    assert done.returncode == 5
    assert done.stderr == "it: error: standard output: No space left on device; make room, or " \
        "name a place on another disk\n"
    read, write = os.pipe()
    os.close(read)
    done = run_python(f"print('x' * {count})", stdout=write)
    os.close(write)
    assert (done.returncode, done.stderr) == (5, "")


def test_a_limit_on_files_is_told(tmp_path):
    done = run_python(
        "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100));"
        "from hw.support.files import save_file, Path; save_file(Path('a'), 'x' * 999)",
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.getcwd()})
    assert done.returncode == 5 and "ulimit -f unlimited" in done.stderr
    assert names(tmp_path) == []
