"""Manifests, configurations, registries, checkpoints and training states of strangers, at the command."""

import io
import json
import os
import subprocess
import sys
import zipfile

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from magn_cli.files import checksum
from tests.support.commands import magn, refused
from tests.support.hostile import HOSTILE_JSON, HOSTILE_TOML
from tests.support.paths import ROOT


@pytest.fixture
def photos(tmp_path, otter):
    (tmp_path / "photos").mkdir()
    Image.fromarray(otter[:64, :64]).save(tmp_path / "photos/a.png")
    return tmp_path / "photos"


ENTRY = {"source": "a.png", "source_sha256": "0", "level": 10, "result": "jpeg-10/a.jpg", "result_sha256": "0"}
DOCUMENT = {"schema": 1, "versions": {}, "task": "jpeg", "seed": 0, "options": {}, "pictures": [ENTRY]}
MANIFESTS = {
    **HOSTILE_JSON,
    "a list": "[]",
    "a word": '"x"',
    **{f"no {name}": json.dumps({k: v for k, v in DOCUMENT.items() if k != name}) for name in DOCUMENT},
    **{
        f"{name} {value!r}"[:30]: json.dumps({**DOCUMENT, name: value})
        for name, value in [
            ("schema", [1]), ("task", 7), ("seed", "x"), ("seed", True), ("options", [1]),
            ("options", {"gray": [1]}),
            ("versions", "x"), ("pictures", {"a": 1}), ("pictures", 3), ("pictures", [7]), ("pictures", [None]),
            *(("pictures", [{**ENTRY, key: value}]) for key, value in [
                ("level", "x"), ("level", True), ("source", 7), ("source", "../x"), ("result", None),
                ("result", "/x"),
                ("source", "a\0"), ("more", 1),
            ]),
        ]
    },
}  # fmt: skip


@pytest.mark.parametrize("text", MANIFESTS.values())
def test_manifests(photos, tmp_path, text):
    (tmp_path / "set").mkdir()
    (tmp_path / "set/manifest.json").write_bytes(text if isinstance(text, bytes) else text.encode())
    words = ["eval", photos, "--degraded", tmp_path / "set", "-t", "jpeg", "--baselines-only"]
    refused(magn(*words), 2, "is not a manifest that this magn can read")
    refused(magn("degrade", photos, "-t", "jpeg", "-l", "10", "-o", tmp_path / "set"), 2, "is not a manifest")


@pytest.mark.parametrize("text", HOSTILE_TOML.values(), ids=HOSTILE_TOML)
def test_configurations_and_registries(tmp_path, monkeypatch, text):
    (tmp_path / "a.toml").write_text(text)
    refused(magn("train", "--config", tmp_path / "a.toml", "-o", tmp_path / "run"), 2, "a.toml is not valid TOML")
    monkeypatch.setenv("MAGN_WEIGHTS", str(tmp_path / "a.toml"))
    refused(magn("weights", "list"), 3, "a.toml is not valid TOML")


TEXTS = [text for text in HOSTILE_JSON.values() if text and isinstance(text, str)]
METADATA = {
    "format_version": "1", "task": "jpeg", "preset": "x", "config": "{}", "level_scale": "null",
    "training": "{}", "licence": "",
}  # fmt: skip


@pytest.mark.parametrize(
    ("key", "text"),
    [
        *((key, text) for key in ("config", "training", "level_scale") for text in TEXTS),
        ("config", "[]"), ("config", "7"), ("training", "[]"), ("training", "null"),
        ("training", '{"init": 7}'), ("level_scale", "[1]"),
        ("training", '{"steps": "x"}'), ("training", '{"recipe": 7}'), ("training", " " * 2_000_000),
        ("level_scale", '{"name": 1, "low": [], "high": 2, "offset": 1, "factor": 1}'),
    ],
)  # fmt: skip
def test_checkpoints(photos, tmp_path, key, text):
    save_file({"a": torch.zeros(1)}, tmp_path / "a.safetensors", {**METADATA, key: text})
    for words in (["restore", photos / "a.png", "-t", "jpeg", "--weights"], ["weights", "verify"]):
        refused(magn(*words, tmp_path / "a.safetensors"), 3, "a.safetensors", "download it again")


