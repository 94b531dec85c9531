"""Compare mean-masked attention with plain attention and with the direct form, over the number of nodes.

    python benchmarks/attention.py

Graphs have 4 heads of 16 channels; all forms use the same tensors in one run. ``400x8`` means 400 nodes and 8
graphs at once. Plain attention is ``torch.nn.functional.scaled_dot_product_attention`` without a mask. The direct
form computes eq. 5-8 with all N x N matrices, and is omitted if these would not fit. Extra memory is the increase
of the peak memory in a separate process.
"""

import json
import sys
from collections.abc import Callable

import measuring
import torch
import torch.nn.functional as F

from magn_cli.model.attention import mean_masked_attention, mean_masked_attention_reference

HEADS, WIDTH = 4, 16
DIRECT_UP_TO = 4096


def tensors(nodes: int, graphs: int, device: torch.device, dtype: torch.dtype) -> list[torch.Tensor]:
    torch.manual_seed(0)
    query, key, value = (torch.randn(graphs * HEADS, nodes, WIDTH, device=device) for _ in range(3))
    return [query * 0.8, key * 0.8, value.to(dtype)]


def parsed(size: str) -> tuple[int, int]:
    """Return the numbers of nodes and graphs."""
    nodes, _, graphs = size.partition("x")
    return int(nodes), int(graphs or 1)


def plain(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
    query, key = query.to(value.dtype), key.to(value.dtype)
    return F.scaled_dot_product_attention(query[None], key[None], value[None], scale=1.0)[0]


Form = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]


def once(form: Form, inputs: list[torch.Tensor]) -> Callable[[], object]:
    """Run the forward pass."""
    return lambda: form(*inputs)


def both_ways(form: Form, inputs: list[torch.Tensor]) -> Callable[[], object]:
    """Run the forward and backward passes."""

    def run() -> None:
        leaves = [t.detach().requires_grad_() for t in inputs]
        form(*leaves).sum().backward()

    return run


def alone(size: str) -> None:
    inputs = tensors(*parsed(size), torch.device("cpu"), torch.float32)
    mean_masked_attention(*(t[:, :64] for t in inputs))
    before = measuring.peak_bytes()
    with torch.inference_mode():
        mean_masked_attention(*inputs)
    print(json.dumps({"extra": measuring.peak_bytes() - before}))


def main() -> None:
    if "--alone" in sys.argv:
        return alone(sys.argv[-1])
    parser = measuring.options(__doc__)
    parser.add_argument("--nodes", nargs="*", default=["400", "400x8", "1024", "4096", "16384"])
    parser.add_argument("--dtype", default="float32", help="type of the values: float32 or bfloat16")
    given = parser.parse_args()
    device, rows = measuring.prepare(given), []
    for size in given.nodes:
        nodes, graphs = parsed(size)
        inputs = tensors(nodes, graphs, device, getattr(torch, given.dtype))
        forms: dict[str, Form] = {"plain": plain, "ours": mean_masked_attention}
        if nodes <= DIRECT_UP_TO:
            forms["direct"] = mean_masked_attention_reference
        with torch.inference_mode():
            calls = {name: once(form, inputs) for name, form in forms.items()}
            seconds = measuring.median_seconds(calls, given.repeat, device)
        backward = {name: both_ways(form, inputs) for name, form in forms.items()}
        both = measuring.median_seconds(backward, given.repeat, device)
        row = {"nodes": size}
        for name, found in (("forward", seconds), ("with backward", both)):
            row[f"{name}: plain, ms"] = found["plain"] * 1e3
            row[f"{name}: ours / plain"] = found["ours"] / found["plain"]
            if "direct" in found:
                row[f"{name}: direct / plain"] = found["direct"] / found["plain"]
        if device.type == "cpu":
            row["extra memory, MB"] = measuring.in_own_process(__file__, size)["extra"] / 1e6
        rows.append(row)
    columns = list(dict.fromkeys(column for row in rows for column in row))
    measuring.show(given, device, columns, rows)
    return None


if __name__ == "__main__":
    main()
