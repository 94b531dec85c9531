"""The tests mirror the folders of the package; ``support`` has shared code."""
