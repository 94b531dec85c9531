"""Half-written files of runs that were killed."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from magn_cli.files.local import LOCAL
from magn_cli.files.store import Store

log = logging.getLogger(__name__)


def remove_leftovers(targets: Iterable[Path], store: Store = LOCAL) -> None:
    """Remove what killed runs have left of writing the files ``targets``, in their folders.

    Targets that exist have leftovers, too: a new file gets its name before it loses its temporary one.
    """
    names: dict[Path, set[str]] = {}
    for target in targets:
        if store.has_folders(target):
            names.setdefault(target.parent, set()).add(target.name)
    for folder, those in names.items():
        # They harm nobody; what keeps a folder from being used is found when it is.
        with suppress(OSError):
            for path in store.remove_leftovers(folder, those):
                log.info("removed %s, left by a run that was killed.", path)
