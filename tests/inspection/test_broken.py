"""Whatever a file holds, an inspection of it ends in words, and in words that are not an apology."""

import json

import pytest

from magn_cli.inspection import BrokenFile, as_document, inspect_file
from tests.support.fuzzing.corpus import corpus
from tests.support.fuzzing.mutations import broken

FILES = 300


@pytest.fixture(scope="module")
def files():
    return corpus()


def test_whole_files(files, tmp_path):
    for name, data in files.items():
        path = tmp_path / name
        path.write_bytes(data)
        found = inspect_file(path)
        assert not isinstance(found, BrokenFile), found
        json.dumps(as_document([found]), allow_nan=False)


def test_broken_files(files, tmp_path, capfd):
    read = 0
    for seed in range(FILES):
        name, data = broken(seed, files)
        path = tmp_path / name
        path.write_bytes(data)
        found = inspect_file(path, max_pixels=2_000_000)
        json.dumps(as_document([found]), allow_nan=False)
        if isinstance(found, BrokenFile):
            assert "unexpected" not in found.error, (seed, found)
            assert found.error.endswith(".") and "\n" not in found.error and str(path) in found.error
        else:
            read += 1
    assert 0.1 * FILES < read < 0.9 * FILES
    assert capfd.readouterr().err == ""
