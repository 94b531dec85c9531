"""Restore photographs with MAGN, a multi-level attention-guided graph network.

``magn_cli.restore(picture)`` restores one picture. ``magn_cli.load("jpeg")`` returns a :class:`Restorer`, which
keeps the network loaded for many pictures. Heavy modules such as torch are imported when they are first needed.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from magn_cli.errors import MagnError
from magn_cli.version import __version__

if TYPE_CHECKING:
    from magn_cli.api.files import read, write
    from magn_cli.api.restoring import Restored, Restorer, load, restore
    from magn_cli.tasks import TASKS

__all__ = [
    "TASKS",
    "MagnError",
    "Restored",
    "Restorer",
    "__version__",
    "load",
    "read",
    "restore",
    "write",
]

_WHERE = {
    "TASKS": "magn_cli.tasks",
    "Restored": "magn_cli.api.restoring",
    "Restorer": "magn_cli.api.restoring",
    "load": "magn_cli.api.restoring",
    "read": "magn_cli.api.files",
    "restore": "magn_cli.api.restoring",
    "write": "magn_cli.api.files",
}


def __getattr__(name: str) -> Any:
    if name in _WHERE:
        return getattr(import_module(_WHERE[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
