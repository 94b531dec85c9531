"""Common functions of the benchmarks: timing in turns, peak memory in a separate process, tables and JSON."""

from __future__ import annotations

import argparse
import json
import platform
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from magn_cli.runtime.allocator import keep_freed_memory
from magn_cli.runtime.device import choose_device
from magn_cli.runtime.precision import compute_exactly, has_bf16


def options(description: str | None) -> argparse.ArgumentParser:
    """Create a parser with the options of all benchmarks."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu", help="cpu, cuda or mps")
    parser.add_argument("--threads", type=int, help="CPU threads (default: all cores)")
    parser.add_argument(
        "--clock", choices=["wall", "cpu"], default="wall", help="cpu: time of all threads, for a busy machine"
    )
    parser.add_argument("--repeat", type=int, default=5, help="number of rounds, of which the median is printed")
    parser.add_argument("--json", type=Path, help="also write the rows to this file")
    return parser


def prepare(given: argparse.Namespace) -> torch.device:
    if given.threads:
        torch.set_num_threads(given.threads)
    keep_freed_memory()  # as the commands do
    device = choose_device(given.device)
    if device.type == "cuda":
        compute_exactly()
    return device


def median_seconds(
    runs: dict[str, Callable[[], object]], repeat: int, device: torch.device, clock: str = "wall"
) -> dict[str, float]:
    """Return the median time of each function, measured in turns so that slow minutes affect all of them."""
    now = {"wall": time.perf_counter, "cpu": time.process_time}[clock]
    for run in runs.values():
        run()
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(repeat):
        for name, run in runs.items():
            _wait(device)
            began = now()
            run()
            _wait(device)
            seconds[name].append(now() - began)
    return {name: statistics.median(values) for name, values in seconds.items()}


@contextmanager
def busy(number: int) -> Iterator[None]:
    """Let so many processes compute meanwhile, each a loop in Python that wants one core."""
    processes = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(number)]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def peak_bytes() -> int:
    """Return the peak memory of this process in bytes."""
    # On Linux, a child inherits the figure of getrusage from its parent, but not this one.
    status = Path("/proc/self/status")
    if status.exists():
        lines = status.read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def in_own_process(script: str, *words: str) -> dict[str, Any]:
    """Run the ``--alone`` part of a benchmark in a new process to measure its peak memory."""
    done = subprocess.run([sys.executable, script, "--alone", *words], capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr)
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def machine(device: torch.device) -> dict[str, Any]:
    about = {
        "commit": _commit(),
        "processor": _processor() if device.type == "cpu" else torch.cuda.get_device_name(device),
        "threads": torch.get_num_threads(),
        "native_bf16": has_bf16(device),
        "torch": torch.__version__,
        "python": platform.python_version(),
    }
    return about


def _commit() -> str:
    line = ["git", "describe", "--always", "--dirty"]
    done = subprocess.run(line, capture_output=True, text=True, check=False, cwd=Path(__file__).parent)
    return done.stdout.strip() or "unknown"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")


def show(
    given: argparse.Namespace, device: torch.device, columns: Sequence[str], rows: list[dict[str, Any]]
) -> None:
    """Print a Markdown table, and write JSON if requested."""
    about = machine(device)
    print(", ".join(f"{name} {value}" for name, value in about.items()) + "\n")
    print(f"| {' | '.join(columns)} |\n|{'---|' * len(columns)}")
    for row in rows:
        print(f"| {' | '.join(_cell(row.get(column)) for column in columns)} |")
    if given.json:
        given.json.write_text(json.dumps({"machine": about, "rows": rows}, indent=1) + "\n")


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.3g}" if isinstance(value, float) else str(value)
