"""A task that is one file: photographs that are too dark."""

from typing import ClassVar

from magn_cli import images
from magn_cli.tasks import FoundLevel, LevelScale, Option, Task


def _share(level, keep):
    """Share of the light that remains."""
    return keep + (1 - keep) * (1 - level / 100)


class Brighten(Task):
    """Undo that a photo was darkened; level: by how many percent."""

    name = "brighten"
    title = "Brightening"
    summary = "brightens dark photographs"
    scale = LevelScale("darkness", 0, 100, offset=0.0, factor=0.01)
    whole_levels = True
    levels = (30, 60)
    degrade_options = (Option("keep", 0.1, "Share of the light that is always left.", low=0.01, high=1),)
    pair_options = degrade_options
    restore_options = (Option("before", 1.0, "What the light is multiplied by first.", low=0, high=1),)
    baselines: ClassVar = {"triple": lambda dark, level: (3 * dark).clip(0, 1)}

    def degrade(self, clean, level, rng, **options):
        return clean * clean.dtype.type(_share(level, options.get("keep", 0.1)))

    def training_options(self, rng, pairs):
        return {"keep": pairs.own["keep"]}

    def find_level(self, photo):
        return FoundLevel(
            round(100 - 100 * float(images.to_float(photo.pixels).max())), "from the brightest pixel"
        )

    def network_input(self, pixels, **options):
        return super().network_input((pixels * options.get("before", 1.0)).astype(pixels.dtype))

    def card_rows(self, scale, pairs):
        return {**super().card_rows(scale, pairs), "light kept": f"{pairs['keep']:.0%}"}
