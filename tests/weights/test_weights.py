"""The registry, the search for files, and checks against wrong files."""

import json
import os
import pickle
import shutil

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

import magn_cli
from magn_cli.errors import NoSuchWeightsError, WeightsError
from magn_cli.files import checksum
from magn_cli.weights import paths, registry, resolve
from magn_cli.weights.metadata import read_metadata
from tests.support.commands import magn, refused

SHA = "ab" * 32
JPEG = registry.find("jpeg", "magn-s").path


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """An empty home, and the user's registry in it."""
    monkeypatch.setattr(checksum, "user_cache_path", lambda *_, **__: tmp_path / "cache" / "magn")
    monkeypatch.setenv("MAGN_WEIGHTS", str(tmp_path / "own"))
    (tmp_path / "own").mkdir()
    return tmp_path


def test_bundled_checkpoints_call_themselves_what_the_registry_calls_them():
    bundled = [entry for entry in registry.entries() if entry.path and entry.path.is_file()]
    assert len(bundled) == 4
    for entry in bundled:
        about = read_metadata(entry.path)
        assert (about.task, about.preset) == (entry.task, entry.preset)


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
    return path, {"file": name, "sha256": checksum.of(path), "size": path.stat().st_size}


def _quietly(*words):
    """With --verbose, over which --quiet wins."""
    return (*words, "--verbose", "--quiet", "--overwrite")


