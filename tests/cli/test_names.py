"""Names of files that nobody would choose: shown on one line everywhere, and none is lost or does anything."""

import csv
import html
import json
import os
import shutil
import subprocess
import sys

import pytest

from magn_cli.files import printable
from tests.support.folders import picture
from tests.support.paths import ROOT

pytestmark = pytest.mark.skipif(os.name == "nt", reason="names as POSIX has them")

NAMES = [
    b"Caf\xe9.png",
    b"a\nmagn: all is well.png",
    b"\x1b[31mred\x1b[0m.png",
    b"[bold]markup[red] [link=x]y.png",
    b"$\\frac{1}{$ $x_1$.png",
    b"=cmd|calc!A1.png",
    b"+1 & @x.png",
    b"|a|`b`*c*_d_[e](f)<img src=x onerror=alert(1)>.png",
    "\u202egpj.exe \u2028\u0085 \u65e5\u672c.png".encode(),
    b"\x7f\x9b31m.png",
]


@pytest.fixture
def photos(tmp_path, otter):
    from PIL import Image

    folder = tmp_path / os.fsdecode(b"set $a_b$ \xe9 [red] =1")
    folder.mkdir()
    Image.fromarray(otter[:48, :48]).save(tmp_path / "x.png")
    for name in NAMES:
        shutil.copy(tmp_path / "x.png", folder / os.fsdecode(name))
    return folder


def run(*words, encoding="utf-8", **options):
    environment = {
        **os.environ,
        "PYTHONIOENCODING": encoding,
        "PYTHONPATH": str(ROOT),
        "PYTHONWARNINGS": "error::ResourceWarning",
    }
    return subprocess.run(
        [sys.executable, "-m", "magn_cli", *words], capture_output=True, env=environment, timeout=300, **options
    )


def check_shown(data):
    """Nothing that commands a terminal, no line that is not magn's, no byte that is no text."""
    text = data.decode("utf-8", "strict") if data.isascii() else data.decode("utf-8", "replace")
    assert all(character.isprintable() or character in "\n \u3000" for character in text), ascii(text)
    assert not any(line.startswith("magn: all is well") for line in text.splitlines())
    assert "Traceback" not in text and "unexpected" not in text


@pytest.mark.parametrize("encoding", ["utf-8", "cp1252", "ascii"])
def test_restore(photos, tmp_path, encoding):
    out = tmp_path / "out"
    done = run("restore", photos, "-o", out, "-t", "jpeg", "--log-json", "-v", encoding=encoding)
    assert done.returncode == 0, done.stderr
    check_shown(done.stderr.decode(encoding).encode())
    events = [json.loads(line) for line in done.stdout.splitlines()]
    sources = {os.fsencode(os.path.basename(event["source"])) for event in events if event["event"] == "done"}  # noqa: PTH119
    assert sources == set(NAMES)
    assert {os.fsencode(path.name) for path in out.iterdir() if path.suffix == ".png"} == set(NAMES)


@pytest.mark.parametrize("encoding", ["utf-8", "cp1252"])
def test_plans_failures_and_pages(photos, tmp_path, encoding):
    for path in photos.iterdir():
        path.write_bytes(b"no picture")
    picture(photos / "good.png", size=(64, 64))
    page = tmp_path / os.fsdecode(b"p\xe9ge.html")
    planned = run("restore", photos, "-o", tmp_path / "out", "--dry-run", encoding=encoding)
    check_shown(planned.stdout.decode(encoding).encode())
    assert planned.returncode == 0 and planned.stdout.count(b"\n") == len(NAMES) + 1
    failed = run("restore", photos, "-o", tmp_path / "out", "--compare", page, encoding=encoding)
    check_shown(failed.stderr.decode(encoding).encode())
    assert failed.returncode == 1 and b"Caf\\xe9.png" in failed.stderr and page.read_bytes().decode("utf-8")


@pytest.mark.parametrize("encoding", ["utf-8", "cp1252"])
def test_reports(photos, tmp_path, encoding):
    paths = {kind: tmp_path / f"r.{kind}" for kind in ("csv", "json", "md", "html")}
    words = [word for kind, path in paths.items() for word in (f"--{'markdown' if kind == 'md' else kind}", path)]
    done = run(
        "eval", photos, "-t", "jpeg", "-l", "10,20", "--baselines-only", *words, "--link-images", encoding=encoding
    )
    assert done.returncode == 0, done.stderr
    for said in (done.stdout, done.stderr):
        check_shown(said.decode(encoding).encode())
    shown = {printable(os.fsdecode(name)) for name in NAMES}
    document = json.loads(paths["json"].read_bytes())
    assert {os.fsencode(p["name"]) for r in document["results"] for p in r["pictures"]} == set(NAMES)
    rows = list(csv.DictReader(paths["csv"].read_text(encoding="utf-8").splitlines()))
    assert {row["picture"].removeprefix("'") for row in rows} == shown
    assert not any(row[key].startswith(tuple("=+-@")) for row in rows for key in ("picture", "set"))
    assert "set \\$a\\_b\\$ \\\\xe9 \\[red\\] =1" in paths["md"].read_text(encoding="utf-8")
    page = paths["html"].read_text(encoding="utf-8")
    assert all(html.escape(name) in page.replace("&#39;", "&#x27;").replace("&#34;", "&quot;") for name in shown)
    assert "<img src=x" not in page and "set $a_b$ \\xe9 [red] =1" in page


