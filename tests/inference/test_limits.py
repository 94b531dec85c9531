"""Limits of memory, size and time, tested in separate processes as a user would see them."""

import os
import signal
import subprocess
import sys
import threading

import numpy as np
import pytest
from PIL import Image

from magn_cli.api.loading import load_photo_restorer
from magn_cli.images import limits
from tests.support.commands import magn, refused

LITTLE_MEMORY = """
import logging, resource, sys
import numpy as np
import torch
from magn_cli.api.loading import load_photo_restorer

torch.set_num_threads(1)
logging.basicConfig(level=logging.INFO)
x = np.random.default_rng(0).integers(0, 255, (1400, 1400, 3), np.uint8)
restorer = load_photo_restorer("jpeg", precision="fp32", tile=1344).tiled
restorer.restore(x[:64, :64], 0.5)
held = next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmSize"))
limit = held * 1024 + int(sys.argv[1]) * 10**6
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
np.save(sys.argv[2], restorer.restore(x, 0.5)[::7, ::7])
"""


NO_MEMORY_FOR_CODE = """
import logging, resource
import numpy as np
import torch
from magn_cli.api.loading import load_photo_restorer
from magn_cli.runtime.allocator import keep_freed_memory

torch.set_num_threads(1)
logging.basicConfig(level=logging.INFO)
keep_freed_memory()
x = np.random.default_rng(0).integers(0, 255, (40, 40, 3), np.uint8)
network = load_photo_restorer("jpeg", precision="fp32").tiled
network.restore(x, 0.5)
freed = torch.ones(7 << 20), torch.ones(1)
del freed
held = next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmSize"))
resource.setrlimit(resource.RLIMIT_AS, (held * 1024 + 100_000,) * 2)
for width in (24, 16, 32):
    assert network.restore(x[:, :width], 0.5).shape == (40, width, 3)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="limits the address space as Linux does")
def test_convolutions_that_find_no_memory_for_their_code_go_on_without_it():
    done = subprocess.run([sys.executable, "-c", NO_MEMORY_FOR_CODE], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "continuing without it" in done.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="limits the address space as Linux does")
def test_a_process_that_gets_no_more_memory_goes_on_in_smaller_pieces(tmp_path):
    words = [sys.executable, "-c", LITTLE_MEMORY, "300", str(tmp_path / "out.npy")]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "not enough memory" in done.stderr
    x = np.random.default_rng(0).integers(0, 255, (1400, 1400, 3), np.uint8)
    whole = load_photo_restorer("jpeg", precision="fp32").tiled.restore(x, 0.5)
    # Without oneDNN, sums have another order, and a neighbour close to the mean similarity can drop out.
    np.testing.assert_allclose(np.load(tmp_path / "out.npy"), whole[::7, ::7], atol=1e-3)


def test_large_pictures_are_refused_unless_allowed(otter_jpeg, tmp_path, monkeypatch):
    monkeypatch.setattr(limits, "MAX_PIXELS", 10_000)
    words = ("restore", otter_jpeg, "--task", "jpeg", "--out", tmp_path / "out.png")
    refused(magn(*words), 1, otter_jpeg, "200 x 144 pixels", "10,000", "--max-pixels")
    assert not (tmp_path / "out.png").exists()
    assert magn(*words, "--max-pixels", 30_000).exit_code == 0
    refused(magn(*words, "--max-pixels", 28_799, "--overwrite"), 1, "28,799")


@pytest.mark.skipif(os.name == "nt", reason="sends a POSIX signal")
def test_ctrl_c_stops_in_the_middle_of_a_picture(otter, tmp_path):
    large = tmp_path / "large.jpg"
    Image.fromarray(np.tile(otter, (20, 20, 1))).save(large, quality=30)
    words = ["restore", str(large), "--task", "jpeg", "--verbose", "--threads", "1"]
    process = subprocess.Popen(
        [sys.executable, "-m", "magn_cli", *words], stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    for line in process.stderr:
        if "--tile" in line:
            break
    threading.Event().wait(2)
    assert process.poll() is None, "it was over before it could be stopped"
    process.send_signal(signal.SIGINT)
    _, rest = process.communicate(timeout=30)
    assert process.returncode == 130 and "interrupted" in rest and "Traceback" not in rest
    assert [p.name for p in tmp_path.iterdir()] == ["large.jpg"]
