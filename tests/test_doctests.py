"""Examples in the docstrings of modules below the public interface run as printed."""

import doctest
from importlib import import_module

import pytest

MODULES = (
    "magn_cli.errors",
    "magn_cli.limits",
    "magn_cli.analysis.noise",
    "magn_cli.inference.onnx.layout",
    "magn_cli.inference.tiled_network",
    "magn_cli.model.magn",
    "magn_cli.tasks.options",
)


@pytest.mark.parametrize("name", MODULES)
def test_examples_run(name):
    results = doctest.testmod(import_module(name))
    assert results.attempted and not results.failed
