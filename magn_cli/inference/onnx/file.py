"""Reads ONNX files that somebody else may have made."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from magn_cli.errors import WeightsError
from magn_cli.files import NotOrdinaryError, structured

if TYPE_CHECKING:
    import onnx

MAX_BYTES = 1 << 30
"""Maximum size of a file."""

MAX_NODES = 200_000
"""Maximum number of operators, those in loops, branches and functions included."""

MAX_METADATA = 1 << 20
"""Maximum number of characters of the metadata."""

DOMAINS = {"", "ai.onnx", "ai.onnx.ml", "com.microsoft"}
"""Sets of operators that ONNX Runtime has itself."""

FORBIDDEN = {"EPContext"}
"""Operators that load other files."""


@dataclass(frozen=True)
class OnnxFile:
    """A file that has been checked."""

    path: Path
    data: bytes
    """The network, written again from what was checked."""

    sha256: str
    """Of the file."""

    metadata: dict[str, str]


def read(path: Path) -> OnnxFile:
    """Read a file and check it.

    Raises:
        WeightsError: it cannot be read, is no ONNX file, is too large, keeps weights in other files or as sparse
            tensors, or has operators that ONNX's own sets do not contain.
    """
    import onnx
    from google.protobuf.message import DecodeError

    try:
        found = structured.read_bytes(path, MAX_BYTES)
    except FileNotFoundError:
        raise WeightsError(f"the ONNX file {path} does not exist; check the path.") from None
    except (OSError, NotOrdinaryError, MemoryError) as error:
        reason = getattr(error, "strerror", None) or str(error) or "not enough memory"
        raise WeightsError(f"{path} cannot be read ({reason}); give an ONNX file.") from error
    except ValueError as error:
        raise WeightsError(f"{path} is too large: at most {MAX_BYTES >> 20:,} MB are read.") from error
    try:
        model = onnx.load_model_from_string(found)
    except (DecodeError, ValueError) as error:
        raise WeightsError(f"{path} is no ONNX file; give a network that was exported as ONNX.") from error
    if not model.graph.node or not model.opset_import:
        raise WeightsError(f"{path} is no ONNX file; give a network that was exported as ONNX.")
    _check(path, model)
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    if sum(len(key) + len(value) for key, value in metadata.items()) > MAX_METADATA:
        raise WeightsError(f"the metadata of {path} are larger than {MAX_METADATA:,} characters; remove them.")
    return OnnxFile(path, model.SerializeToString(), hashlib.sha256(found).hexdigest(), metadata)


def _check(path: Path, model: onnx.ModelProto) -> None:
    own = {(function.domain, function.name) for function in model.functions}
    count = 0
    for part in _parts(model):
        kind = part.DESCRIPTOR.name
        if kind == "TensorProto" and (part.external_data or part.data_location == part.EXTERNAL):
            raise WeightsError(
                f"{path} keeps weights in other files, which magn does not read; save it as a single file, "
                "in torch.onnx.export with external_data=False."
            )
        if kind == "SparseTensorProto":
            # A few bytes of it could fill any memory.
            raise WeightsError(f"{path} has sparse weights, which magn does not read; save them as plain ones.")
        if kind != "NodeProto":
            continue
        count += 1
        if count > MAX_NODES:
            raise WeightsError(f"{path} has more than {MAX_NODES:,} operators; give a smaller network.")
        known = part.domain in DOMAINS and part.op_type not in FORBIDDEN
        if not known and (part.domain, part.op_type) not in own:
            raise WeightsError(
                f"{path} needs the operator {part.domain}.{part.op_type}, whose code magn does not load; "
                "export it with ONNX's own operators."
            )


def _parts(model: onnx.ModelProto) -> Iterator[Any]:
    """Yield all nodes and tensors, those in loops, branches and functions included."""
    waiting: list[Any] = [model.graph, *model.functions, *(info.algorithm for info in model.training_info)]
    waiting += [info.initialization for info in model.training_info]
    while waiting:
        part = waiting.pop()
        kind = part.DESCRIPTOR.name
        if kind == "GraphProto":
            yield from (*part.initializer, *part.sparse_initializer)
            waiting += part.node
        elif kind == "FunctionProto":
            waiting += part.node
            waiting += part.attribute_proto
        elif kind == "NodeProto":
            yield part
            waiting += part.attribute
        elif kind == "AttributeProto":
            yield from (part.t, *part.tensors, *part.sparse_tensors)
            if part.HasField("sparse_tensor"):
                yield part.sparse_tensor
            waiting += [*([part.g] if part.HasField("g") else []), *part.graphs]
