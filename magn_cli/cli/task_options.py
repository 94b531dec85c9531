"""Options of commands that the tasks declare."""

from __future__ import annotations

import functools
import inspect
import logging
from collections.abc import Callable
from inspect import Parameter
from typing import Annotated, Any

import typer

from magn_cli.errors import UsageError
from magn_cli.tasks import TASKS, Option, Use, declared, get_task

log = logging.getLogger(__name__)

PARAMETER = "task_options"
AUTO = "auto"


def with_task_options(use: Use) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Give a command the options that tasks declare for a use, in a panel for each task.

    The command's parameter ``task_options`` gets those that were given, by name.
    """

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        written = inspect.signature(command, eval_str=True).parameters
        taken = {flag for name, parameter in written.items() for flag in _flags(name, parameter)}
        offered = {}
        for name, (option, tasks) in declared(use).items():
            if name in written or _flag(name) in taken:
                log.warning("the option %s of %s is one of the command itself; it is left out.", name, tasks[0])
            elif option.listed:
                offered[name] = _parameter(option, tasks)
        parameters = []
        for name, parameter in written.items():
            parameters += [parameter] if name != PARAMETER else list(offered.values())

        @functools.wraps(command)
        def run(**values: Any) -> Any:
            # Commands that restore take auto, too.
            if use == "restore" and (task := values.get("task")) not in (None, AUTO):
                get_task(task, or_auto=True)
            given = {name: values.pop(name) for name in offered}
            values[PARAMETER] = {
                name: tuple(value) if isinstance(value, list) else value
                for name, value in given.items()
                if value not in (None, [])
            }
            return command(**values)

        # Typer reads the parameters from here.
        run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        run.__annotations__ = {p.name: p.annotation for p in parameters}
        del run.__wrapped__
        return run

    return decorate


def of_task(task: str, use: Use, given: dict[str, Any] | None) -> dict[str, Any]:
    """Return the options that were given, checked.

    Raises :class:`UsageError` for another task's, and for values that make no sense.
    """
    given, known = given or {}, declared(use)
    own = {option.name for option in TASKS[task].options(use)} if task in TASKS else set()
    for name, value in given.items():
        if name not in own:
            if task != AUTO:
                get_task(task)
            owners = known[name][1]
            raise UsageError(
                f"{_flag(name)} {value} is only for {' and '.join(owners)}; omit it, or add --task {owners[0]}."
            )
    return get_task(task).settings(use, given, complete=False) if given else {}


def _parameter(option: Option, tasks: list[str]) -> Parameter:
    kind: Any = list[option.kind] if option.is_list else option.kind  # type: ignore[name-defined]
    flag = _flag(option.name)
    settings = typer.Option(
        f"{flag}/--no-{flag[2:]}" if option.kind is bool else flag,
        help=option.help,
        show_default=False if option.default is None else str(option.default),
        rich_help_panel=", ".join(f"{TASKS[name].title} (--task {name})" for name in tasks),
    )
    return Parameter(
        option.name, Parameter.POSITIONAL_OR_KEYWORD, default=None, annotation=Annotated[kind | None, settings]
    )


def _flags(name: str, parameter: Parameter) -> set[str]:
    """The flags of a command's own option."""
    found = {"--help", _flag(name)}
    for info in getattr(parameter.annotation, "__metadata__", ()):
        for declared_as in (info.default, *(info.param_decls or ())):
            found |= set(declared_as.split("/")) if isinstance(declared_as, str) else set()
    return found


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")
