"""Every knob of every stage: one pydantic model a stage, unknown keys refused."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    field_validator,
    model_validator,
)

Fraction = Annotated[float, Field(ge=0, lt=1)]
Positive = Annotated[float, Field(gt=0)]
Unfreeze = Annotated[int, Field(ge=0)] | str


def _listed(value: Any) -> Any:
    """One number, or several in a text with commas, as a list."""
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    return [value] if isinstance(value, int) else value


# Any number of positive numbers; on the command line 256 or 512,128.
Several = Annotated[tuple[Annotated[int, Field(ge=1)], ...], BeforeValidator(_listed)]

# Any number of words; on the command line onnx or onnx,litert.
Names = Annotated[tuple[str, ...], BeforeValidator(_listed)]


# A bare `off` is false in YAML.
_Off = BeforeValidator(lambda value: "off" if value is False else value)
CachedViews = Annotated[Literal["auto", "off"] | Annotated[int, Field(ge=1, le=64)], _Off]
KeptSide = Annotated[Literal["auto", "off"] | Annotated[int, Field(ge=16, le=4096)], _Off]


class Settings(BaseModel):
    """A frozen, closed set of values: what is not declared is an error."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        validate_default=True,
        # A folder may be called 2024, which is a number in YAML.
        coerce_numbers_to_str=True,
    )


class Scan(Settings):
    """Reads and decodes every picture once; names the bad ones and the duplicates."""

    data: str | None = Field(
        None, description="folder with one sub-folder a class, a CSV (path,label), or tfds:NAME"
    )
    label: str | None = Field(
        None, description="column of the CSV, or feature of the TFDS data set, that is the label"
    )
    target: Literal["class", "labels", "number"] = Field(
        "class",
        description="what a label is: one class; several names joined by |, or none; a number",
    )
    duplicates: bool = Field(True, description="look for near duplicates, not only exact ones")
    channels: Annotated[int, Field(ge=1, le=1024)] = Field(
        3, description="3: RGB, 1: gray, else arrays (.npy, TIFF) of so many channels"
    )
    low: float = Field(0.0, description="the sample of an array that becomes 0 ...")
    high: float = Field(255.0, description="... and the one that becomes 255")

    @model_validator(mode="after")
    def _is_a_range(self):
        if not self.low < self.high:
            raise ValueError(f"low ({self.low:g}) must be below high ({self.high:g})")
        return self


class Split(Settings):
    """Deals the pictures to train, validation and test: stratified, seeded, leak-proof."""

    train: Fraction = 0.70
    val: Annotated[float, Field(gt=0, lt=1)] = 0.15
    test: Fraction = 0.15
    group: str | None = Field(
        None,
        description="regular expression on the path; pictures with equal matches stay together",
    )
    seed: Annotated[int, Field(ge=0, lt=2**31)] | None = Field(
        None, description="of the split alone; the run's seed when empty"
    )

    @model_validator(mode="after")
    def _is_a_regular_expression(self):
        try:
            re.compile(self.group or "")
        except re.error as error:
            raise ValueError(f"group = {self.group!r} is no regular expression: {error}") from None
        return self

    @model_validator(mode="after")
    def _sums_to_one(self):
        if abs(self.train + self.val + self.test - 1) > 1e-6:
            raise ValueError(
                f"train + val + test is {self.train + self.val + self.test:g}; it must be 1"
            )
        return self


class Backbone(Settings):
    """Loads the pretrained network and finds its blocks."""

    name: str = Field("efficientnet_lite0", description="see `tlpipe backbones`")
    weights: str = Field("auto", description="auto, bundled, imagenet, none, or a file")
    resolution: Annotated[int, Field(ge=16, le=2048)] | None = Field(
        None, description="side of the input in pixels; the backbone's own when empty"
    )
    precision: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    devices: Literal["all"] | Annotated[int, Field(ge=1)] = Field(
        1, description="GPUs of this machine that train together: how many, or all"
    )


class Prepare(Settings):
    """How a picture becomes an input: the resize, and the augmentation of the training part."""

    resize: Literal["crop", "pad", "squash"] = Field(
        "crop", description="how a picture that is not square is made square"
    )
    augment: str = Field("light", description="none, light, medium, strong, or a pipeline file")
    strength: Annotated[float, Field(gt=0, le=2)] = 1.0
    views: Annotated[int, Field(ge=1, le=1000)] | None = Field(
        None, description="augmented views a picture has in all; empty: as the cache has it"
    )
    cache: CachedViews = Field(
        "auto", description="activation cache: auto, off, or how many views a picture it keeps"
    )
    pictures: KeptSide = Field(
        "auto",
        description="decoded training pictures kept when nothing is frozen: off, their short side "
        "in pixels, or auto (8/7 of the input)",
    )
    cache_dtype: Literal["float16", "float32"] = "float16"
    cache_size: Positive = Field(20.0, description="GB all activation caches together may take")
    boundaries: tuple[Unfreeze, ...] = Field(
        (), description="further values of unfreeze.blocks to cache for on the way, for other runs"
    )


