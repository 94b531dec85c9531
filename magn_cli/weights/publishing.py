"""Publishes a checkpoint in a repository on the Hub."""

from __future__ import annotations

import logging
from pathlib import Path

from magn_cli.files import checksum
from magn_cli.weights import hub, paths
from magn_cli.weights.card import model_card, trained
from magn_cli.weights.checkpoint import load_checkpoint
from magn_cli.weights.registry import as_toml, check_inside, entries

log = logging.getLogger(__name__)

DATA = "Trained on photographs in: {folders}."
LIMITS = "Not described yet."


def push(path: Path, repo_id: str, card: str | None, private: bool) -> str:
    """Upload a checkpoint and its model card.

    Args:
        path: the checkpoint.
        repo_id: ``user/name``.
        card: text of the model card; None to write one from the metadata.
        private: make a new repository private.

    Returns:
        The entry for a registry, as TOML.

    Raises:
        WeightsError: the file is no checkpoint, or the upload fails.
    """
    check_inside(paths.check_no_folder(path).name, "the upload")
    about = load_checkpoint(path)[1]
    sha256 = checksum.of(path, again=True)
    figures = next((e.figures for e in entries() if e.sha256.lower() == sha256), {})
    text = card
    if text is None:
        folders = ", ".join(map(str, about.training.get("data", []))) or "not recorded"
        text = model_card(about, path.name, figures, DATA.format(folders=folders), LIMITS)
    log.info("%s, sha256 %s, with %s", path.name, sha256, "the card as given" if card else "a card made from it")
    commit = hub.push(path, repo_id, text, replace=card is not None, private=private)
    return as_toml(
        {
            "task": about.task,
            # Not the checkpoint's preset, which would override magn's own entry.
            "preset": repo_id.rpartition("/")[2],
            "repo_id": repo_id,
            "revision": commit,
            "filename": path.name,
            "sha256": sha256,
            "size": path.stat().st_size,
            "licence": about.licence,
            "trained": trained(about.training),
            "figures": figures,
        }
    )
