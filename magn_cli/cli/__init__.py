"""The command line: parses, calls the library, prints. Nothing here imports torch before it is needed."""

import sys


def main() -> None:
    """Run ``magn``."""
    try:
        _run()
    except KeyboardInterrupt:
        # No command has begun yet that could say more, and perhaps not even the console.
        sys.stderr.write("magn: interrupted.\n")
        sys.exit(130)


def _run() -> None:
    from magn_cli.runtime.collecting import collect_seldom
    from magn_cli.runtime.waiting import spin_little

    # Before anything can import torch: OpenMP looks at this once.
    spin_little()
    collect_seldom()
    from magn_cli.cli.app import app
    from magn_cli.cli.console import prepare_streams

    prepare_streams()
    app()
