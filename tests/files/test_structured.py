"""JSON and TOML of strangers: what is too deep, too large or no number is an error, soon."""

import os
import time

import pytest

from magn_cli.files import NotOrdinaryError, structured
from tests.support.hostile import HOSTILE_JSON, HOSTILE_TOML


@pytest.mark.parametrize(("read", "text"), [
    *(pytest.param(structured.json_of, text, id=name) for name, text in HOSTILE_JSON.items()),
    *(pytest.param(structured.toml_of, text, id=f"toml {name}") for name, text in HOSTILE_TOML.items()),
])  # fmt: skip
def test_hostile(read, text):
    began = time.monotonic()
    with pytest.raises(ValueError):
        read(text)
    assert time.monotonic() - began < 5


def test_a_file_is_read_up_to_its_bound(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"12345")
    assert structured.read_bytes(path, 5) == b"12345"
    with pytest.raises(ValueError, match="larger than 4 bytes"):
        structured.read_bytes(path, 4)
    with path.open("wb") as file:
        file.truncate(20 << 30)
    with pytest.raises(ValueError, match="larger"):
        structured.read_bytes(path)


@pytest.mark.skipif(os.name == "nt", reason="as POSIX has it")
def test_only_ordinary_files(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(NotOrdinaryError):
        structured.read_bytes(tmp_path / "pipe")