class TestRegistry:
    def test_an_own_checkpoint_is_used_by_its_preset(self, home, own, otter):
        path, entry = copied(home)
        own(None, **entry)
        assert resolve.locate("jpeg", "mine") == path
        ours = magn_cli.restore(otter[:48, :48], "jpeg", preset="mine", level=20)
        assert (ours == magn_cli.restore(otter[:48, :48], "jpeg", level=20)).all()
        assert registry.find("jpeg", "magn-s").path == JPEG

    def test_an_own_entry_overrides_the_shipped_one(self, home, own):
        path, entry = copied(home)
        own(None, preset="magn-s", **entry)
        assert resolve.locate("jpeg", "magn-s") == path
        assert resolve.locate("denoise", "magn-s").parent == paths.BUNDLED

    def test_the_variable_may_name_the_file(self, home, own, monkeypatch):
        path, entry = copied(home)
        own(None, **entry)
        monkeypatch.setenv("MAGN_WEIGHTS", str(home / "own" / "weights.toml"))
        assert resolve.locate("jpeg", "mine") == path

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
            ("[[checkpoint]]\ntask = 'sharpen'\npreset = 'a'\nmissing = 'x'\n", ["'task'", "'sharpen'"]),
            (
                "[[checkpoint]]\ntask = 'jpeg'\npreset = 'a'\nmissing = 'x'\nfigures = {a = 'b'}\n",
                ["not a number"],
            ),
            (2 * "[[checkpoint]]\ntask = 'jpeg'\npreset = 'a'\nmissing = 'x'\n", ["twice", "checkpoint 2"]),
            (
                "[[checkpoint]]\ntask = 'jpeg'\npreset = 'a'\nrepo_id = 'a/b'\nfilename = 'a.safetensors'\n"
                f"sha256 = '{SHA}'\nsize = 1\nrevision = 'main'\n",
                ["'revision'", "40 digits"],
            ),
            (
                "[[checkpoint]]\ntask = 'jpeg'\npreset = 'a'\nrepo_id = '../..'\nfilename = 'a.safetensors'\n"
                f"sha256 = '{SHA}'\nsize = 1\nrevision = '{40 * '0'}'\n",
                ["'repo_id'", "user/name"],
            ),
            ("[[checkpoints]]\ntask = 'a'\n", ["'checkpoints'"]),
            (
                "[[checkpoint]]\ntask = 'jpeg'\npreset = 'a'\nrepo_id = 'a/b'\nfilename = 'a.safetensors'\n"
                f"sha256 = '{SHA}'\nsize = 1\n",
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
        own(f"[[checkpoint]]\ntask = 'jpeg'\npreset = 'a'\nfile = \"{name}\"\nsha256 = '{SHA}'\nsize = 1\n")
        refused(magn("weights", "list"), 3, "leads out")

    def test_a_byte_order_mark_is_no_harm_and_other_encodings_are_told(self, home, own):
        path, entry = copied(home)
        own(None, **entry)
        text = (home / "own" / "weights.toml").read_text()
        (home / "own" / "weights.toml").write_text(text, encoding="utf-8-sig")
        assert resolve.locate("jpeg", "mine") == path
        (home / "own" / "weights.toml").write_text(text, encoding="utf-16")
        refused(magn("weights", "list"), 3, "UTF-8")

    @pytest.mark.parametrize("named", ["nowhere", "~nobody-of-that-name/x", "a\0b"])
    def test_a_variable_that_names_nothing(self, named, monkeypatch):
        if "\0" in named:
            monkeypatch.setattr(paths.os, "environ", {"MAGN_WEIGHTS": named})
        else:
            monkeypatch.setenv("MAGN_WEIGHTS", named)
        with pytest.raises(WeightsError, match="MAGN_WEIGHTS"):
            registry.entries()

    def test_without_a_home_there_is_no_own_registry(self, monkeypatch):
        def homeless(*_, **__):
            raise RuntimeError("Could not determine home directory.")

        monkeypatch.delenv("MAGN_WEIGHTS")
        monkeypatch.setattr(paths, "user_config_path", homeless)
        assert paths.own_registry() is None and len(registry.entries()) >= 3

    def test_a_broken_registry_does_not_stop_weights_of_ones_own(self, own, otter_jpeg):
        own("broken")
        refused(magn("restore", otter_jpeg, "--task", "jpeg"), 3, "broken")
        done = magn("restore", otter_jpeg, "--task", "jpeg", "--weights", JPEG)
        assert done.exit_code == 0

    def test_what_is_not_there_yet_says_how_to_get_it(self):
        with pytest.raises(NoSuchWeightsError, match=r"train them .* recipes/magn\.toml .*--weights FILE\.$"):
            registry.find("jpeg", "magn")
        with pytest.raises(NoSuchWeightsError, match="jpeg with magn-s"):
            registry.find("jpeg", "other")

    def test_the_shipped_one_names_what_is_in_the_package(self):
        for entry in registry.read(paths.shipped_registry(), paths.BUNDLED):
            if entry.file:
                assert entry.path.stat().st_size == entry.size
                assert checksum.of(entry.path) == entry.sha256
            assert entry.file or entry.missing or len(entry.revision) == 40


class TestIntegrity:
    def test_another_file_is_refused_with_both_hashes(self, home, own):
        path, entry = copied(home)
        own(None, **{**entry, "sha256": "0" * 64})
        with pytest.raises(WeightsError) as caught:
            resolve.locate("jpeg", "mine")
        for word in (str(path), "0" * 64, entry["sha256"], "weights.toml"):
            assert word in str(caught.value)

    def test_another_size_is_refused(self, home, own):
        _, entry = copied(home)
        own(None, **{**entry, "size": 5})
        with pytest.raises(WeightsError, match=f"{JPEG.stat().st_size:,} bytes, not 5"):
            resolve.locate("jpeg", "mine")

    def test_the_metadata_of_a_newer_format_or_of_an_impossible_network(self, home, otter_jpeg):
        with safe_open(JPEG, "pt") as file:
            metadata, tensors = file.metadata(), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        config = {**json.loads(metadata["config"]), "features": 10**7}
        for change, words in (
            ({"format_version": "2"}, ["format 2", "update magn"]),
            ({"config": json.dumps(config)}, ["network"]),
            ({"training": "3"}, ["metadata", "training"]),
        ):
            save_file(tensors, home / "a.safetensors", {**metadata, **change})
            result = magn("restore", otter_jpeg, "--task", "jpeg", "--weights", home / "a.safetensors")
            refused(result, 3, "a.safetensors", *words)

    @pytest.mark.parametrize("kind", [torch.float8_e4m3fn, torch.complex64, torch.int64, torch.bool])
    def test_numbers_that_weights_are_not_stored_in(self, home, otter_jpeg, kind):
        with safe_open(JPEG, "pt") as file:
            metadata, tensors = file.metadata(), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        name = next(name for name, tensor in tensors.items() if tensor.ndim == 4)
        save_file({**tensors, name: tensors[name].float().to(kind)}, home / "a.safetensors", metadata)
        result = magn("restore", otter_jpeg, "--task", "jpeg", "--weights", home / "a.safetensors")
        refused(result, 3, "a.safetensors", str(kind).removeprefix("torch."))

    def test_a_checkpoint_for_another_task_is_not_used(self, home, own, otter_jpeg):
        refused(magn("restore", otter_jpeg, "--task", "denoise", "--weights", JPEG), 3, "use --task jpeg")
        _, entry = copied(home)
        own(None, **{**entry, "task": "denoise"})
        refused(magn("restore", otter_jpeg, "--task", "denoise", "--preset", "mine"), 3, "correct the registry")

    def test_a_hash_is_remembered_until_the_file_changes(self, home, monkeypatch):
        path, _ = copied(home)
        first = checksum.of(path)
        reads = []
        real = checksum.hashlib.file_digest
        monkeypatch.setattr(checksum.hashlib, "file_digest", lambda *a: reads.append(1) or real(*a))
        assert checksum.of(path) == first and not reads
        path.write_bytes(path.read_bytes()[:-1] + b"x")
        assert checksum.of(path) != first and len(reads) == 1
        checksum.of(path, again=True)
        assert len(reads) == 2

    @pytest.mark.parametrize("remembered", [b"", b"[]", b'{"a": 3}', b"\xff"])
    def test_a_broken_memory_is_forgotten(self, home, remembered):
        checksum.hashes_file().parent.mkdir(parents=True)
        checksum.hashes_file().write_bytes(remembered)
        path, entry = copied(home)
        assert checksum.of(path) == entry["sha256"]

    def test_a_memory_that_cannot_be_written_does_no_harm(self, home):
        path, entry = copied(home)
        checksum.hashes_file().parent.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(checksum.hashes_file().parent, ignore_errors=True)
        checksum.hashes_file().parent.write_text("a file in the way")
        assert checksum.of(path, again=True) == entry["sha256"]

    def test_what_is_no_safetensors_file_is_refused(self, home, otter_jpeg):
        bad = {"pickle.safetensors": pickle.dumps({"a": 1}), "cut.safetensors": JPEG.read_bytes()[:100_000]}
        for name, content in bad.items():
            (home / name).write_bytes(content)
            result = magn("restore", otter_jpeg, "--task", "jpeg", "--weights", home / name)
            refused(result, 3, name, "not a complete safetensors file")
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

    def test_list_reads_well_in_80_columns(self, home, own):
        path, entry = copied(home)
        own(None, trained="1,000 steps in 5 minutes" + 20 * ", then 2,000 in 10", **entry)
        lines = magn("weights", "list").stdout.splitlines()
        assert max(map(len, lines)) <= 80
        at = lines.index("magn-s for jpeg: bundled, 2.7 MB")
        assert lines[at + 1].startswith("  Classic5: ") and lines[at + 1].endswith("33.85 dB at q40")
        assert lines[at + 2].startswith("  trained: ") and lines[at + 2].endswith(" ...")
        whole = " ".join(magn("weights", "list", "--verbose").stdout.split())
        assert str(path) in whole and entry["sha256"] in whole and 20 * ", then 2,000 in 10" in whole

    def test_list_replaces_no_registry(self, home, own):
        path, entry = copied(home)
        own(None, **entry)
        for report in (path, home / "own" / "weights.toml"):
            before = report.read_bytes()
            refused(magn("weights", "list", "--json", report, "--overwrite"), 2, f"--json {report} is one of")
            assert report.read_bytes() == before

    def test_path_and_pull_of_what_is_bundled(self):
        for words in (("path", "--task", "jpeg"), ("pull", "--task", "jpeg")):
            done = magn("weights", *words)
            assert done.exit_code == 0 and done.stdout.replace("\n", "") == str(JPEG)
        done = magn("weights", "pull", "--all")
        assert done.exit_code == 0 and done.stdout.count("safetensors") == 4
        refused(magn("weights", "pull"), 2, "--task")
        for command in ("path", "pull"):
            refused(magn("weights", command, "--task", "foo"), 2, "unknown task 'foo'", "demosaic")
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
        os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
        done = magn("weights", "verify")
        assert done.exit_code == 3 and "mine.safetensors" in done.stderr and entry["sha256"] in done.stderr
        assert "magn-s-jpeg.safetensors" in done.stdout.replace("\n", "")
        given = magn("weights", "verify", path)
        assert entry["sha256"] not in given.stdout and "not in the registry" in given.stdout
        pulled = magn("weights", "pull", "--all")
        assert pulled.exit_code == 3 and pulled.stdout.count("magn-s-") == 4 and "weights.toml" in pulled.stderr

    def test_verbose_tells_which_it_was(self, home, own, otter_jpeg):
        path, entry = copied(home)
        own(None, **entry)
        for words, where in (
            (["--preset", "mine"], "local"),
            (["--preset", "magn-s"], "bundled"),
            (["--weights", path], "as given"),
        ):
            done = magn("restore", otter_jpeg, "--task", "jpeg", "--verbose", "--overwrite", *words)
            assert done.exit_code == 0 and where in done.stderr
            assert magn(*_quietly("restore", otter_jpeg, "--task", "jpeg", *words)).output == ""

    def test_nothing_in_a_file_commands_the_terminal(self, own):
        own("[[checkpoint]]\ntask = 'jpeg'\npreset = 'a'\nmissing = \"\\u001b[2Jx [bold]y\"\n")
        done = magn("weights", "list")
        assert "\x1b" not in done.output and "[bold]y" in done.output

    def test_verify_takes_files(self, home):
        done = magn("weights", "verify", JPEG)
        assert done.exit_code == 0 and "in the registry as magn-s for jpeg" in done.stdout.replace("\n", " ")
        copy, _ = copied(home)
        assert "in the registry as magn-s for jpeg" in magn("weights", "verify", copy).stdout.replace("\n", " ")
        refused(magn("weights", "verify", home / "no.safetensors"), 3, "no.safetensors")

    def test_a_folder_is_not_said_to_be_missing(self, home, otter_jpeg):
        for words in (
            ("weights", "verify", home),
            ("weights", "push", home, "me/mine"),
            ("restore", otter_jpeg, "--task", "jpeg", "--weights", home),
            ("export", "--task", "jpeg", "--weights", home),
        ):
            refused(magn(*words), 3, f"{home} are a folder", ".safetensors")

    def test_a_checkpoint_for_another_task(self, home, own):
        _, entry = copied(home)
        own(None, **{**entry, "task": "denoise"})
        done = magn("weights", "verify")
        assert done.exit_code == 3 and "for jpeg, not for denoise" in done.stderr

    @pytest.mark.parametrize(
        "reference",
        [
            "hf://",
            "hf://user",
            "hf://user/repo",
            "hf://user/repo/a.bin",
            "hf://user/repo/../a.safetensors",
            "hf://../../a.safetensors",
            "hf://a/b/c.safetensors@../../../x",
            "hf://a/b/c.safetensors@/x",
        ],
    )
    def test_references_that_make_no_sense(self, reference, otter_jpeg):
        refused(magn("restore", otter_jpeg, "--task", "jpeg", "--weights", reference), 3, reference)
