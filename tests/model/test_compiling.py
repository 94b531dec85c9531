"""``torch.compile`` leaves the kernel in blocks alone: unrolled, it would be thousands of operations."""

import torch

from magn_cli.model.kernels.blocked import blocked_attention


def test_the_kernel_stays_out_of_compiled_graphs():
    graphs = []

    def backend(module, inputs):
        graphs.append([str(node.target) for node in module.graph.nodes if node.op.startswith("call")])
        return module.forward

    def attend(query, key, value, cutoff):
        return blocked_attention(2 * query, key, value, cutoff, 10.0).cos()

    torch.manual_seed(0)
    inputs = *(torch.randn(2, 9, 4) / 4 for _ in range(3)), torch.zeros(2, 9, 1)
    torch.testing.assert_close(torch.compile(attend, backend=backend)(*inputs), attend(*inputs))
    names = " ".join(name for graph in graphs for name in graph)
    assert "mul" in names and "cos" in names
    assert "bmm" not in names and "threshold" not in names
