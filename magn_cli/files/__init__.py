"""Where bytes come from and go to: found, read, hashed and written in one way by every command.

Nothing here knows what a picture is: suffixes come from the caller. All paths go through a :class:`Store`.
"""

from magn_cli.files.access import Access, narrowest
from magn_cli.files.collisions import check_collisions, collision_key, first_collision, replaced
from magn_cli.files.find import find, is_left_alone, links_to_folders, listed
from magn_cli.files.leftovers import remove_leftovers
from magn_cli.files.local import LOCAL
from magn_cli.files.memory import WithMemory
from magn_cli.files.places import check_output, store_of
from magn_cli.files.printable import printable
from magn_cli.files.store import AppendedLines, Lock, NotOrdinaryError, Status, Store, StoreError, is_hopeless
from magn_cli.files.urls import UrlPath, named, without_secrets

__all__ = [
    "LOCAL",
    "Access",
    "AppendedLines",
    "Lock",
    "NotOrdinaryError",
    "Status",
    "Store",
    "StoreError",
    "UrlPath",
    "WithMemory",
    "check_collisions",
    "check_output",
    "collision_key",
    "find",
    "first_collision",
    "is_hopeless",
    "is_left_alone",
    "links_to_folders",
    "listed",
    "named",
    "narrowest",
    "printable",
    "remove_leftovers",
    "replaced",
    "store_of",
    "without_secrets",
]
