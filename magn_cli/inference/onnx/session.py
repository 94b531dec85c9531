"""Runs networks in ONNX Runtime, on the CPU and within bounds of memory."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import psutil
from numpy.typing import NDArray

if TYPE_CHECKING:
    import onnxruntime

SHARE_OF_FREE = 0.8
"""Share of the free memory that networks may use."""

MIN_BOUND = 512 << 20
"""Smallest bound, as little memory may look free where much can be freed."""

NO_MEMORY = "not enough memory"

FATAL = 4
"""ONNX Runtime's level for messages that it prints itself."""


class OnnxError(Exception):
    """ONNX Runtime cannot load or run a network; the text is short enough for a sentence."""

    @property
    def is_memory(self) -> bool:
        """Whether memory ran out."""
        return str(self) == NO_MEMORY


class Session:
    """A network that ONNX Runtime has loaded.

    It loads no libraries with operators, and reads no other files.
    """

    def __init__(self, data: bytes, threads: int | None = None) -> None:
        """Load a network.

        Args:
            data: the network as ONNX, with all its weights.
            threads: CPU threads; None for all cores.

        Raises:
            OnnxError: it cannot be loaded.
        """
        import onnxruntime

        onnxruntime.set_default_logger_severity(FATAL)
        _bound_memory()
        options = onnxruntime.SessionOptions()
        options.log_severity_level = FATAL
        options.intra_op_num_threads = threads or 0
        options.add_session_config_entry("session.use_env_allocators", "1")
        # Never taken for ONNX Runtime's own format, which has not been checked.
        options.add_session_config_entry("session.load_model_format", "ONNX")
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            # Constants are not computed when it is loaded: that has no bound.
            self._session: onnxruntime.InferenceSession = onnxruntime.InferenceSession(
                data, options, providers=["CPUExecutionProvider"], disabled_optimizers=["ConstantFolding"]
            )
        except Exception as error:
            raise OnnxError(_reason(error)) from error
        self.inputs = self._session.get_inputs()
        """Each with ``name``, ``type`` and ``shape``; free sides are names or None."""
        self.outputs = self._session.get_outputs()

    def run(self, output: str, feed: Mapping[str, NDArray[Any]]) -> NDArray[Any]:
        """Compute one output. Raises :class:`OnnxError`."""
        import onnxruntime

        options = onnxruntime.RunOptions()
        options.log_severity_level = FATAL
        try:
            return np.asarray(self._session.run([output], dict(feed), options)[0])
        except Exception as error:
            raise OnnxError(_reason(error)) from error


@cache
def _bound_memory() -> None:
    """Bound the memory of all networks in this process."""
    import onnxruntime

    most = max(int(SHARE_OF_FREE * psutil.virtual_memory().available), MIN_BOUND)
    kind = onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR
    place = onnxruntime.OrtMemoryInfo("Cpu", kind, 0, onnxruntime.OrtMemType.DEFAULT)
    # It extends by what is asked for, instead of doubling.
    arena = onnxruntime.OrtArenaCfg({"max_mem": most, "arena_extend_strategy": 1})
    onnxruntime.create_and_register_allocator(place, arena)


def _reason(error: Exception) -> str:
    """Return the end of ONNX Runtime's message, which says what is wrong."""
    words = " ".join(str(error).split()).rstrip(".")
    if "smaller than requested bytes" in words or "Failed to allocate memory" in words:
        return NO_MEMORY
    for start in ("Status Message: ", "FAIL : ", "INVALID_ARGUMENT : ", "INVALID_GRAPH : ", "NOT_IMPLEMENTED : "):
        words = words.rpartition(start)[2] or words
    return words if len(words) <= 160 else f"{words[:157]}..."
