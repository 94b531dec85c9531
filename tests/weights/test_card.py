"""Model cards: the header for the Hub, and the training record."""

import yaml

from magn_cli.weights.card import model_card, trained
from magn_cli.weights.checkpoint import load_checkpoint
from magn_cli.weights.registry import entries


def test_every_checkpoint_of_the_registry_has_a_card_the_hub_can_read():
    there = [entry for entry in entries() if entry.path]
    assert len(there) >= 3
    for entry in there:
        about = load_checkpoint(entry.path)[1]
        card = model_card(about, entry.file, entry.figures, "Some photographs.", "Much.")
        _, header, text = card.split("---\n", 2)
        values = yaml.safe_load(header)
        assert values["license"] == "cc-by-sa-4.0" and values["metrics"] == ["psnr"] and values["datasets"]
        results = values["model-index"][0]["results"]
        assert {r["metrics"][0]["value"] for r in results} == set(entry.figures.values())
        assert about.training["command"] in text and f"--weights {entry.file}" in text
        assert trained(about.training) == entry.trained


def test_how_far_it_was_trained_names_every_run():
    first = {"steps": 16000, "minutes": 125.0, "task": "denoise"}
    second = {"steps": 500, "minutes": 4.2, "task": "jpeg", "init": first, "share_of_init": 0.3}
    third = {"steps": 900, "minutes": 2.0, "task": "jpeg", "init": second, "device": "cuda"}
    last = {"steps": 7000, "minutes": 61.0, "recipe": {"task": "jpeg"}, "init": third, "device": "cpu"}
    last |= {"share_of_init": 0.6, "runs_back": 2}
    last |= {"sibling": {"steps": 4000, "minutes": 33.3, "share": 0.25}}
    assert trained(last) == (
        "16,000 steps in 125 minutes of denoise, then 500 in 4, averaged with the weights before it "
        "(30% of these), then 900 in 2 on a GPU, then 7,000 in 61, averaged with another run of 4,000 in 33 from "
        "the same start (25%), averaged with the weights 2 runs before (60% of these)"
    )
