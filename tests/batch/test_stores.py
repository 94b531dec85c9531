"""A run on another store than the disk: nothing in ``batch`` touches a disk by itself."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from magn_cli import batch, images
from magn_cli.errors import ImageError, UsageError
from magn_cli.files import WithMemory
from tests.support.folders import SETTINGS, Inverse, picture
from tests.support.memory_store import MemoryStore


def png(shade):
    file = io.BytesIO()
    Image.fromarray(np.full((6, 8, 3), shade, np.uint8)).save(file, "PNG")
    return file.getvalue()


@pytest.fixture
def store():
    names = ("in/a.png", "in/sub/b.png", "in/@eaDir/a.png", "in/.hidden.png", "in/notes.txt")
    return MemoryStore({Path("bucket", name): png(40) for name in names})


def run(store, sources=("bucket/in",), out="bucket/out", network=None, **options):
    plan = batch.plan(list(sources), Path(out), settings=SETTINGS, recursive=True, store=store, **options)
    plan.check()
    events = []
    batch.run(plan, network or Inverse(), report=events.append)
    return [type(event).__name__ for event in events if not isinstance(event, batch.Working)]


def test_a_tree_is_restored_kept_and_refused(store, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run(store) == ["Done", "Done"]
    made = images.decode(store.objects[Path("bucket/out/sub/b.png")])
    assert (made.pixels == 255 - 40).all()
    assert run(store) == ["Kept", "Kept"]
    store.objects[Path("bucket/in/a.png")] = png(50)
    with pytest.raises(UsageError, match="another picture"):
        run(store)
    assert run(store, overwrite=True) == ["Done", "Done"]
    assert not store.held and list(tmp_path.iterdir()) == []


def test_each_picture_is_read_once(store):
    run(store)
    assert sorted(store.reads) == [Path("bucket/in/a.png"), Path("bucket/in/sub/b.png")]


def test_patterns_and_missing_objects(store):
    with pytest.raises(ImageError, match="no picture matches"):
        run(store, ["bucket/in/*.tif"])
    assert run(store, ["bucket/in/a*.png", "bucket/in/none.png"]) == ["Failed", "Done"]


def test_two_runs_at_once(store):
    held = store.lock(Path("bucket/out/.magn-journal.lock"))
    with pytest.raises(UsageError, match="another magn is at work"):
        run(store)
    held.release()
    assert run(store) == ["Done", "Done"]


def test_files_in_memory_in_front_of_the_disk(tmp_path):
    """As a pipe has them: what is held is read and written there, all else on the disk."""
    held = {Path("standard input"): png(10), Path("standard output.png"): None}
    plan = batch.plan(["standard input"], Path("standard output.png"), settings={}, store=WithMemory(held))
    batch.run(plan, Inverse())
    assert (images.decode(held[Path("standard output.png")]).pixels == 245).all()
    store = WithMemory({})
    assert store.read(picture(tmp_path / "a.png"))[0] == (tmp_path / "a.png").read_bytes()
    store.write(tmp_path / "b", b"x")
    assert (tmp_path / "b").read_bytes() == b"x"
    with pytest.raises(FileNotFoundError):
        WithMemory({Path("x"): None}).read(Path("x"))
    with pytest.raises(FileExistsError):
        WithMemory({Path("x"): b""}).write(Path("x"), b"")
