"""``magn weights``."""

from __future__ import annotations

import json as json_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from magn_cli.cli import console, options, sparing
from magn_cli.errors import NotHereError, UsageError, WeightsError

if TYPE_CHECKING:
    from magn_cli.weights.metadata import Checkpoint
    from magn_cli.weights.registry import RegistryEntry

app = typer.Typer(no_args_is_help=True, rich_markup_mode="rich")

SCHEMA = 1
NOT_REGISTERED = "intact, not in the registry"


@app.command("list")
@console.sentences
def list_(
    json: options.Json = None,
    overwrite: options.Overwrite = False,
    verbose: Annotated[
        bool, options.verbose("the whole training of each checkpoint, its path, sha256 and licence")
    ] = False,
) -> None:
    """List all checkpoints, where they are, and how well they do.

    Examples:

      magn weights list

      magn weights list --verbose

      magn weights list --json -
    """
    from magn_cli.cli.views.weights import show
    from magn_cli.weights.paths import own_registry
    from magn_cli.weights.registry import entries

    if json is not None:
        console.check_report(json, overwrite)
    rows = [_row(entry) for entry in entries()]
    files = [own_registry(), *(Path(row["path"]) for row in rows if row["path"])]
    sparing.check_apart({"--json": json}, files, "one of the inputs")
    if json is not None:
        document = {"schema": SCHEMA, "weights": rows}
        console.write_report(json_module.dumps(document, indent=1) + "\n", json, overwrite)
        return
    show(rows, verbose)
    for row in rows:
        if row["missing"]:
            console.say(f"The {row['preset']} weights for {row['task']} {row['missing']}.")


def _row(entry: RegistryEntry) -> dict[str, Any]:
    from magn_cli.weights.resolve import here

    path = None
    if entry.missing:
        state = "none yet"
    else:
        try:
            path, state = here(entry)
        except NotHereError:
            state = "not downloaded"
        except WeightsError as error:
            state = f"not usable: {error}"
    return {
        "task": entry.task,
        "preset": entry.preset,
        "state": state,
        "path": str(path) if path else None,
        "repo_id": entry.repo_id or None,
        "revision": entry.revision or None,
        "size": entry.size or None,
        "sha256": entry.sha256 or None,
        "licence": entry.licence,
        "trained": entry.trained,
        "figures": entry.figures,
        "missing": entry.missing or None,
    }


@app.command()
@console.sentences
def pull(
    task: options.AnyTask = None,
    preset: options.Preset = "magn-s",
    all_: Annotated[
        bool, typer.Option("--all", help="All checkpoints of the registry.", rich_help_panel=options.WORK)
    ] = False,
    quiet: options.Quiet = False,
    verbose: Annotated[bool, options.verbose("where each checkpoint was found")] = False,
) -> None:
    """Download checkpoints, for example before going offline.

    Examples:

      magn weights pull --all

      magn weights pull -t denoise --preset magn-s
    """
    console.show_log(verbose, quiet)
    from magn_cli.weights import resolve

    failed = 0
    for entry in _chosen(task, preset, all_):
        try:
            console.answer(str(resolve.pull(entry)))
        except WeightsError as error:
            failed += 1
            console.complain(str(error))
    if failed:
        raise typer.Exit(WeightsError.exit_code)


def _chosen(task: str | None, preset: str, everything: bool) -> list[RegistryEntry]:
    from magn_cli.tasks import get_task
    from magn_cli.weights.registry import entries, find

    if everything and task is not None:
        raise UsageError(f"--all includes {task}: give either --task or --all.")
    if not everything and task is None:
        raise UsageError("nothing to download: give --task or --all.")
    if task is not None:
        return [find(get_task(task).name, preset)]
    return [entry for entry in entries() if not entry.missing]


@app.command()
@console.sentences
def verify(
    files: Annotated[
        list[Path] | None,
        typer.Argument(help="Checkpoints. Default: all that are on this machine.", show_default=False),
    ] = None,
) -> None:
    """Read checkpoints again and compare them with the registry.

    Examples:

      magn weights verify

      magn weights verify run/magn-s-jpeg.safetensors
    """
    from magn_cli.weights.registry import entries

    wrong = 0
    checks: list[Path | RegistryEntry] = [*files] if files else [e for e in entries() if not e.missing]
    for check in checks:
        try:
            path, about = _read_again(check)
        except NotHereError:
            continue
        except WeightsError as error:
            wrong += 1
            console.complain(str(error))
        else:
            console.answer(f"{path}: {about.preset} for {about.task}, {_known(path)}")
    if wrong:
        raise typer.Exit(WeightsError.exit_code)


def _read_again(check: Path | RegistryEntry) -> tuple[Path, Checkpoint]:
    """Read a file, or that of an entry. Raises :class:`WeightsError`."""
    from magn_cli.weights.checkpoint import load_checkpoint
    from magn_cli.weights.paths import check_no_folder
    from magn_cli.weights.resolve import here

    if isinstance(check, Path):
        return check, load_checkpoint(check_no_folder(check))[1]
    path = here(check, again=True)[0]
    about = load_checkpoint(path)[1]
    if about.task != check.task:
        raise WeightsError(f"{path} is a checkpoint for {about.task}, not for {check.task}: correct the registry.")
    return path, about


def _known(path: Path) -> str:
    from magn_cli.files import checksum
    from magn_cli.weights.registry import entries

    found = checksum.of(path, again=True)
    known = [f"{entry.preset} for {entry.task}" for entry in entries() if entry.sha256.lower() == found]
    return f"sha256 {found}, " + (f"in the registry as {' and '.join(known)}" if known else NOT_REGISTERED)


@app.command()
@console.sentences
def path(
    task: options.Task,
    preset: options.Preset = "magn-s",
) -> None:
    """Print the path of a checkpoint that is on this machine; downloads nothing.

    Example:

      magn weights path -t jpeg
    """
    from magn_cli.tasks import get_task
    from magn_cli.weights.registry import find
    from magn_cli.weights.resolve import here

    console.answer(str(here(find(get_task(task).name, preset))[0]))


@app.command()
@console.sentences
def push(
    file: Annotated[Path, typer.Argument(help="A checkpoint made by magn train.", show_default=False)],
    repo: Annotated[str, typer.Argument(help="Your repository on the Hub: user/name.", show_default=False)],
    card: Annotated[
        Path | None,
        typer.Option(
            help="Your own model card. Default: one is written from the checkpoint.",
            rich_help_panel=options.FILES,
            show_default=False,
        ),
    ] = None,
    private: Annotated[
        bool,
        typer.Option("--private", help="Make a new repository private.", rich_help_panel=options.WORK),
    ] = False,
    quiet: options.Quiet = False,
    verbose: Annotated[bool, options.verbose("what is uploaded")] = False,
) -> None:
    """Upload a checkpoint with its model card to the Hugging Face Hub.

    Prints its entry for weights.toml. Log in first with hf auth login, or set
    HF_TOKEN.

    Example:

      magn weights push run/magn-s-jpeg.safetensors me/sharper-jpeg
    """
    console.show_log(verbose, quiet)
    from magn_cli.weights import publishing

    text = None
    if card is not None:
        try:
            text = card.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"the card {card} cannot be read; give a Markdown file.") from error
    entry = publishing.push(file, repo, text, private)
    with console.writing_results():
        console.results.print(entry, end="", markup=False)
    if not quiet:
        console.say(f"uploaded {file.name} to {repo}")