class Training(Settings):
    """What steps two and three have in common."""

    epochs: Annotated[int, Field(ge=1)] = 8
    batch_size: Annotated[int, Field(ge=1)] = 32
    optimizer: Literal["adamw", "sgd"] = Field(
        "adamw", description="AdamW, or SGD with Nesterov momentum, which wants a higher rate"
    )
    learning_rate: Positive = 1e-3
    warmup: Annotated[float, Field(ge=0, le=1)] = Field(
        0.1, description="share of the steps in which the rate rises from zero"
    )
    weight_decay: Annotated[float, Field(ge=0)] = 1e-4
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.05
    clip_norm: Positive | None = 1.0
    patience: Annotated[int, Field(ge=1)] = Field(
        5, description="epochs without a better validation score before stopping"
    )
    monitor: Literal["loss", "accuracy", "auc", "mae"] = Field(
        "loss", description="the validation score that picks the best epoch"
    )
    loss: Literal["huber", "mse"] = Field(
        "huber", description="of a number; classes and labels have cross-entropy"
    )
    balance: bool = Field(False, description="weigh the classes by one over their frequency")


class Head(Training):
    """Step two: a new head on the frozen backbone."""

    # Of 1e-3, 2e-3, 4e-3 and 8e-3 the best on validation, on 276 and on 1,837 training pictures.
    learning_rate: Positive = 4e-3
    dropout: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.2, description="share of its input that each dense layer must do without in training"
    )
    pool: Literal["avg", "max", "both", "l2", "gem", "spp", "netvlad"] = Field(
        "avg", description="how the feature map becomes one vector"
    )
    levels: Several = Field(
        (1, 2, 4), min_length=1, description="of spp: cells along a side at each level"
    )
    clusters: Annotated[int, Field(ge=2, le=1024)] = Field(
        16, description="of netvlad: centres that the local features are compared with"
    )
    hidden: Several = Field(
        (), description="units of each hidden dense layer, for example 256 or 512,128"
    )
    l1: Annotated[float, Field(ge=0)] = Field(
        0.0, description="penalty on the dense kernels' absolute values, part of the training loss"
    )
    l2: Annotated[float, Field(ge=0)] = Field(
        0.0, description="penalty on the dense kernels' squares, part of the training loss"
    )

    @field_validator("levels")
    @classmethod
    def _are_different(cls, levels):
        if len(set(levels)) < len(levels):
            raise ValueError("it names a level twice")
        return levels


class UnfreezeSettings(Training):
    """Step three: the top blocks, at a very low rate."""

    blocks: Unfreeze = Field(
        3, description="how many blocks from the top, a block's name, all, none"
    )
    learning_rate: Positive = 1e-4
    layer_decay: Annotated[float, Field(gt=0, le=1)] = Field(
        0.8, description="factor on the learning rate for each block further from the head"
    )
    batch_norm: bool = Field(False, description="let BatchNorm of the unfrozen blocks learn too")
    pause: Annotated[int, Field(ge=1)] | None = Field(
        None,
        description="stop after so many epochs of a schedule made for all; for hyperband's trials",
    )


class Select(Settings):
    """Did unfreezing help? Keeps the simpler model when it did not, and writes model.keras."""

    on_tie: Literal["head", "unfrozen"] = "head"
    score: Literal["auto", "log_loss", "accuracy", "auc", "mae"] = Field(
        "auto", description="what tells; auto: log_loss, or mae of a number"
    )


class Evaluate(Settings):
    """The saved model on the validation part and, once, on the test part."""

    resamples: Annotated[int, Field(ge=100)] = 1000
    above: float | None = Field(
        None, description="of a number: how well it tells what is above this from what is not"
    )


class Report(Settings):
    """Plots and the model card."""


class Export(Settings):
    """Writes the model in other formats; each must agree with it on real pictures."""

    formats: Names = Field(
        ("onnx",), min_length=1, description="savedmodel, onnx, litert, keras; several with commas"
    )
    quantize: Names = Field(
        (), description="onnx: float16; litert: dynamic, int8; none: also the model as it is"
    )
    calibrated: bool = Field(
        False, description="bake the temperature in: same class, more honest probabilities"
    )
    pictures: Annotated[int, Field(ge=1)] = Field(
        200, description="test pictures that an export is compared with the model on"
    )
    calibration: Annotated[int, Field(ge=1)] = Field(
        100, description="training pictures that int8 takes its ranges from"
    )
    # Rounding alone gave at most 4e-6 in any runtime; a wrong layer gives more than 1e-2.
    difference: Positive = Field(
        1e-4, description="largest difference of a probability that an export may have"
    )
    # Rounding nothing but EfficientNet-Lite0's weights to float16 moved a probability by 8.5e-3.
    difference_float16: Positive = Field(2e-2, description="... and in float16")
    # Few bits move probabilities near 0.5 by a tenth and more; what counts is who is right.
    loss: Fraction = Field(
        0.01, description="accuracy that a quantized export may lose, but always one picture"
    )


STAGE_SETTINGS: dict[str, type[Settings]] = {
    "scan": Scan,
    "split": Split,
    "backbone": Backbone,
    "prepare": Prepare,
    "head": Head,
    "unfreeze": UnfreezeSettings,
    "select": Select,
    "evaluate": Evaluate,
    "report": Report,
    "export": Export,
}
# Of a pipeline that does not ask for them.
OPTIONAL_STAGES = ("export",)


class Pipeline(Settings):
    """A pipeline file: a seed, and the stages in the order they run."""

    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    stages: dict[str, Settings]
