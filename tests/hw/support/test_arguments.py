"""Refusals on a command line name the option, the value and the rule."""

import pytest

from hw.config import PRESETS
from hw.options import named_by_option
from hw.support.arguments import (
    Items,
    Parser,
    UsageError,
    array_size,
    file_path,
    given,
    integer,
    integers,
    real,
    word,
)


def parsed(kind, text: str):
    parser = Parser(prog="program")
    parser.add_argument("--n", type=kind)
    return parser.parse_args([f"--n={text}"]).n


@pytest.mark.parametrize(("kind", "text", "message"), [
    (integer(1, 4096), "0", "--n is 0; it must be a whole number from 1 to 4,096"),
    (integer(1, 9), "1.5", "--n is 1.5; it must be a whole number from 1 to 9"),
    (integer(), "nan", "--n is nan; it must be a whole number"),
    (integer(0, 9), "9" * 5000, f"--n is '{'9' * 40}...'; it must be a whole number from 0 to 9"),
    (integer(0, 9), "", "--n is ''; it must be a whole number from 0 to 9"),
    (real(0, 0.9), "inf", "--n is inf; it must be a number from 0 to 0.9"),
    (real(0, 10, above=True), "0", "--n is 0; it must be a number above 0, at most 10"),
    (real(0, 1), "nan", "--n is nan; it must be a number from 0 to 1"),
    (integers(1, 8, "1,2"), "1,9", "--n has an item that is 9; it must be a whole number from 1 to "
     "8; write a list like 1,2"),
    (integers(1, 8, "1,2"), "1,", "--n is '1,', not a list like 1,2"),
    (Items(array_size, "4x4"), "44", "--n has an item that is 44; it must be ROWSxCOLS, such as "
     "4x8; write a list like 4x4"),
    (file_path, "", "--n is ''; it must be a path"),
    (word, " ", "--n is ' '; it must be a name"),
    (integer(0, 9), "--", "--n is '--'; it must be a value"),
])
def test_a_value_is_refused(kind, text, message):
    with pytest.raises(UsageError) as refused:
        parsed(kind, text)
    assert str(refused.value) == message


def test_values_within_bounds_are_taken():
    assert parsed(integer(1, 9), "9") == 9 and isinstance(parsed(real(0, 9), "2"), float)
    assert parsed(integers(1, 8, "1,2"), "1,8") == [1, 8]
    assert parsed(Items(array_size, "4x4"), "4x8,2x2") == [(4, 8), (2, 2)]
    assert parsed(real(0, 10, above=True), "10") == 10


def test_what_argparse_itself_refuses_is_an_error_too():
    parser = Parser(prog="program")
    parser.add_argument("--n", required=True, choices=("a", "b"))
    for arguments, message in (([], "required: --n"), (["--n"], "--n: expected one argument"),
                               (["--n", "c"], "--n: invalid choice: 'c'"),
                               (["--n", "a", "--m"], "unrecognized arguments: --m")):
        with pytest.raises(UsageError, match=message):
            parser.parse_args(arguments)


def test_errors_of_what_an_option_leads_to_begin_with_it():
    with pytest.raises(UsageError, match=r"^--partitions is 7: not divisible$"), \
            given("--partitions", 7):
        raise ValueError("not divisible")


@pytest.mark.parametrize(("changes", "message"), [
    ({"array__rows": 33}, "--rows is 33; it must be an integer from 1 to 32"),
    ({"instances": 0}, "--instances is 0; it must be"),
    ({"core": "soft"}, "--core is 'soft'; it must be"),
    ({"array__zero_skip": True, "array__cols": 8}, "--zero-skip needs a square array, not 4x8: "
     "make --rows and --cols equal"),
    ({"core": "microcoded", "array__cols": 2, "array__post_lanes": 0, "array__zero_skip": True},
     "--instances is 2; with --core 'microcoded' it must be 1, --port-bytes (8) 4, --zero-skip "
     "(True) False"),
    ({"buffers__weight_fifo_beats": 16, "port__burst_beats": 16},
     "--weight-fifo-beats is 16; it must be at least twice --burst-beats"),
])
def test_fields_are_named_by_their_options(changes, message):
    with pytest.raises(ValueError) as refused, named_by_option():
        PRESETS["tiny"].replace(**changes)
    assert str(refused.value).startswith(message)
