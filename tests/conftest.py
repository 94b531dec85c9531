"""Fixtures that several tests use."""

import os

# Tests beside each other share the cores, where threads that spin slow each other down. OpenMP reads it once.
os.environ.setdefault("GOMP_SPINCOUNT", "0")

import signal
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings
from PIL import Image

from tests.support.paths import EXAMPLES

# A busy machine is no failure.
settings.register_profile("calm", deadline=None)
settings.load_profile("calm")


def pytest_addoption(parser):
    parser.addoption("--fuzz", type=int, default=5000, help="how many broken pictures are tried")
    parser.addoption("--fuzz-documents", type=int, default=1000, help="how many broken documents are tried")


@pytest.fixture(autouse=True, scope="session")
def signals_arrive():
    """Processes in the background are started with some ignored, and hand that on to those that are tested."""
    handlers = {"SIGINT": signal.default_int_handler, "SIGHUP": signal.SIG_DFL}
    for name, handler in handlers.items():
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, handler)


@pytest.fixture(autouse=True, scope="session")
def nobody(tmp_path_factory):
    """Ignore the registry of the user who runs the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MAGN_WEIGHTS", str(tmp_path_factory.mktemp("weights")))
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        yield


@pytest.fixture(scope="session")
def otter() -> np.ndarray:
    """A piece of a clean photo: ``(144, 200, 3)``, uint8."""
    return np.asarray(Image.open(EXAMPLES / "otter.png").convert("RGB"))[300:444, 500:700]


@pytest.fixture
def otter_jpeg(tmp_path, otter) -> Path:
    """The same as a JPEG file of quality 20, 4:2:0, with EXIF and a colour profile."""
    from PIL import ImageCms

    path = tmp_path / "otter.jpg"
    exif = Image.Exif()
    exif[0x010F] = "Camera maker"
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    Image.fromarray(otter).save(path, quality=20, exif=exif, icc_profile=profile)
    return path


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of test sets that ``MAGN_DATA`` names; without it a test skips, but not in CI."""
    folder = os.environ.get("MAGN_DATA")
    if folder is None:
        if os.environ.get("CI"):
            pytest.fail("MAGN_DATA is not set")
        pytest.skip("set MAGN_DATA to the folder that holds Set12, BSD68, Classic5, Kodak24 and McMaster18")
    return Path(folder)


@pytest.fixture(scope="session")
def object_store():
    """An S3 server on loopback; without the extras that it needs a test skips, but not in CI."""
    for name in ("moto", "s3fs"):
        if find_spec(name) is None and not os.environ.get("CI"):
            pytest.skip(f"{name} is not installed")
    from tests.support.object_store import ENVIRONMENT, ObjectStore

    store = ObjectStore()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {**ENVIRONMENT, "AWS_ENDPOINT_URL": store.url}.items():
            patch.setenv(name, value)
        patch.delenv("AWS_PROFILE", raising=False)
        yield store
    store.close()


@pytest.fixture
def bucket(object_store):
    """A bucket of this test."""
    from magn_cli.files.remote import drives
    from tests.support.object_store import Bucket

    # A host that has answered an earlier test would be given more time than one that never did.
    drives.drive_of.cache_clear()
    object_store.fault = lambda method, path: None
    yield Bucket(object_store)
    object_store.fault = lambda method, path: None


@pytest.fixture
def hurry(monkeypatch):
    """Give stores up after half a second, however they have answered before."""
    from magn_cli.files.remote import retrying

    monkeypatch.setattr(retrying, "PATIENCE", 0.5)
    monkeypatch.setattr(retrying, "FIRST_PATIENCE", 0.5)
    monkeypatch.setattr(retrying, "FIRST_DELAY", 0.05)


@pytest.fixture
def set_threads():
    """Set how many threads torch takes; the test's end sets it back."""
    import torch

    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)
