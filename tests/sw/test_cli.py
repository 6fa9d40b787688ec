"""The `partita` command finds its programs."""

import pytest

from sw import cli


def test_help_lists_the_commands(capsys):
    assert cli.main(["--help"]) == 0
    text = capsys.readouterr().out
    assert all(name in text for name in cli.COMMANDS)


def test_no_command_and_an_unknown_one_are_usage_errors(capsys):
    assert cli.main([]) == 2
    assert cli.main(["fly"]) == 2
    assert "no command 'fly'; there are build, compare, demo" in capsys.readouterr().err


def test_commands_are_the_modules(capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main(["build", "--help"])
    assert stop.value.code == 0
    assert "python -m hw.build" in capsys.readouterr().out
