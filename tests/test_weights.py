"""The registry, where files are looked for, and that no wrong file is used."""

import json
import pickle
import shutil

import pytest
from commands import magn, refused

import magn_cli
from magn_cli.errors import NoSuchWeightsError, WeightsError
from magn_cli.weights import integrity, places, registry, sources

JPEG = registry.find("jpeg", "magn-s").path


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """An empty home, and the user's registry in it."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("MAGN_WEIGHTS", str(tmp_path / "own"))
    (tmp_path / "own").mkdir()
    return tmp_path


@pytest.fixture
def own(home):
    """Write the user's registry."""

    def write(text, **entry):
        values = {"task": "jpeg", "preset": "mine", **entry}
        (home / "own" / "weights.toml").write_text(text or registry.as_toml(values), encoding="utf-8")

    return write


def copied(home, name="mine.safetensors"):
    path = home / "own" / name
    shutil.copy(JPEG, path)
    return path, {"file": name, "sha256": integrity.of(path), "size": path.stat().st_size}


class TestRegistry:
    def test_an_own_checkpoint_is_used_by_its_preset(self, home, own, otter):
        path, entry = copied(home)
        own(None, **entry)
        assert sources.locate("jpeg", "mine") == path
        ours = magn_cli.restore(otter[:48, :48], "jpeg", preset="mine", level=20)
        assert (ours == magn_cli.restore(otter[:48, :48], "jpeg", level=20)).all()
        assert registry.find("jpeg", "magn-s").path == JPEG

    def test_an_own_entry_overrides_the_shipped_one(self, home, own):
        path, entry = copied(home)
        own(None, preset="magn-s", **entry)
        assert sources.locate("jpeg", "magn-s") == path
        assert sources.locate("denoise", "magn-s").parent == places.BUNDLED

    def test_the_variable_may_name_the_file(self, home, own, monkeypatch):
        path, entry = copied(home)
        own(None, **entry)
        monkeypatch.setenv("MAGN_WEIGHTS", str(home / "own" / "weights.toml"))
        assert sources.locate("jpeg", "mine") == path

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("[[checkpoint]]\ntask = jpeg\n", ["broken", "line 2"]),
            ("[[checkpoint]]\ntask = 'jpeg'\npreset = 'a'\nfiel = 'a.safetensors'\n", ["'fiel'", "checkpoint 1"]),
            ("[[checkpoint]]\ntask = 'jpeg'\npreset = 'a'\n", ["one of 'file'", "checkpoint 1"]),
            ("[[checkpoint]]\ntask = 'jpeg'\npreset = 'a'\nfile = 'a.safetensors'\nsize = 1\n", ["'sha256'"]),
            ("[[checkpoint]]\ntask = 'jpeg'\npreset = 'a'\nmissing = 'x'\nsize = '3'\n", ["'size'", "'3'"]),
            ("[[checkpoint]]\npreset = 'a'\nmissing = 'x'\n", ["'task'"]),
            ("checkpoint = 3\n", ["[[checkpoint]]"]),
            ("[[checkpoints]]\ntask = 'a'\n", ["'checkpoints'"]),
            (
                "[[checkpoint]]\ntask = 'jpeg'\npreset = 'a'\nrepo_id = 'a/b'\nfilename = 'a.safetensors'\n"
                "sha256 = 'a'\nsize = 1\n",
                ["'revision'"],
            ),
        ],
    )
    def test_a_broken_one_is_told_by_line_or_key(self, own, text, words):
        own(text)
        refused(magn("weights", "list"), 3, "weights.toml", *words)

    @pytest.mark.parametrize(
        "name", ["../a.safetensors", "/a.safetensors", "a/../../b.safetensors", "C:\\\\a.safetensors"]
    )
    def test_a_path_that_climbs_out_is_refused(self, own, name):
        own(f"[[checkpoint]]\ntask = 'jpeg'\npreset = 'a'\nfile = \"{name}\"\nsha256 = 'a'\nsize = 1\n")
        refused(magn("weights", "list"), 3, "leads out")

    def test_what_is_not_there_yet_says_how_to_get_it(self):
        with pytest.raises(NoSuchWeightsError, match=r"train them .* recipes/magn\.toml .*--weights FILE\.$"):
            registry.find("jpeg", "magn")
        with pytest.raises(NoSuchWeightsError, match="jpeg with magn-s"):
            registry.find("jpeg", "other")

    def test_the_shipped_one_names_what_is_in_the_package(self):
        for entry in registry.read(places.shipped_registry(), places.BUNDLED):
            if entry.file:
                assert entry.path.stat().st_size == entry.size
                assert integrity.of(entry.path) == entry.sha256
            assert entry.file or entry.missing or len(entry.revision) == 40


