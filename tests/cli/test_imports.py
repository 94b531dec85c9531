"""What is imported before it is needed: seen by the modules, not by the clock."""

import subprocess
import sys

import pytest

IMPORTED = """
import sys
sys.argv = ["magn", *sys.argv[1:]]
from magn_cli.cli import main
try:
    main()
finally:
    slow = "torch torch._dynamo torch._inductor sympy matplotlib jinja2 huggingface_hub onnx onnxruntime"
    slow += " fsspec s3fs botocore aiohttp paramiko sqlite3"
    slow += " ray pyarrow pandas"
    for name in slow.split():
        print("imported" if name in sys.modules else "not imported", name, file=sys.stderr)
"""


def run(*words, **options):
    line = [sys.executable, "-c", IMPORTED, *map(str, words)]
    return subprocess.run(line, capture_output=True, text=True, check=False, **options)


WITHOUT_TORCH = [
    (0, "--version"),
    (0, "restore", "--help"),
    (1, "restore", "missing.jpg"),
    (1, "restore", "missing/"),
    (1, "restore", "otter.jpg", "--out", "none/clean.png"),
    (2, "restore", "otter.jpg", "--out", "otter.jpg"),
    (2, "restore", "otter.jpg", "--out", "there.png"),
    (2, "restore", "otter.jpg", "--task", "dehaze"),
    (2, "restore", "otter.jpg", "--preset", "huge"),
    (2, "restore", "otter.jpg", "--device", "tpu"),
    (2, "restore", "otter.jpg", "--device", "cuda:x"),
    (2, "restore", "otter.jpg", "--precision", "int4"),
    (2, "restore", "otter.jpg", "--tile", "big"),
    (2, "restore", "otter.jpg", "--tile", "1"),
    (2, "restore", "otter.jpg", "--threads", "0"),
    (2, "restore", "otter.jpg", "--task", "jpeg", "--level", "4"),
    (2, "restore", "otter.jpg", "--level", "20"),
    (2, "restore", "otter.jpg", "--strength", "2"),
    (2, "restore", "otter.jpg", "--quality", "0"),
    (2, "restore", "otter.jpg", "--format", "gif"),
    (2, "restore", "otter.jpg", "--cluster", "ray://head:10001"),
    (0, "restore", "otter.jpg", "--cluster", "head:6379", "--dry-run"),
    (3, "restore", "otter.jpg", "--task", "jpeg", "--weights", "missing.safetensors"),
    (3, "restore", "otter.jpg", "--task", "jpeg", "--weights", "otter.jpg"),
    (3, "restore", "otter.jpg", "--task", "denoise", "--preset", "magn"),
    (0, "restore", "otter.jpg", "--dry-run"),
    (1, "graph", "missing.jpg", "--out", "graph.html"),
    (2, "graph", "otter.jpg", "--out", "graph.gif"),
    (2, "graph", "otter.jpg", "--at", "200,0", "--out", "graph.html"),
    (2, "graph", "otter.jpg", "--block", "2", "--out", "graph.html"),
    (2, "graph", "otter.jpg", "--head", "5", "--out", "graph.png"),
    (0, "inspect", "otter.jpg"),
    (0, "inspect", ".", "--json", "-"),
    (1, "inspect", "missing.jpg"),
    (2, "inspect", "otter.jpg", "--sort", "colour"),
    (0, "compare", "otter.jpg", "otter.jpg", "--reference", "B"),
    (0, "weights", "list"),
    (1, "degrade", "missing/", "--task", "jpeg", "--level", "10", "--out", "set/"),
    (1, "eval", "missing/", "--task", "jpeg", "--level", "10"),
    (0, "export", "--help"),
    (2, "export"),
    (2, "export", "--task", "denoise", "--out", "there.png"),
    (2, "export", "--task", "denoise", "--level", "100"),
]


@pytest.mark.parametrize("code, words", [(code, words) for code, *words in WITHOUT_TORCH], ids=str)
def test_torch_is_not_imported(code, words, otter_jpeg):
    if "there.png" in words:
        (otter_jpeg.parent / "there.png").write_bytes(b"mine")
    done = run(*words, cwd=otter_jpeg.parent)
    assert done.returncode == code, done.stderr
    assert "not imported torch\n" in done.stderr, done.stderr
    assert "not imported ray\n" in done.stderr, done.stderr


def test_a_plain_restore_imports_no_compiler(otter_jpeg):
    done = run("restore", otter_jpeg)
    assert done.returncode == 0, done.stderr
    assert "\nimported torch\n" in done.stderr
    others = (
        "torch._dynamo",
        "torch._inductor",
        "sympy",
        "matplotlib",
        "jinja2",
        "huggingface_hub",
        "onnxruntime",
        "s3fs",
        "botocore",
        "paramiko",
        "sqlite3",
        "ray",
        "pyarrow",
        "pandas",
    )
    assert all(f"not imported {name}\n" in done.stderr for name in others), done.stderr


def test_the_package_and_reading_import_no_torch(otter_jpeg):
    code = (
        "import sys, magn_cli; assert 'numpy' not in sys.modules; magn_cli.read(sys.argv[1]); magn_cli.TASKS\n"
        "try:\n    magn_cli.restore('missing.jpg')\nexcept magn_cli.MagnError:\n    pass\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code, str(otter_jpeg)], check=True)
