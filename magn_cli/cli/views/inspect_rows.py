"""An inspection in words: the rows of a panel, and the cells of a table."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from magn_cli.tasks import get_task

if TYPE_CHECKING:
    from magn_cli.images import Kept
    from magn_cli.inspection import BrokenFile, Inspection, Noise, Plan

_TURNS = {
    2: "mirrored",
    3: "rotated by 180 degrees",
    4: "mirrored upside down",
    5: "mirrored and rotated",
    6: "rotated by 90 degrees clockwise",
    7: "mirrored and rotated",
    8: "rotated by 90 degrees counterclockwise",
}
"""How a picture was turned, by the orientation that its file states."""

_BLOCKS = {"yes": "show", "hardly": "hardly show", "no": "do not show"}
_SUBSAMPLINGS = {"4:4:4": "full colour resolution", "4:0:0": "gray"}
_NEEDS = {"none": "not needed", "present": "needed as well, but less", "dominant": "needed as well"}
_FORMATS = {"WEBP": "WebP", "RAW": "camera raw"}


def of_photo(photo: Inspection) -> Iterator[tuple[str, str]]:
    """Yield the rows of a panel."""
    width, height = photo.size
    yield "File", f"{_format(photo.format)}, {_bytes(photo.bytes)}"
    turned = _TURNS.get(photo.orientation)
    depth = "32-bit float" if photo.bits == 32 else f"{photo.bits}-bit"
    alpha = " with alpha" if "alpha" in photo.metadata else ""
    megapixels = f"{photo.megapixels:.{1 if photo.megapixels >= 0.1 else 3}f} MP"
    yield "Picture", f"{width} x {height} ({megapixels}), {depth} {photo.colours}{alpha}"
    if turned:
        yield "Orientation", f"{turned}, as its metadata say (orientation {photo.orientation})"
    yield "Profile", _profile(photo)
    yield from _metadata(photo)
    if photo.jpeg is not None:
        how = "" if photo.jpeg.is_exact else " or so (its tables are not libjpeg's)"
        chroma = _SUBSAMPLINGS.get(photo.jpeg.subsampling, "reduced colour resolution")
        yield "JPEG", f"quality {photo.jpeg.quality}{how}, {photo.jpeg.subsampling} ({chroma})"
    if photo.blocks is not None:
        shown, (row, column) = photo.blocks.shown, photo.blocks.corner
        where = f", from row {row} and column {column}" if shown != "no" and (row or column) else ""
        yield "Blocks", f"8x8 blocks {_BLOCKS[shown]} (contrast {photo.blocks.contrast:.2f}){where}"
    if photo.noise is not None:
        yield from _noise(photo.noise)
    if photo.raw is not None:
        yield "Sensor", f"pattern {photo.raw.pattern}{_levels(photo.raw.blacks, photo.raw.white)}"
    yield from _plan(photo.plan)
    for remark in photo.remarks:
        yield "Note", remark


def of_broken(file: BrokenFile) -> Iterator[tuple[str, str]]:
    """Yield the rows of a panel for a file that cannot be read."""
    size = "" if file.bytes is None else _bytes(file.bytes)
    if file.format or size:
        yield "File", ", ".join([_format(file.format or "no picture"), *([size] if size else [])])
    if file.size:
        yield "Picture", f"{file.size[0]} x {file.size[1]}, as its header says"
    yield file.kind.capitalize(), file.error
    if file.detail:
        yield "Decoder", file.detail


def of_table(photo: Inspection) -> list[str]:
    """Return the cells of a table."""
    expected = photo.plan.forecast
    seconds = None if expected is None else expected.seconds
    kind = "" if photo.noise is None or photo.noise.grain is None else _kind(photo.noise)
    return [
        str(photo.path),
        _format(photo.format),
        f"{photo.size[0]} x {photo.size[1]}",
        str(photo.bits),
        str(photo.jpeg.quality) if photo.jpeg else "",
        f"{photo.blocks.contrast:.2f}" if photo.blocks else "",
        f"{photo.noise.sigma:.1f} {kind}".rstrip() if photo.noise else "",
        photo.plan.task or "none",
        "" if seconds is None else duration(seconds),
    ]


def duration(seconds: float) -> str:
    """Return a time to two digits at most: it is a forecast."""
    from magn_cli.batch import in_words

    return "1 s" if seconds < 1 else in_words(float(f"{seconds:.1e}"))


def _profile(photo: Inspection) -> str:
    if photo.format == "RAW":
        return "none yet; the result will be sRGB"
    if photo.profile is None:
        return "none; colours count as sRGB"
    return photo.profile or "without a name"


def _metadata(photo: Inspection) -> Iterator[tuple[str, str]]:
    exif = photo.exif
    if not photo.metadata:
        yield "Metadata", "none"
        return
    facts = [] if exif is None else [exif.camera, exif.taken, f"ISO {exif.iso}" if exif.iso else None]
    facts += ["with location"] if exif and exif.has_location else []
    told = f" ({', '.join(fact for fact in facts if fact)})" if any(facts) else ""
    yield "Metadata", ", ".join(f"EXIF{told}" if part == "EXIF" else part for part in photo.metadata)
    # Formats of which the same can be said share a line.
    formats: dict[str, list[str]] = {}
    for format, kept in photo.kept.items():
        formats.setdefault(_kept(kept, photo.bits), []).append(_format(format))
    for number, (words, named) in enumerate(formats.items()):
        yield "" if number else "Kept", f"as {', '.join(named)}: {words}"


def _kept(kept: Kept | str, bits: int) -> str:
    if isinstance(kept, str):
        return kept
    lost = f"all but {', '.join(kept.lost)}" if kept.lost else "all"
    return f"{lost}, but only {kept.bits} bits" if kept.bits < bits else lost


def _noise(noise: Noise) -> Iterator[tuple[str, str]]:
    if noise.grain is None:
        yield "Noise", f"sigma {noise.sigma:.1f}"
        return
    kind = {"coarse": "coarse: blotches of several pixels", "white": "white: fine, pixel by pixel"}[_kind(noise)]
    yield "Noise", f"sigma {noise.sigma:.1f}, {kind}"
    ranges = [
        f"{255 * low:.0f}-{255 * high:.0f}: {sigma:.1f}"
        for low, high, _, sigma in noise.by_brightness()
        if sigma is not None
    ]
    if len(ranges) > 1:
        yield "", f"about, by brightness (0-255): {', '.join(ranges)}"


def _kind(noise: Noise) -> str:
    return "coarse" if noise.grain is not None and noise.grain.is_coarse else "white"


def _levels(blacks: tuple[float, ...] | None, white: float | None) -> str:
    if blacks is None or white is None:
        return "; the samples are those of a photo already"
    level = f"{blacks[0]:g}" if len(set(blacks)) == 1 else " ".join(f"{black:g}" for black in blacks)
    return f", black {level}, white {white:g}"


def _plan(plan: Plan) -> Iterator[tuple[str, str]]:
    yield "magn restore", f"{plan.task}, {plan.words}" if plan.task else plan.words
    for task, claim in plan.claims.items():
        if plan.task not in (None, task):
            level = get_task(task).level_words(claim.found.level)
            why = ", ".join(filter(None, [level, claim.found.how]))
            yield "", f"{task}: {_NEEDS[claim.need.name.lower()]}{f' ({why})' if why else ''}"
    expected = plan.forecast
    if expected is not None:
        memory = f"about {_bytes(float(f'{expected.memory:.1e}'))} of memory"
        if expected.seconds is None:
            yield "Expected", memory
        else:
            from magn_cli.inference.forecast import START

            yield (
                "Expected",
                (f"about {duration(expected.seconds)} on this CPU, and {START:.0f} s to start; {memory}"),
            )
    elif plan.no_forecast:
        yield "Expected", plan.no_forecast


def _bytes(count: float) -> str:
    for limit, unit in ((10**9, "GB"), (10**6, "MB"), (10**3, "KB")):
        if count >= limit:
            return f"{count / limit:.{1 if count < 100 * limit else 0}f} {unit}"
    return f"{count:.0f} bytes"


def _format(name: str) -> str:
    return _FORMATS.get(name, name)