class TestIntegrity:
    def test_another_file_is_refused_with_both_hashes(self, home, own):
        path, entry = copied(home)
        own(None, **{**entry, "sha256": "0" * 64})
        with pytest.raises(WeightsError) as caught:
            sources.locate("jpeg", "mine")
        for word in (str(path), "0" * 64, entry["sha256"], "weights.toml"):
            assert word in str(caught.value)

    def test_a_hash_is_remembered_until_the_file_changes(self, home, monkeypatch):
        path, _ = copied(home)
        first = integrity.of(path)
        reads = []
        real = integrity.hashlib.file_digest
        monkeypatch.setattr(integrity.hashlib, "file_digest", lambda *a: reads.append(1) or real(*a))
        assert integrity.of(path) == first and not reads
        path.write_bytes(path.read_bytes()[:-1] + b"x")
        assert integrity.of(path) != first and len(reads) == 1
        integrity.of(path, again=True)
        assert len(reads) == 2

    @pytest.mark.parametrize("remembered", [b"", b"[]", b'{"a": 3}', b"\xff"])
    def test_a_broken_memory_is_forgotten(self, home, remembered):
        places.hashes_file().parent.mkdir(parents=True)
        places.hashes_file().write_bytes(remembered)
        path, entry = copied(home)
        assert integrity.of(path) == entry["sha256"]

    def test_a_memory_that_cannot_be_written_does_no_harm(self, home, monkeypatch):
        path, entry = copied(home)
        (home / "file").write_text("")
        monkeypatch.setenv("XDG_CACHE_HOME", str(home / "file"))
        assert integrity.of(path, again=True) == entry["sha256"]

    def test_what_is_no_safetensors_file_is_refused(self, home, otter_jpeg):
        bad = {"pickle.safetensors": pickle.dumps({"a": 1}), "cut.safetensors": JPEG.read_bytes()[:100_000]}
        for name, content in bad.items():
            (home / name).write_bytes(content)
            result = magn("restore", otter_jpeg, "--task", "jpeg", "--weights", home / name)
            refused(result, 3, name, "not a whole safetensors file")
            assert not otter_jpeg.with_name("otter_restored.png").exists()


class TestCommands:
    def test_list_tells_what_there_is(self, home):
        done = magn("weights", "list", "--json", "-")
        assert done.exit_code == 0
        document = json.loads(done.stdout)
        states = {(w["task"], w["preset"]): w["state"] for w in document["weights"]}
        assert states["jpeg", "magn-s"] == "bundled" and states["jpeg", "magn"] == "none yet"
        assert document["schema"] == 1
        shown = magn("weights", "list")
        assert "bundled" in shown.stdout and "recipes/magn.toml" in shown.stderr

    def test_path_and_pull_of_what_is_bundled(self):
        for words in (("path", "--task", "jpeg"), ("pull", "--task", "jpeg")):
            done = magn("weights", *words)
            assert done.exit_code == 0 and done.stdout.replace("\n", "") == str(JPEG)
        done = magn("weights", "pull", "--all")
        assert done.exit_code == 0 and done.stdout.count("safetensors") == 3
        refused(magn("weights", "pull"), 2, "--task")
        refused(magn("weights", "path", "--task", "jpeg", "--preset", "magn"), 3, "not trained yet")

    def test_verify_finds_the_damaged_one(self, home, own):
        path, entry = copied(home)
        own(None, **entry)
        done = magn("weights", "verify")
        assert done.exit_code == 0 and str(path) in done.stdout.replace("\n", "")
        stamp = path.stat()
        data = bytearray(path.read_bytes())
        data[-5] ^= 1
        path.write_bytes(data)
        # Same size and time: only reading it again can tell.
        import os

        os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
        done = magn("weights", "verify")
        assert done.exit_code == 3 and "mine.safetensors" in done.stderr and entry["sha256"] in done.stderr
        assert "magn-s-jpeg.safetensors" in done.stdout.replace("\n", "")

    def test_verify_takes_files(self, home):
        done = magn("weights", "verify", JPEG)
        assert done.exit_code == 0 and "magn-s for jpeg" in done.stdout
        refused(magn("weights", "verify", home / "no.safetensors"), 3, "no.safetensors")

    def test_a_checkpoint_for_another_task(self, home, own):
        _, entry = copied(home)
        own(None, **{**entry, "task": "denoise"})
        done = magn("weights", "verify")
        assert done.exit_code == 3 and "for jpeg, not for denoise" in done.stderr

    @pytest.mark.parametrize(
        "reference",
        ["hf://", "hf://user", "hf://user/repo", "hf://user/repo/a.bin", "hf://user/repo/../a.safetensors"],
    )
    def test_references_that_make_no_sense(self, reference, otter_jpeg):
        refused(magn("restore", otter_jpeg, "--task", "jpeg", "--weights", reference), 3, reference)
