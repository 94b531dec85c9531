"""``magn restore`` in a pipe, what it says to programs, and the time left."""

import io
import json
import os
import stat
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from magn_cli import batch, cli
from magn_cli.batch import pace
from tests.support.commands import magn, refused
from tests.support.folders import command, picture, tree


def piped(data, *words):
    process = command("restore", *words, "--task", "jpeg", "--threads", 1, stdin=-1)
    out, err = process.communicate(data, timeout=120)
    return process.returncode, out, err.decode()


def test_from_pipe_to_pipe(otter_jpeg, tmp_path):
    code, out, err = piped(otter_jpeg.read_bytes(), "-")
    assert code == 0 and err.startswith("standard input: ") and "quality 20" in err
    assert err.endswith(", to standard output\n")
    assert os.sep not in err.replace("MP/s", "")
    assert magn("restore", otter_jpeg, "--task", "jpeg", "--threads", 1).exit_code == 0
    with Image.open(io.BytesIO(out)) as one, Image.open(tmp_path / "otter_restored.png") as other:
        assert one.format == "PNG" and one.info["icc_profile"] == other.info["icc_profile"]
        # One thread or two may differ in the last bit before rounding.
        assert np.abs(np.asarray(one).astype(int) - np.asarray(other)).max() <= 1


def test_from_pipe_to_file_and_from_file_to_pipe(otter_jpeg, tmp_path):
    code, out, err = piped(otter_jpeg.read_bytes(), "-", "--out", tmp_path / "a.jpg")
    assert (code, out) == (0, b"") and Image.open(tmp_path / "a.jpg").size == (200, 144), err
    code, out, err = piped(None, otter_jpeg, "--out", "-", "--format", "webp")
    assert code == 0 and Image.open(io.BytesIO(out)).format == "WEBP", err
    assert tree(tmp_path) == ["a.jpg", "otter.jpg"]


@pytest.mark.skipif(os.name == "nt", reason="needs a shell of Unix")
def test_a_closed_output_is_one_sentence(otter_jpeg):
    line = f'"{sys.executable}" -m magn_cli restore "{otter_jpeg}" -q -t jpeg -o - >&-'
    done = subprocess.run(line, shell=True, capture_output=True, timeout=120, check=False)
    assert done.returncode == 1 and done.stderr.decode().count("\n") == 1, done.stderr
    assert done.stderr.startswith(b"magn: standard output cannot be written")


@pytest.mark.skipif(os.name == "nt", reason="needs a shell of Unix")
@pytest.mark.parametrize("words", ["restore otter.jpg -q -t jpeg -o -", "inspect otter.jpg --json -"])
def test_a_reader_that_has_seen_enough_gets_no_complaint(words, otter_jpeg):
    line = f'"{sys.executable}" -m magn_cli {words} 2>said | true; echo "${{PIPESTATUS[0]}}"'
    shell = ["bash", "-c", line]
    done = subprocess.run(shell, cwd=otter_jpeg.parent, capture_output=True, text=True, timeout=120, check=False)
    assert (otter_jpeg.parent / "said").read_text() == ""
    assert done.stdout == "1\n"


def test_a_run_whose_reader_goes_away_says_that_it_is_not_done(tmp_path):
    for number in range(3):
        picture(tmp_path / f"{number}.jpg")
    process = command("restore", tmp_path, "--task", "jpeg", "--threads", 1, "--log-json", stdin=-1)
    process.stdout.close()
    process.stdout = None
    _, err = process.communicate(timeout=120)
    assert process.returncode == 1
    assert err.decode() == (
        "magn: standard output was closed before the end; run the same command again to resume.\n"
    )