@pytest.mark.parametrize("encoding", ["utf-8", "cp1252", "ascii"])
def test_inspect(photos, encoding):
    (photos / "broken\n.png").write_bytes(b"no picture")
    table = run("inspect", photos, encoding=encoding)
    assert table.returncode == 1, table.stderr
    for said in (table.stdout, table.stderr):
        check_shown(said.decode(encoding).encode())
    assert b"Caf\\xe9.png" in table.stdout and table.stdout.count(b"\n") == len(NAMES) + 2
    document = json.loads(run("inspect", photos, "--json", "-", encoding=encoding).stdout)
    found = {os.fsencode(os.path.basename(one["path"])) for one in document["photos"] if one["error"] is None}  # noqa: PTH119
    assert found == set(NAMES)
    for name in NAMES:
        panel = run("inspect", photos / os.fsdecode(name), encoding=encoding)
        assert panel.returncode == 0
        check_shown(panel.stdout.decode(encoding).encode())


@pytest.mark.parametrize("encoding", ["utf-8", "cp1252"])
def test_compare(photos, tmp_path, encoding):
    page = tmp_path / os.fsdecode(b"p\xe9ge.html")
    done = run("compare", photos, photos, "--reference", "A", "-o", page, encoding=encoding)
    assert done.returncode == 0, done.stderr
    for said in (done.stdout, done.stderr):
        check_shown(said.decode(encoding).encode())
    assert "<img src=x" not in page.read_bytes().decode("utf-8")


def test_a_table_on_the_console(photos):
    done = run("eval", photos, "-t", "jpeg", "-l", "10", "--baselines-only", encoding="cp1252")
    assert done.returncode == 0 and b"set $a_b$ \\xe9 [red] =1 (10)" in done.stdout
    check_shown(done.stdout)


@pytest.mark.parametrize("kind", ["csv", "markdown", "html", "json"])
def test_a_report_to_a_console_of_another_encoding(photos, kind):
    done = run("eval", photos, "-t", "jpeg", "-l", "10", "--baselines-only", f"--{kind}", "-", encoding="cp1252")
    assert done.returncode == 0, done.stderr
    done.stdout.decode("utf-8")


def test_degrade_and_a_set(photos, tmp_path):
    made = run("degrade", photos, "-t", "jpeg", "-l", "10", "-o", tmp_path / "set")
    assert made.returncode == 0, made.stderr
    check_shown(made.stderr)
    measured = run(
        "eval",
        photos,
        "--degraded",
        tmp_path / "set",
        "-t",
        "jpeg",
        "--baselines-only",
        "--csv",
        tmp_path / "a.csv",
    )
    assert measured.returncode == 0, measured.stderr
    assert len((tmp_path / "a.csv").read_text(encoding="utf-8").splitlines()) == 1 + len(NAMES)


class TestReportsThatCannotBeWritten:
    def test_are_known_before_the_measuring(self, photos, tmp_path):
        (tmp_path / "folder").mkdir()
        for path in (tmp_path / ("x" * 300 + ".csv"), tmp_path / "folder", tmp_path / "missing/a.csv"):
            done = run("eval", photos, "-t", "jpeg", "-l", "10", "--baselines-only", "--csv", path, "--overwrite")
            assert done.returncode in (1, 2) and done.stderr.count(b"\n") == 1 and not done.stdout, done.stderr

    def test_lose_no_figures(self, photos, tmp_path, monkeypatch):
        from magn_cli.cli import console
        from magn_cli.files import atomic
        from tests.support.commands import magn

        written = atomic.write_bytes

        def full(path, data, **options):
            if path.suffix == ".csv":
                raise OSError(28, "No space left on device")
            written(path, data, **options)

        monkeypatch.setattr(console.atomic, "write_bytes", full)
        words = ["eval", photos, "-t", "jpeg", "-l", "10", "--baselines-only", "--quiet"]
        result = magn(*words, "--csv", tmp_path / "a.csv", "--json", tmp_path / "a.json")
        assert result.exit_code == 1 and "No space left" in result.stderr
        assert "PSNR" in result.stdout and json.loads((tmp_path / "a.json").read_bytes())["results"]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="a device of Linux")  # noqa: PTH110
@pytest.mark.parametrize(
    "words",
    [
        ["--version"],
        ["--help"],
        ["weights", "list"],
        ["restore", "x.png", "--log-json"],
        ["restore", "x.png", "--dry-run"],
        ["inspect", "x.png"],
        ["inspect", "x.png", "--json", "-"],
    ],
)
def test_a_full_standard_output(photos, tmp_path, words):
    done = subprocess.run(
        f"{sys.executable} -m magn_cli {' '.join(words)} > /dev/full",
        shell=True, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1 and done.stderr.startswith(b"magn: standard output cannot be written"), done.stderr
    assert done.stderr.count(b"\n") == 1


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("restore - <&-", b"standard input is closed"),
        ("restore - -o - <x.png >&-", b"standard output cannot be written"),
        ("restore x.png --log-json >&-", b"standard output cannot be written"),
    ],
)
def test_closed_streams(photos, tmp_path, line, says):
    done = subprocess.run(
        f"{sys.executable} -m magn_cli {line}",
        shell=True, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, check=False,
    )  # fmt: skip
    assert done.returncode in (1, 2) and b"Traceback" not in done.stderr, done.stderr
    assert done.stderr.splitlines()[-1].startswith(b"magn: " + says), done.stderr
