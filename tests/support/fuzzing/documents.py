"""Small intact documents of every kind that magn reads, and ways to break them."""

import io
import json
import random

import torch
from safetensors.torch import save

from magn_cli.degrade.manifest import DegradedFile, Manifest
from magn_cli.files import user_key

JUNK = [
    b"[" * 3000, b'{"a":' * 3000, b"Infinity", b"NaN", b"1e400", b"1" + b"0" * 400, b"9" * 5000, b"null", b"true",
    b"-1", b'""', b"{}", b"[]", b"\xff\xfe", b"\0", b"\n", b"../../x", b"/x", b'"', b"'", b",", b":", b"=",
    b"inf", b"10000000",
]  # fmt: skip


def entry(result: str = "a.png") -> dict:
    origin = {"bytes": 10, "changed_ns": 1, "sha256": "0" * 64}
    return {"result": result, "bytes": 10, "sha256": "0" * 64, "origin": origin, "settings": {"level": 25}}


def corpus() -> dict[str, bytes]:
    """Kind to bytes; a journal is its lines as yet without signatures."""
    listed = DegradedFile("a.png", "0" * 64, 10, "jpeg-10/a.jpg", "0" * 64)
    lines = [
        {"schema": 2, "begun": entry()},
        {"schema": 2, "written": "a.png"},
        {"schema": 2, "begun": entry("b")},
    ]
    metadata = {
        "format_version": "1", "task": "jpeg", "preset": "x", "config": json.dumps({"features": 16}),
        "level_scale": json.dumps({"name": "quality", "low": 5, "high": 95, "offset": 1, "factor": -0.01}),
        "training": json.dumps({"steps": 3, "minutes": 1.5, "data": ["x"], "init": {"steps": 2}}), "licence": "",
    }  # fmt: skip
    state = io.BytesIO()
    torch.save({"model": {"a": torch.zeros(2, 3)}, "stand": {"step": 1}, "recipe": {"task": "jpeg"}}, state)
    return {
        "journal": b"\n".join(json.dumps(line).encode() for line in lines),
        "manifest": Manifest("jpeg", 0, {"gray": None}, {"magn": "1"}, {listed.result: listed}).to_bytes(),
        "config": b'task = "jpeg"\ndata = ["x"]\n[network]\nfeatures = 16\n[training]\nbatch = 2\n'
        b"milestones = [0.5]\n",
        "registry": b'[[checkpoint]]\ntask = "jpeg"\npreset = "x"\nfile = "a.safetensors"\nsize = 1\nsha256 = "'
        + b"0" * 64 + b'"\nfigures = { "Set12" = 30.1 }\n',
        "checkpoint": save({"a": torch.zeros(2, 3)}, metadata),
        "state": state.getvalue(),
    }  # fmt: skip


def broken(seed: int, documents: dict[str, bytes]) -> tuple[str, bytes]:
    """Return the kind and the bytes of the broken document that belongs to a seed."""
    dice = random.Random(seed)
    kind = list(documents)[seed % len(documents)]
    data = bytearray(documents[kind])
    for _ in range(dice.choice((1, 1, 2, 4))):
        _break(dice, data)
    if kind == "journal":
        # Signed, as if magn itself had written it: the parser has to stand alone.
        data = bytearray(b"\n".join(map(signed, bytes(data).split(b"\n"))))
    return kind, bytes(data)


def signed(line: bytes) -> bytes:
    key = user_key.user_key()
    assert key is not None
    return b'{"signature": "' + user_key.signature(key, b"{" + line[1:]) + b'", ' + line[1:]


def _break(dice: random.Random, data: bytearray) -> None:
    at = dice.randrange(len(data) + 1)
    match dice.randrange(6):
        case 0:
            del data[at:]
        case 1:
            data[at : at + dice.randrange(1, 20)] = b""
        case 2:
            data[at:at] = dice.choice(JUNK)
        case 3:
            data[at : at + 1] = bytes([dice.randrange(256)])
        case 4:
            _replace_value(dice, data)
        case _:
            start = dice.randrange(len(data) + 1)
            data[at:at] = data[start : start + dice.randrange(1, 60)]


def _replace_value(dice: random.Random, data: bytearray) -> None:
    """Put junk where a value stands, so that the rest stays well formed."""
    starts = [i for i, byte in enumerate(data) if byte in b":="]
    if starts:
        start = dice.choice(starts) + 1
        ends = [i for i in range(start, len(data)) if data[i] in b",}\n"] or [len(data)]
        data[start : ends[0]] = b" " + dice.choice(JUNK)