def test_an_empty_argument_is_not_taken_for_the_current_folder(otter_jpeg, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = tree(tmp_path)
    for words in (
        ["restore", ""],
        ["restore", otter_jpeg, "-o", ""],
        ["eval", "", "--task", "jpeg"],
        ["eval", "--task", "jpeg", "--json="],
        ["degrade", ""],
        ["inspect", ""],
        ["restore", otter_jpeg, "--compare", ""],
        ["compare", otter_jpeg, otter_jpeg, "--out="],
    ):
        refused(magn(*words), 2, "the name of a file or folder is empty")
    assert tree(tmp_path) == before


def test_a_file_named_like_a_pipe(otter_jpeg, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    otter_jpeg.rename("-")
    assert magn("restore", "./-", "--task", "jpeg", "--out", "b.png").exit_code == 0
    assert tree(tmp_path) == ["-", "b.png"]


def test_a_slash_at_the_end_names_a_folder(otter_jpeg, tmp_path):
    assert magn("restore", otter_jpeg, "--task", "jpeg", "--out", f"{tmp_path}/new/").exit_code == 0
    assert tree(tmp_path) == ["new/otter.png", "otter.jpg"]


def test_an_interruption_before_the_command_begins_is_one_sentence(monkeypatch, capsys):
    def interrupted():
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "_run", interrupted)
    with pytest.raises(SystemExit, match="130"):
        cli.main()
    assert capsys.readouterr().err == "magn: interrupted.\n"


@pytest.mark.parametrize(
    ("data", "words"), [(b"", "standard input is empty"), (b"text", "standard input contains no")]
)
def test_what_comes_is_no_picture(data, words):
    code, out, err = piped(data, "-")
    assert (code, out) == (1, b"") and err.startswith(f"magn: {words}") and err.count("\n") == 1


def test_a_pipe_stands_alone(otter_jpeg, tmp_path):
    refused(magn("restore", "-", otter_jpeg, "--task", "jpeg"), 2, "no other sources")
    refused(magn("restore", otter_jpeg, otter_jpeg, "--task", "jpeg", "--out", "-"), 2, "no other sources")
    refused(magn("restore", tmp_path, "--task", "jpeg", "--out", "-"), 2, "not a picture file")
    refused(magn("restore", otter_jpeg, "--task", "jpeg", "--out", "-", "--log-json"), 2, "--log-json")


@pytest.fixture
def mixed(tmp_path):
    """A folder with two good pictures, one made before, and one that is broken."""
    for name in ("a", "b"):
        picture(tmp_path / f"photos/{name}.png")
    made = magn(*line(tmp_path), "--format", "png")
    assert made.exit_code == 0, made.output
    (tmp_path / "out/b.png").unlink()
    (tmp_path / "photos/c.png").write_bytes(b"")
    return tmp_path


def line(folder, *words):
    where = ("restore", folder / "photos", "--task", "jpeg", "--level", 40, "--threads", 1)
    return (*where, "--out", folder / "out", *words)


def test_events_for_programs(mixed):
    result = magn(*line(mixed, "--log-json"))
    assert result.exit_code == 1
    events = [json.loads(text) for text in result.stdout.splitlines()]
    names = [event["event"] for event in events]
    assert names[:2] == ["start", "kept"] and sorted(names[2:-1]) == ["done", "failed"] and names[-1] == "summary"
    by_name = {event["event"]: event for event in events}
    assert all(event["schema"] == 1 and event["time"] > 0 for event in events)
    assert by_name["start"]["pictures"] == 3 and by_name["start"]["settings"]["level"] == 40
    assert by_name["done"]["source"].endswith("b.png") and by_name["done"]["result"].endswith("out/b.png")
    assert by_name["done"]["level"] == 40 and by_name["done"]["megapixels"] == 0
    assert "is empty" in by_name["failed"]["reason"]
    counts = {name: by_name["summary"][name] for name in ("done", "kept", "failed", "untried", "exit_code")}
    assert counts == {"done": 1, "kept": 1, "failed": 1, "untried": 0, "exit_code": 1}


def test_a_dry_run_says_all_and_does_nothing(mixed):
    before = sorted(mixed.rglob("*")), {p: p.stat().st_mtime_ns for p in mixed.rglob("*")}
    result = magn(*line(mixed, "--dry-run"))
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert "already done" in lines[0] and "b.png ->" in lines[1] and " MP)" in lines[1]
    assert "2 to restore" in result.stderr and "nothing was written" in result.stderr
    assert (sorted(mixed.rglob("*")), {p: p.stat().st_mtime_ns for p in mixed.rglob("*")}) == before
    picture(mixed / "out/c.png")
    result = magn(*line(mixed, "--dry-run"))
    assert result.exit_code == 2 and "refused: it exists" in result.stdout and "--overwrite" in result.stderr


def test_what_decides_a_result_decides_whether_it_is_kept(mixed):
    """The quality of JPEG files is nothing to PNG files; metadata that is left out is something to both."""
    result = magn(*line(mixed, "--dry-run", "--quality", 80))
    assert result.exit_code == 0 and "1 already done" in result.stderr, result.output
    for words in (("--strip-metadata",), ("--strength", 0.5), ("--ensemble",), ("--precision", "fp32")):
        result = magn(*line(mixed, "--dry-run", *words))
        assert result.exit_code == 2 and "made with other settings" in result.stderr, words


def test_a_comparison_of_a_folder(mixed):
    result = magn(*line(mixed, "--compare", mixed / "page.html"))
    assert result.exit_code == 1  # c.png is broken
    assert "b.png" in (mixed / "page.html").read_text()


def test_stop_at_the_first_failure(mixed):
    (mixed / "photos/0.png").write_bytes(b"")
    result = magn(*line(mixed, "--on-error", "stop"))
    assert result.exit_code == 1
    assert "stopped; 2 of 4 pictures were not tried" in result.stderr
    assert tree(mixed / "out") == ["a.png"]
    refused(magn(*line(mixed, "--on-error", "explode")), 2, "explode")


def test_warnings_name_their_picture(tmp_path):
    for name in ("a", "b"):
        (tmp_path / "photos").mkdir(exist_ok=True)
        Image.new("CMYK", (8, 6), (10, 60, 80, 0)).save(tmp_path / f"photos/{name}.jpg")
    result = magn(*line(tmp_path, "--log-json"))
    assert result.exit_code == 0
    told = [json.loads(text) for text in result.stdout.splitlines() if '"warning"' in text]
    assert [os.path.basename(event["source"]) for event in told] == ["a.jpg", "b.jpg"]  # noqa: PTH119
    assert "a.jpg: The picture is CMYK" in result.stderr


def test_results_have_the_usual_permissions(mixed):
    magn(*line(mixed))
    mask = os.umask(0)
    os.umask(mask)
    assert stat.S_IMODE((mixed / "out/b.png").stat().st_mode) == 0o666 & ~mask


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


@given(st.lists(st.floats(0.1, 100), min_size=2, max_size=20), st.floats(0.1, 10), st.integers(1, 19))
def test_the_time_left_is_right_where_megapixels_decide(sizes, seconds_a_megapixel, at):
    """Whatever the order of large and small ones."""
    clock = Clock()
    told = batch.Pace(sum(sizes), clock)
    left = sum(sizes) * seconds_a_megapixel
    for number, size in enumerate(sizes):
        told.work(number, size, 0.0)
        for share in (0.5, 1.0):
            clock.now += size * seconds_a_megapixel / 2
            left -= size * seconds_a_megapixel / 2
            told.work(number, size, share)
            said = told.seconds_left()
            if clock.now < pace.WARMING_UP:
                assert said is None
            else:
                assert said == pytest.approx(left, abs=1e-6 * clock.now + 1e-6)


def test_a_picture_that_fails_costs_no_time():
    clock = Clock()
    told = batch.Pace(30.0, clock)
    told.work("a", 10, 0.0)
    clock.now = 20.0
    told.work("a", 10, 1.0)
    told.work("b", 10, 0.0)
    told.drop("b")
    assert told.seconds_left() == pytest.approx(20)


def test_sizes_without_decoding(tmp_path):
    known = picture(tmp_path / "a.png", size=(300, 200))
    (tmp_path / "b.png").write_bytes(known.read_bytes()[:20])
    (tmp_path / "c.jpg").write_bytes(bytes(known.stat().st_size))
    sizes = pace.megapixels([known, tmp_path / "b.png", tmp_path / "c.jpg", tmp_path / "missing.jpg"])
    assert sizes[0] == 0.06 and 0 < sizes[1] < 0.06 < sizes[2] * 1.01 + 0.06 and sizes[3] == 0


@pytest.mark.parametrize(("seconds", "words"), [(40, "40 s"), (700, "12 min"), (12_000, "3 h 20 min")])
def test_time_in_words(seconds, words):
    assert batch.in_words(seconds) == words
