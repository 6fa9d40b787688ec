"""The list of tests that take long."""

from pathlib import Path

from tests import long
from tests.long import function_of, long_tests


def test_every_entry_is_a_test_that_there_is():
    for entry in long_tests():
        path, function = entry.split("::")
        assert f"def {function}(" in (Path(__file__).parent.parent / path).read_text(), entry


def test_cases_of_a_function_are_one_entry():
    assert function_of("tests/test_x.py::test_y[a-b[c]]") == "tests/test_x.py::test_y"


def test_what_fails_leaves_the_list(monkeypatch, tmp_path):
    (tmp_path / "long.txt").write_text("tests/test_x.py::test_y\n")
    monkeypatch.setattr(long, "LIST", tmp_path / "long.txt")

    def run(code: int):
        def main(arguments, plugins):
            plugins[0].longest = {"tests/a.py::quick": 0.1, "tests/a.py::slow": 1.0}
            return code
        return main

    monkeypatch.setattr(long.pytest, "main", run(1))
    assert long.main([]) == 1 and long_tests() == {"tests/test_x.py::test_y"}
    monkeypatch.setattr(long.pytest, "main", run(0))
    assert long.main([]) == 0 and long_tests() == {"tests/a.py::slow"}
