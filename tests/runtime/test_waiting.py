"""Threads that wait let others have the core; whoever has said otherwise is obeyed, and a library stays silent."""

import os
import subprocess
import sys

import pytest

from tests.support.paths import ROOT

SHOW = (
    "import os, sys; from magn_cli.cli import main; sys.argv = ['magn', '--version']\n"
    "try: main()\nexcept SystemExit: pass\n"
    "names = ('GOMP_SPINCOUNT', 'OMP_WAIT_POLICY', 'KMP_BLOCKTIME')\n"
    "print('torch' in sys.modules, *map(os.environ.get, names))"
)


def shown(code, **more):
    names = ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY", "KMP_BLOCKTIME")
    environment = {name: value for name, value in os.environ.items() if name not in names}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**environment, "PYTHONPATH": str(ROOT), **more},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return done.stdout.splitlines()[-1]


@pytest.mark.parametrize(
    ("more", "found"),
    [
        ({}, "False 10000 None 0"),
        ({"GOMP_SPINCOUNT": "7"}, "False 7 None None"),
        ({"OMP_WAIT_POLICY": "active"}, "False None active None"),
    ],
)
def test_the_command_sets_it_before_torch_is_there(more, found):
    assert shown(SHOW, **more) == found


def test_the_library_leaves_the_environment_alone():
    code = (
        "import os; before = dict(os.environ); import magn_cli; magn_cli.load; print(before == dict(os.environ))"
    )
    assert shown(code) == "True"
