"""Runs commands as a user would, and checks their error messages."""

from typer.testing import CliRunner

from magn_cli.cli.app import app

RUNNER = CliRunner()


def magn(*words):
    result = RUNNER.invoke(app, [str(w) for w in words])
    if result.exit_code not in (0, 2):
        assert "Traceback" not in result.output
    return result


def refused(result, code, *words):
    """Check the exit code, and that the error is one sentence with the words, without a traceback."""
    assert result.exit_code == code, result.output
    lines = [line for line in result.stderr.splitlines() if line.strip()]
    assert len(lines) == 1, lines
    for word in words:
        assert str(word) in lines[0], f"{word!r} is not in {lines[0]!r}"
    assert lines[0].startswith("magn: ") and lines[0].endswith(".")
