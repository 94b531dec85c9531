"""Small pictures are restored in one thread, unless the user gives a number."""

import numpy as np
import pytest
import torch

from magn_cli.inference.tiled_network import TiledNetwork
from magn_cli.model import Magn, MagnConfig

CONFIG = MagnConfig(features=8, graph_features=8, heads=2, blocks_before=1, blocks_after=1, graph_blocks=1)


@pytest.fixture
def two_threads(set_threads):
    set_threads(2)


@pytest.mark.parametrize(
    "side, given, used", [(128, None, 1), (129, None, 2), (24, 2, 2)], ids=["small", "larger", "as given"]
)
def test_small_pictures_use_one_thread(side, given, used, two_threads):
    network, seen = TiledNetwork(Magn(CONFIG), threads=given), []
    network.restore(np.zeros((side, side, 3), np.float32), progress=lambda _: seen.append(torch.get_num_threads()))
    assert set(seen) == {used}
    assert torch.get_num_threads() == 2


def test_the_number_of_threads_comes_back_after_an_error(two_threads):
    def stop(_):
        raise KeyboardInterrupt

    network = TiledNetwork(Magn(CONFIG))
    with pytest.raises(KeyboardInterrupt):
        network.restore(np.zeros((24, 24, 3), np.float32), progress=stop)
    assert torch.get_num_threads() == 2
