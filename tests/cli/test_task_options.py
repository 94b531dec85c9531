"""Options that tasks declare become options of commands."""

from typing import Annotated, Any

import pytest
import typer
from typer.testing import CliRunner

from magn_cli.cli.task_options import of_task, with_task_options
from magn_cli.errors import UsageError
from magn_cli.tasks import TASKS, Option, register
from tests.support.brighten import Brighten

OPTIONS = (
    Option("half_size", False, "True or false."),
    Option("kinds", ("a", "b"), "A list.", choices=("a", "b", "c")),
    Option("share", 0.5, "A number.", low=0, high=1),
    Option("found", (0, 0), "Told by a photo.", listed=False),
    Option("own", "x", "A name that the command has."),
    Option("renamed", "x", "A flag that the command has."),
)


@pytest.fixture
def invoke(monkeypatch, caplog):
    """Run a command that has the options of a task and says what it was given."""
    monkeypatch.setattr(Brighten, "degrade_options", OPTIONS)
    before = dict(TASKS)
    register(Brighten())
    seen = []

    @with_task_options("degrade")
    def command(
        own: str = "mine",
        other: Annotated[str, typer.Option("--renamed")] = "mine",
        task_options: dict[str, Any] | None = None,
    ):
        seen.append((own, other, task_options))

    app = typer.Typer()
    app.command()(command)

    def invoke(*words):
        result = CliRunner().invoke(app, list(words))
        return seen[-1] if result.exit_code == 0 and seen else result

    yield invoke
    TASKS.clear()
    TASKS.update(before)


def test_only_what_is_given_reaches_the_command(invoke):
    assert invoke() == ("mine", "mine", {})
    assert invoke("--half-size", "--kinds", "a", "--kinds", "c", "--share", "1", "--own", "y")[0] == "y"
    assert invoke("--half-size", "--kinds", "a", "--kinds", "c", "--share", "1")[2] == {
        "half_size": True,
        "kinds": ("a", "c"),
        "share": 1.0,
    }
    assert invoke("--no-half-size")[2] == {"half_size": False}
    # What the command has itself stays its own; what a photo tells is no option.
    assert invoke("--renamed", "y") == ("mine", "y", {})
    assert invoke("--found", "3").exit_code == 2


def test_they_are_checked_for_their_task(invoke):
    assert of_task("brighten", "degrade", {"share": 0.25}) == {"share": 0.25}
    for task, given, words in (
        ("brighten", {"share": 2.0}, "share 2.0 is out of range"),
        ("brighten", {"kinds": ("d",)}, "invalid kinds 'd': choose a, b or c"),
        ("jpeg", {"share": 0.5}, "--share 0.5 is only for brighten"),
        ("auto", {"share": 0.5}, "--share 0.5 is only for brighten"),
        ("dehaze", {"share": 0.5}, "unknown task 'dehaze'"),
    ):
        with pytest.raises(UsageError, match=words):
            of_task(task, "degrade", given)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        (Option("n", 3, "Whole."), 2.5),
        (Option("n", 3, "Whole."), True),
        (Option("n", 1.5, "Number.", low=0, high=2), float("nan")),
        (Option("n", 1.5, "Number."), "1"),
        (Option("n", True, "Either."), 1),
        (Option("n", None, "Text."), 1),
        (Option("n", ("a",), "List."), ()),
        (Option("n", ("a",), "List."), "a"),
    ],
)
def test_values_of_another_type_are_refused(option, value):
    with pytest.raises(UsageError, match=r"^(invalid )?n "):
        option.check(value)
