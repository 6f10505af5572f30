"""``tlpipe finetune``: the three-step recipe on a folder of pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from typer import Option

from tlpipe.cli.shared import Data, DryRun, Label, Out, Seed, Set, start
from tlpipe.errors import ConfigError

EPILOG = """
[bold]Examples[/bold]

tlpipe finetune --data photos/

tlpipe finetune --data photos/ --unfreeze 2 --augment medium --balance

tlpipe finetune --data photos/ --backbone resnet50 --weights resnet50_notop.h5

tlpipe finetune --data labels.csv --label species

tlpipe finetune --data tfds:oxford_flowers102

tlpipe finetune --from searches/photos --data more_photos/

tlpipe finetune --data photos/ --group '(patient\\d+)' --set head.dropout=0.4 --dry-run
"""

# Each flag is a shorthand for these settings of the pipeline.
SHORTHANDS = {
    "data": ("scan.data",),
    "label": ("scan.label",),
    "target": ("scan.target",),
    "backbone": ("backbone.name",),
    "weights": ("backbone.weights",),
    "resolution": ("backbone.resolution",),
    "precision": ("backbone.precision",),
    "devices": ("backbone.devices",),
    "augment": ("prepare.augment",),
    "group": ("split.group",),
    "pool": ("head.pool",),
    "hidden": ("head.hidden",),
    "unfreeze": ("unfreeze.blocks",),
    "head_epochs": ("head.epochs",),
    "unfreeze_epochs": ("unfreeze.epochs",),
    "batch_size": ("head.batch_size", "unfreeze.batch_size"),
    "balance": ("head.balance", "unfreeze.balance"),
    "cache": ("prepare.cache",),
    "cache_size": ("prepare.cache_size",),
}


def register(app: typer.Typer) -> None:
    """Adds the command to the application."""
    app.command("finetune", epilog=EPILOG)(finetune)


def finetune(
    data: Data = None,
    label: Label = None,
    from_: Annotated[
        Path | None, Option("--from", help="A search's folder: its best recipe, not the defaults.")
    ] = None,
    target: Annotated[
        str | None, Option(help="class, labels or number. \\[default: class]")
    ] = None,
    out: Out = None,
    seed: Seed = None,
    backbone: Annotated[
        str | None, Option(help="See `tlpipe backbones`. \\[default: efficientnet_lite0]")
    ] = None,
    weights: Annotated[
        str | None,
        Option(help="auto, bundled, imagenet, none, or a file. \\[default: auto]"),
    ] = None,
    resolution: Annotated[
        int | None, Option(help="Side of the input in pixels. \\[default: the backbone's own]")
    ] = None,
    unfreeze: Annotated[
        str | None,
        Option(help="Blocks from the top, a block's name, all, none. \\[default: 3]"),
    ] = None,
    augment: Annotated[
        str | None,
        Option(help="none, light, medium, strong, or a pipeline file. \\[default: light]"),
    ] = None,
    pool: Annotated[
        str | None,
        Option(help="avg, max, both, l2, gem, spp or netvlad. \\[default: avg]"),
    ] = None,
    hidden: Annotated[
        str | None,
        Option(help="Units of hidden dense layers, as 256 or 512,128. \\[default: none]"),
    ] = None,
    head_epochs: Annotated[
        int | None, Option(help="Epochs with the backbone frozen. \\[default: 8]")
    ] = None,
    unfreeze_epochs: Annotated[
        int | None,
        Option(help="Epochs with the top blocks unfrozen. \\[default: 8]"),
    ] = None,
    batch_size: Annotated[
        int | None, Option(help="Pictures a training step. \\[default: 32]")
    ] = None,
    balance: Annotated[
        bool | None, Option("--balance/--no-balance", help="Weigh rare classes more.")
    ] = None,
    group: Annotated[
        str | None, Option(help="Regular expression: pictures with equal matches stay together.")
    ] = None,
    precision: Annotated[
        str | None,
        Option(help="auto, float32, bfloat16 or float16. \\[default: auto]"),
    ] = None,
    devices: Annotated[
        str | None,
        Option(help="GPUs that train together, or all. \\[default: 1]"),
    ] = None,
    cache: Annotated[
        str | None,
        Option(help="Augmented views kept: auto, off, or a number. \\[default: auto]"),
    ] = None,
    cache_size: Annotated[
        float | None,
        Option(help="GB all caches together may take. \\[default: 20.0]"),
    ] = None,
    top: Annotated[
        int | None,
        Option(min=2, help="With --from: average the weights of so many of its best; no training."),
    ] = None,
    set_: Set = None,
    dry_run: DryRun = False,
) -> None:
    """Fine-tune a pretrained backbone on your pictures, score it, and write the run folder."""
    given = {
        "data": data,
        "label": label,
        "target": target,
        "backbone": backbone,
        "weights": weights,
        "resolution": resolution,
        "precision": precision,
        "devices": devices,
        "augment": augment,
        "group": group,
        "pool": pool,
        "hidden": hidden,
        "unfreeze": unfreeze,
        "head_epochs": head_epochs,
        "unfreeze_epochs": unfreeze_epochs,
        "batch_size": batch_size,
        "balance": balance,
        "cache": cache,
        "cache_size": cache_size,
    }
    from tlpipe.config.load import FINETUNE, read_yaml
    from tlpipe.config.search import BEST

    values = [
        (key, value)
        for flag, value in given.items()
        if value is not None
        for key in SHORTHANDS[flag]
    ]
    if data is None and from_ is None:
        raise ConfigError(
            "No pictures were named.", todo="give them with --data: a folder, a CSV, or tfds:NAME"
        )
    if top is not None:
        others = {"seed": seed, "set": set_, "dry_run": dry_run or None}
        return _average(from_, top, out, {**given, **others})
    source = FINETUNE if from_ is None else read_yaml(from_ / BEST, "finished search's recipe")
    start(source, values=values, seed=seed, assignments=set_, out=out, dry_run=dry_run)


def _average(search: Path | None, top: int, out: str | None, given: dict[str, object]) -> None:
    flags = [f"--{name.replace('_', '-')}" for name, value in given.items() if value is not None]
    if search is None or flags:
        raise ConfigError(
            "--top averages what a search has trained, and trains nothing.",
            cause=f"{flags[0]} is for training" if flags else "no search was named",
            todo="write `tlpipe finetune --from SEARCH --top N`",
        )
    from rich.console import Console

    from tlpipe.backend import import_backend

    import_backend()
    from tlpipe.search.average import average

    average(search, top, Path(out) if out else search / f"top-{top}", Console())
