"""Whatever shows a private photo is private: results, comparisons, pages, sets, at the command."""

import os
import stat

import numpy as np
import pytest
from PIL import Image

import magn_cli
from magn_cli.files import LOCAL, Access, narrowest
from magn_cli.training import leakage, photos
from tests.support.commands import magn

posix = pytest.mark.skipif(os.name == "nt", reason="Windows has other permissions")
pytestmark = posix

RESTORE = ["-t", "jpeg", "-l", 40, "--threads", 1]
MODES = [(0o600, 0o600), (0o640, 0o640), (0o444, 0o644), (0o755, 0o644)]


@pytest.fixture(params=[0o022, 0o077], ids=["umask022", "umask077"])
def umask(request):
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def photo(path, mode, side=40):
    path.parent.mkdir(parents=True, exist_ok=True)
    shades = np.random.default_rng(0).integers(0, 255, (side, side, 3), np.uint8)
    Image.fromarray(shades).save(path)
    path.chmod(mode)
    return path


def mode_of(path):
    return stat.S_IMODE(path.stat().st_mode)


def done(*words):
    result = magn(*words)
    assert result.exit_code == 0, result.output


@pytest.mark.parametrize(("mode", "expected"), MODES)
@pytest.mark.parametrize("shown", ["page.html", "sheet.png", "folder"])
def test_results_and_their_comparisons(tmp_path, umask, mode, expected, shown):
    source = photo(tmp_path / "a.png", mode)
    done("restore", source, "-o", tmp_path / "out.png", "--compare", tmp_path / shown, *RESTORE)
    made = tmp_path / "folder/a_compare.png" if shown == "folder" else tmp_path / shown
    assert (mode_of(tmp_path / "out.png"), mode_of(made)) == (expected, expected)


def test_a_page_of_several_photos_is_as_private_as_the_most_private(tmp_path, umask):
    for name, mode in (("a.png", 0o644), ("b.png", 0o640), ("c.png", 0o604)):
        photo(tmp_path / "photos" / name, mode)
    page = tmp_path / "page.html"
    done("restore", tmp_path / "photos", "-o", tmp_path / "out", "--compare", page, *RESTORE)
    assert mode_of(page) == 0o600
    assert [mode_of(tmp_path / "out" / name) for name in ("a.png", "b.png", "c.png")] == [0o644, 0o640, 0o604]


@pytest.mark.parametrize(("before", "expected"), [(0o644, 0o600), (0o400, 0o400)])
def test_a_public_page_that_is_replaced_becomes_private(tmp_path, before, expected):
    source, page = photo(tmp_path / "a.png", 0o600), tmp_path / "page.html"
    for path in (page, tmp_path / "out.png"):
        path.write_bytes(b"")
        path.chmod(before)
    done("restore", source, "-o", tmp_path / "out.png", "--compare", page, "--overwrite", *RESTORE)
    assert (mode_of(tmp_path / "out.png"), mode_of(page)) == (expected, expected)


@pytest.mark.parametrize(("mode", "expected"), MODES)
def test_degraded_sets(tmp_path, umask, mode, expected):
    photo(tmp_path / "photos/a.png", mode)
    photo(tmp_path / "photos/b.png", 0o644)
    for task, name in (("jpeg", "jpeg-40/a.jpg"), ("denoise", "denoise-40/a.tif")):
        out = tmp_path / task
        done("degrade", tmp_path / "photos", "-t", task, "-l", 40, "-o", out)
        assert mode_of(out / name) == expected and mode_of((out / name).with_stem("b")) == 0o644
        # It names files, and shows none.
        assert mode_of(out / "manifest.json") == 0o666 & ~umask


@pytest.mark.parametrize(("mode", "expected"), MODES)
def test_what_inspect_reports(tmp_path, umask, mode, expected):
    source = photo(tmp_path / "a.png", mode, side=80)
    done("inspect", source, photo(tmp_path / "b.png", 0o644, side=80), "--json", tmp_path / "a.json")
    assert mode_of(tmp_path / "a.json") == expected


@pytest.mark.parametrize(("modes", "expected"), [((0o600, 0o644), 0o600), ((0o644, 0o640), 0o640)])
@pytest.mark.parametrize("by_reference", [False, True])
def test_compare(tmp_path, umask, modes, expected, by_reference):
    a, b = photo(tmp_path / "a.png", modes[0]), photo(tmp_path / "b.png", modes[1])
    words = ["--reference", photo(tmp_path / "c.png", 0o600)] if by_reference else []
    done("compare", a, b, "-o", tmp_path / "page.html", *words)
    assert mode_of(tmp_path / "page.html") == (0o600 if by_reference else expected)


