"""Model cards for the Hugging Face Hub: a YAML header, then Markdown."""

from __future__ import annotations

from typing import Any

from huggingface_hub import EvalResult, ModelCardData

from magn_cli.tasks import get_task
from magn_cli.weights.metadata import Checkpoint

IDENTIFIERS = {"CC BY-SA 4.0": "cc-by-sa-4.0"}
"""The Hub's identifiers of licences."""


def model_card(about: Checkpoint, file: str, figures: dict[str, float], data: str, limits: str) -> str:
    """Return the text of a model card.

    Args:
        about: metadata of the checkpoint.
        file: name of the checkpoint's file.
        figures: measured PSNR in dB by test set and level, such as ``{"Set12 sigma 25": 30.11}``.
        data: a paragraph about the training data.
        limits: limits of the network, as Markdown.

    Raises:
        UsageError: the checkpoint's task is unknown.
    """
    name, task = f"{about.preset}-{about.task}", get_task(about.task)
    header = ModelCardData(
        license=IDENTIFIERS.get(about.licence, "other"),
        license_name=None if about.licence in IDENTIFIERS else about.licence or "not stated",
        library_name="magn",
        pipeline_tag="image-to-image",
        tags=["image-restoration", about.task, "graph-neural-network"],
        datasets=[str(folder) for folder in about.training.get("data", [])],
        metrics=["psnr"],
        model_name=name,
        eval_results=[_result(where, value) for where, value in figures.items()] or None,
    )
    recipe = about.training.get("recipe", {})
    options = recipe.get("training") or about.training.get("options", {})
    pairs = recipe.get("pairs", {})
    share, of_last = about.training.get("share_of_init", 0), ""
    if share > 0.5:
        # The recipe is that of the last run, here the smaller part of a mean.
        own = {option.name for option in task.pair_options}
        pairs = {name: value for name, value in pairs.items() if name not in own}
        of_last = f" of the last run, {1 - share:.0%} of the mean"
    rows = {
        "network": _network(about),
        **task.card_rows(about.scale, pairs),
        "trained": trained(about.training),
        f"optimizer{of_last}": f"{options.get('optimizer', 'adamw')}, "
        f"learning rate {options.get('learning_rate', 0):g}, {options.get('batch', 0)} crops of "
        f"{about.config.window}x{about.config.window} per step, "
        f"seed {options.get('seed', 0)}, {options.get('precision', 'fp32')}",
        f"command{of_last}": f"`{about.training.get('command', 'not recorded')}`",
        **({"resumed by": f"`{about.training['resumed']}`"} if about.training.get("resumed") else {}),
        "licence": about.licence,
    }
    table = "\n".join(f"| {key} | {value} |" for key, value in rows.items())
    measured = "\n".join(f"| {where} | {value:.2f} |" for where, value in figures.items())
    return f"""---
{header.to_yaml()}
---

# {name}

MAGN, a multi-level attention-guided graph network, in the preset `{about.preset}`.
It {task.summary}.

```sh
magn restore photo.png --task {about.task} --weights {file}
```

## How it was trained

{data}

| | |
|---|---|
{table}

The metadata of the file holds every setting of the last run, and what that run started from.

## Results

Mean PSNR in dB, measured by `magn eval` with protocol `paper`{", level given" if about.scale else ""}:

| test set | PSNR |
|---|---|
{measured or "| none yet | |"}

## Limits

{limits.strip()}
"""


def trained(training: dict[str, Any]) -> str:
    """Return the training history in words: ``16,000 steps in 125 minutes, then 7,000 in 60``."""
    runs: list[dict[str, Any]] = []
    run: dict[str, Any] | None = training
    while run:
        runs.insert(0, run)
        run = run.get("init")
    own = training.get("recipe", {}).get("task")
    parts: list[str] = []
    for run in runs:
        form = "{:,} in {:.0f}" if parts else "{:,} steps in {:.0f} minutes"
        words = form.format(run.get("steps", 0), run.get("minutes", 0.0))
        if run.get("device") == "cuda":
            words += " on a GPU"
        if run.get("task") not in (None, own):
            words += f" of {run['task']}"
        if other := run.get("sibling"):
            steps, minutes = other.get("steps", 0), other.get("minutes", 0.0)
            words += f", averaged with another run of {steps:,} in {minutes:.0f} from the same start"
            words += f" ({other['share']:.0%})"
        if share := run.get("share_of_init"):
            back = run.get("runs_back", 1)
            where = "before it" if back == 1 else f"{back} runs before"
            words += f", averaged with the weights {where} ({share:.0%} of these)"
        parts.append(words)
    return ", then ".join(parts)


def _result(where: str, value: float) -> EvalResult:
    dataset, _, level = where.partition(" ")
    return EvalResult(
        task_type="image-to-image",
        dataset_type=dataset.lower(),
        dataset_name=dataset,
        dataset_config=level or None,
        metric_type="psnr",
        metric_name="PSNR (dB)",
        metric_value=value,
    )


def _network(about: Checkpoint) -> str:
    from magn_cli.model import Magn

    config = about.config
    count = sum(parameter.numel() for parameter in Magn(config).parameters())
    blocks = "block" if config.graph_blocks == 1 else "blocks"
    stem = f"pixel-unshuffle {config.stem}, " if config.stem > 1 else ""
    return (
        f"{count:,} parameters: {stem}{config.blocks_before} + {config.blocks_after} residual blocks of "
        f"{config.features} channels, {config.graph_blocks} graph {blocks} ({' and '.join(config.graphs)} graph, "
        f"{config.heads} heads, patches of {config.patch_size}x{config.patch_size} nodes), graphs on windows of "
        f"{config.window}x{config.window} pixels"
    )
