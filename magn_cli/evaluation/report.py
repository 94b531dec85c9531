"""What an evaluation found, as plain values, CSV lines and Markdown."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

from magn_cli.evaluation.benchmarks import OURS, Benchmark, Cell
from magn_cli.evaluation.run import Protocol, Row, is_rounded, mean, ssim_name
from magn_cli.files import printable
from magn_cli.tasks import Task
from magn_cli.version import __version__

SCHEMA = 1


@dataclass(frozen=True)
class MethodResult:
    """One method on one set at one level."""

    dataset: str
    task: Task
    level: float | None
    method: str
    protocol: Protocol
    level_input: str
    """Whether the network was told the level: ``given``, ``unknown``; ``-`` for a baseline."""

    rows: list[Row]
    failures: list[str] = field(default_factory=list)
    benchmark: Benchmark | None = None

    @property
    def mean(self) -> Row:
        """The mean over the pictures."""
        return mean(self.rows)

    @property
    def ssim(self) -> float:
        """The mean SSIM that the protocol means."""
        return float(getattr(self.mean, ssim_name(self.task, self.protocol)))

    def printed(self) -> dict[str, Cell | None]:
        """What the paper prints for this set and level: input, best other method, MAGN."""
        if self.benchmark is None or (self.protocol != "paper" and self.benchmark.pairs is None):
            return {"input": None, "best_other": None, "magn": None}
        return {
            "input": self.benchmark.cell(self.task.paper.input_name if self.task.paper else "", self.level),
            "best_other": self.benchmark.best_other(self.level),
            "magn": self.benchmark.cell(OURS, self.level),
        }

    def against(self) -> Cell | None:
        """The printed cell that this result is to be compared with: the input's for the input, else MAGN's."""
        return self.printed()["input" if self.method == "input" else "magn"]


COLUMNS = ("set", "level", "method", "PSNR", "SSIM", "PSNR-B", "paper", "best other", "difference", "MP/s")


def cells(result: MethodResult) -> list[str]:
    """Return the columns of one line for people."""
    whole, paper, other = result.mean, result.against(), result.printed()["best_other"]
    speed = whole.megapixels / whole.seconds if whole.seconds > 0 and result.method != "input" else math.nan
    return [
        printable(f"{result.dataset} ({len(result.rows)})"),
        _level(result),
        printable(result.method) + {"unknown": ", level unknown"}.get(result.level_input, ""),
        f"{whole.psnr:.2f}",
        f"{result.ssim:.4f}",
        "" if whole.psnr_b is None else f"{whole.psnr_b:.2f}",
        "" if paper is None else str(paper),
        "" if other is None or result.method == "input" else str(other),
        "" if paper is None else f"{round(whole.psnr, 2) - paper.psnr:+.2f}",
        "" if math.isnan(speed) else f"{speed:.2f}",
    ]


def title(protocol: Protocol, task: Task) -> str:
    """Return the sentence that names the protocol beside every number."""
    window = {"ssim_uniform": "uniform 8x8 window", "ssim_gaussian": "Gaussian 11x11 window"}
    rounded = "rounded to 8 bit" if is_rounded(task, protocol) else "not rounded"
    return f"protocol {protocol}: {task.name}, {rounded}, SSIM with a {window[ssim_name(task, protocol)]}"


def as_document(results: list[MethodResult]) -> dict[str, Any]:
    """Return everything as plain values for JSON (``docs/eval-json.md``)."""
    return {"schema": SCHEMA, "magn": __version__, "results": [_as_values(result) for result in results]}


def as_csv(results: list[MethodResult]) -> Iterator[list[str]]:
    """Return a header and one line a picture."""
    names = ["psnr", "ssim_uniform", "ssim_gaussian", "psnr_b", "seconds", "megapixels"]
    yield ["set", "task", "level", "method", "told", "protocol", "picture", *names]
    for result in results:
        for row in result.rows:
            values = [getattr(row, name) for name in names]
            plain = ["" if value is None else repr(value) for value in values]
            own = [
                _csv_text(result.dataset),
                result.task.name,
                _level(result),
                _csv_text(result.method),
                result.level_input,
                result.protocol,
            ]
            yield [*own, _csv_text(row.name), *plain]


def as_markdown(results: list[MethodResult]) -> str:
    """Return one table a protocol and task, each under the sentence that names it."""
    lines: list[str] = []
    for heading in dict.fromkeys(title(r.protocol, r.task) for r in results):
        lines += [heading, "", f"| {' | '.join(COLUMNS)} |", "|" + "---|" * len(COLUMNS)]
        own = [r for r in results if title(r.protocol, r.task) == heading]
        lines += [f"| {' | '.join(map(escape_markdown, cells(r)))} |" for r in own]
        lines += [""]
    return "\n".join(lines)


def escape_markdown(text: str) -> str:
    r"""Return text that Markdown shows as it is.

    >>> print(escape_markdown("a|b *c* <img>"))
    a\|b \*c\* \<img\>
    """
    return re.sub(r"([\\`*_{}\[\]<>|#~$&])", r"\\\1", printable(text))


def _csv_text(text: str) -> str:
    """Return a name that no spreadsheet takes for a formula."""
    shown = printable(text)
    return f"'{shown}" if shown.lstrip().startswith(("=", "+", "-", "@", "|", "%")) else shown


def _as_values(result: MethodResult) -> dict[str, Any]:
    whole = asdict(result.mean)
    whole.pop("name")
    pictures = [{k: _plain(v) for k, v in asdict(row).items() if k != "level"} for row in result.rows]
    return {
        "set": result.dataset,
        "task": result.task.name,
        "method": result.method,
        "told": result.level_input,
        "protocol": result.protocol,
        "ssim_window": ssim_name(result.task, result.protocol).removeprefix("ssim_"),
        "ssim": _plain(result.ssim),
        **{key: _plain(value) for key, value in whole.items()},
        "paper": {key: asdict(cell) if cell else None for key, cell in result.printed().items()},
        "pictures": pictures,
        "failures": result.failures,
    }


def _plain(value: Any) -> Any:
    # JSON knows neither infinity (equal pictures) nor NaN (a picture smaller than the window).
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _level(result: MethodResult) -> str:
    return result.task.level_text(result.level)