@pytest.mark.parametrize("name", ["graph.html", "graph.png"])
@pytest.mark.parametrize(("mode", "expected"), MODES[:3])
def test_graph(tmp_path, umask, mode, expected, name):
    source = photo(tmp_path / "a.png", mode, side=80)
    done("graph", source, "-t", "denoise", "-l", 25, "-o", tmp_path / name)
    assert mode_of(tmp_path / name) == expected


@pytest.mark.parametrize("more", [[], ["--link-images"]])
@pytest.mark.parametrize("private", ["clean", "degraded", "none"])
def test_pages_of_eval(tmp_path, umask, more, private):
    for side in ("clean", "degraded"):
        photo(tmp_path / side / "a.png", 0o600 if side == private else 0o644)
    words = ["--degraded", tmp_path / "degraded"] if private == "degraded" else []
    page = tmp_path / "page.html"
    words += ["-t", "jpeg", "-l", 40, "--baselines-only", "--html", page, *more]
    done("eval", tmp_path / "clean", *words)
    expected = 0o644 if private == "none" else 0o600
    assert mode_of(page) == expected
    pictures = list((tmp_path / "page_files").glob("*.png"))
    assert bool(pictures) == bool(more) and {mode_of(path) for path in pictures} <= {expected}


def test_a_picture_written_like_another(tmp_path, umask):
    source = photo(tmp_path / "a.png", 0o600)
    magn_cli.write(tmp_path / "b.png", magn_cli.read(source), like=source)
    magn_cli.write(tmp_path / "c.png", magn_cli.read(source))
    assert (mode_of(tmp_path / "b.png"), mode_of(tmp_path / "c.png")) == (0o600, 0o666 & ~umask)


def test_decoded_photos_of_a_training(tmp_path, umask):
    for name, mode in (("a.png", 0o644), ("b.png", 0o600)):
        photo(tmp_path / "photos" / name, mode, side=80)
    photos.pack([tmp_path / "photos"], tmp_path / "cache", 64, leakage.NONE)
    (packed,) = (tmp_path / "cache").glob("*.bin")
    assert mode_of(packed) == 0o600


def test_nobody_can_open_it_before_it_is_complete(tmp_path, monkeypatch, umask):
    """A program that watches the folder opens a file as soon as it is there."""
    seen, open_file = [], os.open

    def watching(path, flags, mode=0o777, **more):
        descriptor = open_file(path, flags, mode, **more)
        seen.append(stat.S_IMODE(os.fstat(descriptor).st_mode))
        return descriptor

    monkeypatch.setattr(os, "open", watching)
    LOCAL.write(tmp_path / "a", b"x", access=Access(0o600))
    (tmp_path / "b").write_bytes(b"")
    (tmp_path / "b").chmod(0o600)
    LOCAL.write(tmp_path / "b", b"x", overwrite=True)
    assert seen == [0o600, 0o600]


class TestGroups:
    """The bits of a group are about that group, and not about whichever group the new file has."""

    def test_the_group_goes_along(self, tmp_path, monkeypatch):
        given = []
        monkeypatch.setattr(os, "fchown", lambda _, user, group: given.append((user, group)))
        mine = os.getgid()
        LOCAL.write(tmp_path / "a", b"x", access=Access(0o640, mine + 1))
        LOCAL.write(tmp_path / "b", b"x", access=Access(0o640, mine))
        LOCAL.write(tmp_path / "c", b"x", access=Access(0o644, mine + 1))
        assert given == [(-1, mine + 1)] and mode_of(tmp_path / "a") == 0o640

    @pytest.mark.parametrize(
        ("mode", "expected"), [(0o640, 0o600), (0o664, 0o644), (0o666, 0o666), (0o604, 0o604)]
    )
    def test_another_group_gets_no_more_than_everybody(self, tmp_path, monkeypatch, mode, expected):
        def refuse(*_):
            raise PermissionError(1, "Operation not permitted")

        monkeypatch.setattr(os, "fchown", refuse)
        LOCAL.write(tmp_path / "a", b"x", access=Access(mode, os.getgid() + 1))
        assert mode_of(tmp_path / "a") == expected

    def test_of_several_files(self):
        assert narrowest([Access(0o664, 1), Access(0o640, 2)]) == Access(0o600)
        assert narrowest([Access(0o664, 1), Access(0o640, 1), None]) == Access(0o640, 1)
        assert narrowest([None]) is None
