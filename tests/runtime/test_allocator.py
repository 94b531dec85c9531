"""The allocator keeps freed memory for the next tensor."""

import platform
import subprocess
import sys

import pytest

FAULTS = """
import resource, sys
import numpy as np
from magn_cli.runtime.allocator import keep_freed_memory
if sys.argv[1] == "keep":
    keep_freed_memory()
def use():
    return np.ones(8 << 20, np.uint8), np.ones(8 << 20, np.uint8)
use()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    use()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="this is about glibc")
def test_memory_is_not_cleared_again_for_each_tensor():
    faults = {
        how: int(subprocess.run([sys.executable, "-c", FAULTS, how], capture_output=True, text=True).stdout)
        for how in ("keep", "as it comes")
    }
    assert faults["keep"] < 0.2 * faults["as it comes"]


RETURNED = """
import numpy as np, psutil
from magn_cli.runtime.allocator import keep_freed_memory, return_freed_memory
keep_freed_memory()
blocks = [np.ones(1 << 20, np.uint8) for _ in range(200)]
last = np.ones(1 << 20, np.uint8)
del blocks
held = psutil.Process().memory_info().rss
return_freed_memory()
print(held - psutil.Process().memory_info().rss)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="this is about glibc")
def test_freed_memory_goes_back_to_the_system():
    returned = subprocess.run([sys.executable, "-c", RETURNED], capture_output=True, text=True, check=True).stdout
    assert int(returned) > 150 << 20
