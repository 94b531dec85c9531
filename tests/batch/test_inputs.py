"""Which files a command line means, and where their results go."""

import os
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magn_cli import batch
from magn_cli.batch import inputs, targets
from magn_cli.errors import ImageError, UsageError
from tests.support.folders import Inverse, content, picture, restore, tree


def found(*sources, out=None, recursive=False):
    return [picture.path for picture in inputs.find(sources, out, recursive).pictures]


def planned(sources, out=None, **options):
    plan = batch.plan(sources, out, settings={}, **options)
    return {job.source: job.target for job in plan.jobs}


def test_a_folder_without_its_sub_folders(tmp_path):
    for name in ("b.jpg", "a.PNG", "sub/c.tif"):
        picture(tmp_path / name)
    (tmp_path / "notes.txt").write_text("left alone")
    assert [path.name for path in found(tmp_path)] == ["a.PNG", "b.jpg"]


def test_a_tree_is_mirrored(tmp_path):
    names = ("a.jpg", "2020/a.jpg", "2020/summer/b.webp", "2021/a.tif")
    for name in names:
        picture(tmp_path / "photos" / name)
    restore(tmp_path / "photos", tmp_path / "out", recursive=True)
    assert tree(tmp_path / "out") == ["2020/a.png", "2020/summer/b.png", "2021/a.png", "a.png"]
    assert len(tree(tmp_path / "photos")) == len(names)


def test_what_systems_leave_in_folders_is_left_alone(tmp_path):
    (tmp_path / "Thumbs.db").write_bytes(b"x")
    for name in (".hidden.jpg", "._a.jpg", "@eaDir/a.jpg", "__MACOSX/a.jpg", ".cache/a.jpg", "a.jpg"):
        picture(tmp_path / name)
    assert found(tmp_path, recursive=True) == [tmp_path / "a.jpg"]
    # Named, it is meant.
    assert found(tmp_path / ".hidden.jpg") == [tmp_path / ".hidden.jpg"]


