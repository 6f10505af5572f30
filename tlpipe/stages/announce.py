"""The first lines of a run: on what, in which precision, and where the results go."""

from __future__ import annotations

import keras

from tlpipe.pipeline.run import Run
from tlpipe.training.device import describe_device, resolve


def announce(run: Run) -> None:
    """Tells device, backend, precision, batch size and run folder before anything starts."""
    stages = run.pipeline.stages
    run.folder.mkdir(parents=True, exist_ok=True)
    run.say(f"device     {describe_device()}, backend {keras.backend.backend()}")
    if "backbone" in stages:
        precision = resolve(stages["backbone"].precision)
        run.say(f"precision  {precision.policy} ({precision.reason})")
    sizes = {stages[name].batch_size for name in ("head", "unfreeze") if name in stages}
    if sizes:
        run.say(f"batch size {', '.join(map(str, sorted(sizes)))}, seed {run.seed}")
    run.say(f"results    {run.folder}")
