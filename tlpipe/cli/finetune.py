"""``tlpipe finetune``: the three-step recipe on a folder of pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from typer import Option

from tlpipe.cli.shared import Data, DryRun, Label, Out, Seed, Set, start
from tlpipe.config.settings import Backbone, Head, Prepare, Scan, Settings, UnfreezeSettings
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


def _with_default(text: str, settings: type[Settings], name: str) -> str:
    return rf"{text} \[default: {settings.model_fields[name].default}]"


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
        str | None, Option(help=_with_default("class, labels or number.", Scan, "target"))
    ] = None,
    out: Out = None,
    seed: Seed = None,
    backbone: Annotated[
        str | None, Option(help=_with_default("See `tlpipe backbones`.", Backbone, "name"))
    ] = None,
    weights: Annotated[
        str | None,
        Option(
            help=_with_default("auto, bundled, imagenet, none, or a file.", Backbone, "weights")
        ),
    ] = None,
    resolution: Annotated[
        int | None, Option(help="Side of the input in pixels. \\[default: the backbone's own]")
    ] = None,
    unfreeze: Annotated[
        str | None,
        Option(
            help=_with_default(
                "Blocks from the top, a block's name, all, none.", UnfreezeSettings, "blocks"
            )
        ),
    ] = None,
    augment: Annotated[
        str | None,
        Option(
            help=_with_default(
                "none, light, medium, strong, or a pipeline file.", Prepare, "augment"
            )
        ),
    ] = None,
    pool: Annotated[
        str | None,
        Option(help=_with_default("avg, max, both, l2, gem, spp or netvlad.", Head, "pool")),
    ] = None,
    hidden: Annotated[
        str | None,
        Option(help="Units of hidden dense layers, as 256 or 512,128. \\[default: none]"),
    ] = None,
    head_epochs: Annotated[
        int | None, Option(help=_with_default("Epochs with the backbone frozen.", Head, "epochs"))
    ] = None,
    unfreeze_epochs: Annotated[
        int | None,
        Option(
            help=_with_default("Epochs with the top blocks unfrozen.", UnfreezeSettings, "epochs")
        ),
    ] = None,
    batch_size: Annotated[
        int | None, Option(help=_with_default("Pictures a training step.", Head, "batch_size"))
    ] = None,
    balance: Annotated[
        bool | None, Option("--balance/--no-balance", help="Weigh rare classes more.")
    ] = None,
    group: Annotated[
        str | None, Option(help="Regular expression: pictures with equal matches stay together.")
    ] = None,
    precision: Annotated[
        str | None,
        Option(help=_with_default("auto, float32, bfloat16 or float16.", Backbone, "precision")),
    ] = None,
    devices: Annotated[
        str | None,
        Option(help=_with_default("GPUs that train together, or all.", Backbone, "devices")),
    ] = None,
    cache: Annotated[
        str | None,
        Option(
            help=_with_default("Augmented views kept: auto, off, or a number.", Prepare, "cache")
        ),
    ] = None,
    cache_size: Annotated[
        float | None,
        Option(help=_with_default("GB all caches together may take.", Prepare, "cache_size")),
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