def test_files_and_folders_together_each_once(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("photos/a.jpg", "photos/b.jpg", "c.jpg"):
        picture(Path(name))
    words = ["photos/b.jpg", "photos", "c.jpg", "./photos/../c.jpg"]
    assert found(*words) == [Path("photos/b.jpg"), Path("photos/a.jpg"), Path("c.jpg")]
    restore(words, Path("out"))
    assert tree(Path("out")) == ["a.png", "b.png", "c.png"]


def test_patterns_that_no_shell_has_expanded(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("p/a.jpg", "p/b.png", "p/x/c.jpg", "p/[1].jpg", "p/.d.jpg"):
        picture(Path(name))
    Path("p/notes.txt").write_text("left alone")
    assert found("p/*.jpg") == [Path("p/[1].jpg"), Path("p/a.jpg")]
    assert found("p/*") == [Path("p/[1].jpg"), Path("p/a.jpg"), Path("p/b.png")]
    assert found("p/[1].jpg") == [Path("p/[1].jpg")]  # a file of that very name
    assert found("p/?.jpg", str(tmp_path / "p/*.png")) == [Path("p/a.jpg"), tmp_path / "p/b.png"]
    assert planned(["p/**/*.jpg"], Path("out"))[Path("p/x/c.jpg")] == Path("out/x/c.png")
    with pytest.raises(ImageError, match=r"no picture matches p/\*\.tif"):
        batch.plan(["p/*.tif"], settings={})


def test_links_in_circles(tmp_path):
    picture(tmp_path / "photos/a.jpg")
    picture(tmp_path / "photos/sub/b.jpg")
    (tmp_path / "photos/sub/up").symlink_to(tmp_path / "photos")
    (tmp_path / "photos/self").symlink_to("self")
    (tmp_path / "photos/self.jpg").symlink_to("self.jpg")
    (tmp_path / "photos/nowhere.jpg").symlink_to("missing.jpg")
    restore(tmp_path / "photos", tmp_path / "out", recursive=True)
    assert tree(tmp_path / "out") == ["a.png", "sub/b.png"]


def test_links_lead_to_pictures_elsewhere(tmp_path):
    picture(tmp_path / "elsewhere/b.jpg")
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos/linked").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "photos/c.jpg").symlink_to(picture(tmp_path / "c.jpg"))
    restore(tmp_path / "photos", tmp_path / "out", recursive=True)
    assert tree(tmp_path / "out") == ["c.png", "linked/b.png"]


def test_results_are_no_inputs(tmp_path):
    """The output folder inside the input folder, and the one of an earlier run with other settings."""
    picture(tmp_path / "a.jpg")
    picture(tmp_path / "sub/b.jpg")
    restore(tmp_path, tmp_path / "out", recursive=True)
    restore(tmp_path, tmp_path / "other", recursive=True, settings={"level": 40})
    events = restore(tmp_path, tmp_path / "out", recursive=True)
    assert [type(event) for event in events] == [batch.Kept, batch.Kept]
    assert tree(tmp_path / "other") == ["a.png", "sub/b.png"]
    # The results themselves, where they are what is named.
    assert len(found(tmp_path / "out", recursive=True)) == 2


@pytest.mark.parametrize("overwrite", [False, True])
def test_own_pictures_in_the_output_folder_are_neither_skipped_nor_replaced(tmp_path, overwrite):
    for name in ("a.png", "sub/a.png", "sub/c.jpg"):
        picture(tmp_path / "photos" / name, shade=len(name))
    before = content(tmp_path)
    with pytest.raises(UsageError, match=r"a\.png is in the output folder"):
        restore(tmp_path / "photos", tmp_path / "photos/sub", recursive=True, overwrite=overwrite)
    assert content(tmp_path) == before


def test_results_of_several_runs_may_lie_in_the_output_folder(tmp_path, monkeypatch):
    picture(tmp_path / "photos/a.jpg")
    restore(tmp_path / "photos", tmp_path / "photos/out/40", recursive=True, settings={"level": 40})
    restore(tmp_path / "photos", tmp_path / "photos/out", recursive=True)
    monkeypatch.chdir(tmp_path / "photos/out")
    events = restore(Path(".."), Path(), recursive=True)
    assert [type(event) for event in events] == [batch.Kept]


def test_results_beside_pictures_are_no_inputs_for_another_folder(tmp_path):
    picture(tmp_path / "photos/a.jpg")
    restore(tmp_path / "photos")
    assert found(tmp_path / "photos", out=tmp_path / "out") == [tmp_path / "photos/a.jpg"]


@pytest.mark.parametrize("words", ["*.jpg", "dead.jpg"])
def test_a_link_that_leads_nowhere_is_a_failure_however_it_is_named(tmp_path, monkeypatch, words):
    monkeypatch.chdir(tmp_path)
    picture(tmp_path / "a.jpg")
    (tmp_path / "dead.jpg").symlink_to("nowhere.jpg")
    ((_, failure),) = inputs.find([words], None).failures
    assert str(failure) == "dead.jpg cannot be used (it is a link that leads nowhere); check the path."


def test_a_folder_for_one_picture_need_not_exist_if_it_is_named_as_one(tmp_path):
    source = picture(tmp_path / "a.jpg")
    restore(source, tmp_path / "new", out_is_folder=True)
    assert tree(tmp_path / "new") == ["a.png"]


@pytest.mark.parametrize("out", [None, "photos", "photos/../photos"])
def test_the_output_folder_is_the_input_folder(tmp_path, out):
    picture(tmp_path / "photos/a.png")
    picture(tmp_path / "photos/sub/b.jpg")
    before = content(tmp_path / "photos")
    for _ in range(2):
        restore(tmp_path / "photos", out and tmp_path / out, recursive=True)
        names = ["a.png", "a_restored.png", "sub/b.jpg", "sub/b_restored.png"]
        assert tree(tmp_path / "photos") == names
    assert {name: content(tmp_path / "photos")[name] for name in before} == before


def test_a_result_never_takes_the_place_of_another_input(tmp_path):
    """Not even with --overwrite: the second one would be restored from the first one's result."""
    picture(tmp_path / "photos/a.jpg")
    picture(tmp_path / "photos/sub/a.png")
    before = content(tmp_path)
    sources = [tmp_path / "photos/a.jpg", tmp_path / "photos/sub/a.png"]
    with pytest.raises(UsageError, match="take the place of the input"):
        restore([sources[0], sources[1]], tmp_path / "photos/sub", overwrite=True)
    assert content(tmp_path) == before


@pytest.mark.parametrize(
    "names", [("a.jpg", "a.png"), ("a.jpg", "A.png"), ("é.jpg", "e\u0301.png"), ("ß.jpg", "SS.png")]
)
def test_two_inputs_for_one_output_are_told_before_work(tmp_path, names):
    for name in names:
        picture(tmp_path / "photos" / name)
    if len(list((tmp_path / "photos").iterdir())) < 2:
        pytest.skip("this file system takes the two for one")
    with pytest.raises(UsageError) as caught:
        restore(tmp_path / "photos", tmp_path / "out")
    assert all(name in str(caught.value) for name in names)
    assert not (tmp_path / "out").exists()


def test_two_folders_with_one_name_in_both(tmp_path):
    picture(tmp_path / "one/a.jpg")
    picture(tmp_path / "two/a.jpg")
    with pytest.raises(UsageError, match="would both become"):
        restore([tmp_path / "one", tmp_path / "two"], tmp_path / "out")


def test_formats_of_a_folder(tmp_path):
    picture(tmp_path / "photos/a.png")
    restore(tmp_path / "photos", tmp_path / "out", suffix="webp")
    assert tree(tmp_path / "out") == ["a.webp"]
    with pytest.raises(UsageError, match="bmp"):
        restore(tmp_path / "photos", tmp_path / "out", suffix="bmp")
    with pytest.raises(UsageError, match="does not match --format"):
        restore(tmp_path / "photos/a.png", tmp_path / "a.jpg", suffix="png")
    restore(tmp_path / "photos/a.png", tmp_path / "a.jpeg", suffix="jpg")
    restore(tmp_path / "photos/a.png", suffix="tif")
    assert (tmp_path / "photos/a_restored.tif").exists()


def test_a_single_file_into_a_folder_keeps_its_name(tmp_path):
    picture(tmp_path / "a.jpg")
    (tmp_path / "out").mkdir()
    assert planned([tmp_path / "a.jpg"], tmp_path / "out") == {tmp_path / "a.jpg": tmp_path / "out/a.png"}
    assert planned([tmp_path / "a.jpg"], tmp_path) == {tmp_path / "a.jpg": tmp_path / "a_restored.png"}


def test_a_single_file_leaves_no_journal(tmp_path):
    restore(picture(tmp_path / "a.jpg"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.jpg", "a_restored.png"]


@pytest.mark.parametrize("out", ["x.png", "file"])
def test_several_results_need_a_folder(tmp_path, out):
    picture(tmp_path / "photos/a.jpg")
    (tmp_path / "file").write_text("mine")
    with pytest.raises(UsageError, match="need a folder"):
        restore(tmp_path / "photos", tmp_path / out)


def test_missing_sources_beside_good_ones(tmp_path):
    picture(tmp_path / "a.jpg")
    events = restore([tmp_path / "no.jpg", tmp_path / "a.jpg", tmp_path / "none*.jpg"], tmp_path / "out")
    assert [type(event) for event in events] == [batch.Failed, batch.Failed, batch.Done]
    assert "no.jpg" in str(events[0].error) and "none*.jpg" in str(events[1].error)


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="needs permissions that bind")
def test_a_sub_folder_that_may_not_be_read(tmp_path):
    picture(tmp_path / "photos/a.jpg")
    picture(tmp_path / "photos/locked/b.jpg")
    (tmp_path / "photos/locked").chmod(0)
    try:
        events = restore(tmp_path / "photos", tmp_path / "out", recursive=True)
    finally:
        (tmp_path / "photos/locked").chmod(0o755)
    assert [type(event) for event in events] == [batch.Failed, batch.Done]


def test_a_sub_folder_that_cannot_be_listed(tmp_path, monkeypatch):
    picture(tmp_path / "photos/a.jpg")
    picture(tmp_path / "photos/locked/b.jpg")
    listed = Path.iterdir

    def iterdir(path):
        if path.name == "locked":
            raise PermissionError(13, "Permission denied", str(path))
        return listed(path)

    monkeypatch.setattr(Path, "iterdir", iterdir)
    events = restore(tmp_path / "photos", tmp_path / "out", recursive=True)
    assert [type(event) for event in events] == [batch.Failed, batch.Done]
    assert "locked cannot be used" in str(events[0].error)


NAMES = st.text(st.characters(exclude_characters="/\\\0", exclude_categories=["Cs", "Cc"]), min_size=1, max_size=8)


@given(st.lists(NAMES, min_size=1, max_size=8, unique=True))
def test_targets_are_different_or_refused(names):
    """Whatever the names are: on no file system does one result replace another."""
    root = Path("photos")
    pictures = [inputs.FoundPicture(root / f"{name}.jpg", root) for name in names]
    try:
        jobs = targets.aim(inputs.Found(pictures), Path("out"))
    except UsageError:
        return
    for form in ("NFC", "NFD"):
        assert len({unicodedata.normalize(form, str(job.target)).lower() for job in jobs}) == len(names)


def test_the_network_sees_each_picture_once(tmp_path):
    for shade in (10, 20, 30):
        picture(tmp_path / f"photos/{shade}.png", shade)
    seen = []
    restore(tmp_path / "photos", tmp_path / "out", Inverse(lambda photo: seen.append(int(photo.pixels[0, 0, 0]))))
    assert seen == [10, 20, 30]


def test_own_pictures_that_look_like_results(tmp_path, caplog):
    """One without an original is a picture like others; of the others, what no journal knows is named."""
    for name in ("a.jpg", "a_restored.jpg", "grandma_restored.jpg"):
        picture(tmp_path / "photos" / name)
    found = {source.name for source in planned([tmp_path / "photos"])}
    assert found == {"a.jpg", "grandma_restored.jpg"}
    assert "a_restored.jpg skipped" in caplog.text and "grandma" not in caplog.text


def test_known_results_are_skipped_without_a_word(tmp_path, caplog):
    picture(tmp_path / "photos/a.jpg")
    restore(tmp_path / "photos")
    assert {source.name for source in planned([tmp_path / "photos"])} <= {"a.jpg"}
    assert not caplog.records


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
def test_linked_folders_are_told(tmp_path, caplog):
    picture(tmp_path / "elsewhere/b.jpg")
    picture(tmp_path / "photos/a.jpg")
    (tmp_path / "photos/linked").symlink_to(tmp_path / "elsewhere")
    assert len(planned([tmp_path / "photos"], tmp_path / "out", recursive=True)) == 2
    assert caplog.text.count("is a link to a folder") == 1 and "linked" in caplog.text
