"""``python -m magn_cli``."""

from magn_cli.cli import main

main()