@pytest.fixture(scope="session")
def trained(tmp_path_factory, otter):
    """A run of one step, and the words that resume it."""
    folder = tmp_path_factory.mktemp("trained")
    for number in range(2):
        (folder / "photos").mkdir(exist_ok=True)
        Image.fromarray(np.roll(otter, number * 40, 1)).save(folder / f"photos/{number}.png")
    (folder / "c.toml").write_text(
        "[network]\nfeatures = 16\ngraph_features = 16\nblocks_before = 1\nblocks_after = 1\nwindow = 32\n"
        "window_overlap = 8\n[training]\nbatch = 2\n"
    )
    words = [
        "train",
        "--config",
        folder / "c.toml",
        "-t",
        "jpeg",
        "--data",
        folder / "photos",
        "-o",
        folder / "run",
        "-q",
    ]
    result = magn(*words, "--max-steps", 1)
    assert result.exit_code == 0, result.output
    return folder / "run", ["train", "-o", folder / "run", "--resume", "--max-steps", 2, "-q"]


def wrong_states(state):
    weight = next(name for name, tensor in state["model"].items() if tensor.ndim == 4)
    yield "a list", [1]
    for name in state:
        if name not in ("validation", "command"):
            yield f"no {name}", {k: v for k, v in state.items() if k != name}
            yield f"{name} is a number", {**state, name: 7}
    yield "another shape", {**state, "model": {**state["model"], weight: torch.zeros(1, 2, 3, 4)}}
    yield "a word for a tensor", {**state, "model": {**state["model"], weight: "x"}}
    for name, value in [
        ("step", "x"),
        ("step", -1),
        ("minutes", None),
        ("more", 1),
        ("best_vitals", (1,)),
        ("length", 0.5),
    ]:
        yield f"stand {name}", {**state, "stand": {**state["stand"], name: value}}


def test_training_states(trained):
    folder, words = trained
    path = folder / "state.pt"
    before = path.read_bytes()
    state = torch.load(path, weights_only=True)
    for what, wrong in wrong_states(state):
        torch.save(wrong, path)
        result = magn(*words)
        assert result.exit_code == 1 and "is damaged" in result.stderr and result.stderr.count("\n") == 1, what
    parts = torch.load(io.BytesIO(before), weights_only=True)
    for part in parts["optimizer"]["parts"]:
        for kept in part["state"].values():
            for name in kept:
                kept[name] = torch.zeros(3, 3)
    torch.save(parts, path)
    refused(magn(*words), 1, "is damaged")
    with zipfile.ZipFile(io.BytesIO(before)) as old, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as bomb:
        for entry in old.infolist():
            bomb.writestr(
                entry.filename, bytes(50_000_000) if entry.filename.endswith("/data/0") else old.read(entry)
            )
    refused(magn(*words), 1, "is damaged")
    with path.open("wb") as file:
        file.truncate(20 << 30)
    refused(magn(*words), 1, "is damaged")
    path.write_bytes(before)
    assert magn(*words).exit_code == 0


def test_a_hash_is_not_remembered_by_size_and_time_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(checksum, "hashes_file", lambda: tmp_path / "cache/sha256.json")
    path = tmp_path / "a"
    path.write_bytes(b"first")
    about, first = path.stat(), checksum.of(path)
    assert checksum.of(path) == first
    path.write_bytes(b"other")
    os.utime(path, ns=(about.st_atime_ns, about.st_mtime_ns))
    assert checksum.of(path) != first


posix = pytest.mark.skipif(os.name == "nt", reason="as POSIX has it")


@posix
@pytest.mark.parametrize(
    "line", ["cat /dev/zero", "printf '\\377\\330\\377\\340'; cat /dev/zero", "cat /dev/urandom"]
)
def test_a_pipe_without_an_end(tmp_path, line):
    done = subprocess.run(
        ["bash", "-c", f"({line}) | {sys.executable} -m magn_cli restore - -t jpeg -o {tmp_path / 'a.png'}"],
        env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, timeout=120, check=False,
    )  # fmt: skip
    lines = [one for one in done.stderr.decode().splitlines() if one.startswith("magn: ")]
    assert done.returncode == 1 and len(lines) == 1 and lines[0].startswith("magn: standard input "), done.stderr


@posix
def test_a_file_of_holes(tmp_path, otter):
    path = tmp_path / "a.jpg"
    Image.fromarray(otter).save(path)
    with path.open("ab") as file:
        file.truncate(20 << 30)
    refused(magn("restore", path, "-t", "jpeg"), 1, "too large for the memory")
