"""Inspections as plain values for JSON; docs/inspect.md describes the fields."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from magn_cli.images import Kept
from magn_cli.inspection.facts import BrokenFile, Inspection, Noise, Plan
from magn_cli.version import __version__

SCHEMA = 1


def as_document(inspected: Sequence[Inspection | BrokenFile]) -> dict[str, Any]:
    """Return the document of ``magn inspect --json``."""
    return {
        "schema": SCHEMA,
        "magn": __version__,
        "photos": [_broken(one) if isinstance(one, BrokenFile) else _photo(one) for one in inspected],
    }


def _broken(file: BrokenFile) -> dict[str, Any]:
    width, height = file.size or (None, None)
    return {
        "path": str(file.path),
        "error": file.error,
        "detail": file.detail,
        "bytes": file.bytes,
        "format": file.format,
        "width": width,
        "height": height,
    }


def _photo(photo: Inspection) -> dict[str, Any]:
    jpeg, blocks, raw, exif = photo.jpeg, photo.blocks, photo.raw, photo.exif
    return {
        "path": str(photo.path),
        "error": None,
        "bytes": photo.bytes,
        "format": photo.format,
        "width": photo.size[0],
        "height": photo.size[1],
        "bits": photo.bits,
        "colours": photo.colours,
        "orientation": photo.orientation,
        "profile": photo.profile,
        "metadata": list(photo.metadata),
        "exif": exif
        and {"camera": exif.camera, "taken": exif.taken, "iso": exif.iso, "has_location": exif.has_location},
        "kept": {format: _kept(kept) for format, kept in photo.kept.items()},
        "compression": jpeg and {"quality": jpeg.quality, "exact": jpeg.is_exact, "subsampling": jpeg.subsampling},
        "blocks": blocks
        and {"contrast": round(blocks.contrast, 3), "corner": list(blocks.corner), "shown": blocks.shown},
        "noise": photo.noise and _noise(photo.noise),
        "raw": raw and {"pattern": raw.pattern, "blacks": raw.blacks and list(raw.blacks), "white": raw.white},
        "plan": _plan(photo.plan),
        "remarks": list(photo.remarks),
    }


def _kept(kept: Kept | str) -> dict[str, Any]:
    if isinstance(kept, str):
        return {"error": kept}
    return {
        "error": None,
        "bits": kept.bits,
        "kept": list(kept.parts),
        "lost": list(kept.lost),
        "remarks": list(kept.remarks),
    }


def _noise(noise: Noise) -> dict[str, Any]:
    grain = noise.grain
    return {
        "sigma": round(noise.sigma, 2),
        "kind": None if grain is None else "coarse" if grain.is_coarse else "white",
        "ratio_luma": None if grain is None else round(grain.luma, 2),
        "ratio_chroma": None if grain is None or grain.chroma is None else round(grain.chroma, 2),
        "by_brightness": [
            {
                "low": low,
                "high": high,
                "share": round(share, 3),
                "sigma": None if sigma is None else round(sigma, 2),
            }
            for low, high, share, sigma in noise.by_brightness()
        ],
    }


def _plan(plan: Plan) -> dict[str, Any]:
    expected = plan.forecast
    seconds = None if expected is None else expected.seconds
    return {
        "task": plan.task,
        "level": plan.level.level,
        "strength": plan.level.strength,
        "how": plan.words,
        "claims": {
            task: {"need": claim.need.name.lower(), "level": claim.found.level, "how": claim.found.how}
            for task, claim in plan.claims.items()
        },
        "seconds": None if seconds is None else round(seconds, 1),
        "memory": None if expected is None else expected.memory,
        "no_forecast": plan.no_forecast,
    }
