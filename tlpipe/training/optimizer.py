"""AdamW and SGD with a rate for each block, and the schedule of one training step."""

from __future__ import annotations

from collections.abc import Mapping

import keras

from tlpipe.config.settings import Training
from tlpipe.training.devices import ONE, OneDevice


class _Blockwise:
    """Gives an optimizer decoupled weight decay and a learning rate variable by variable.

    Scaling the rate down for blocks far from the head is layer-wise decay (Howard & Ruder 2018).
    Biases and normalisation scales are not decayed.

    Args:
        learning_rate: a rate or a schedule.
        decoupled_decay: weight decay in one step, before it is multiplied with the rate.
        scales: factor on the rate by ``variable.path``; 1 where absent.
        clip_norm: bound on the norm of the whole gradient, or None.
        devices: where the step trains.
    """

    def __init__(
        self,
        learning_rate,
        *,
        decoupled_decay: float,
        scales: Mapping[str, float],
        clip_norm: float | None,
        devices: OneDevice = ONE,
        **own,
    ):
        super().__init__(learning_rate=learning_rate, global_clipnorm=clip_norm, **own)
        self._decoupled_decay = decoupled_decay
        self._scales = dict(scales)
        self._factors: list[float] = []
        self._devices = devices

    def build(self, variables):
        """Makes the moments, and looks up the factor of each variable."""
        super().build(variables)
        self._factors = [self._scales.get(variable.path, 1.0) for variable in variables]

    def update_step(self, gradient, variable, learning_rate):
        """One update of one variable at its own rate, decay first."""
        # By position: what TensorFlow passes here is its own variable, which has no path.
        factor = self._factors[self._get_variable_index(variable)]
        rate = keras.ops.cast(learning_rate, variable.dtype) * factor
        if self._decoupled_decay and len(variable.shape) > 1:
            self.assign_sub(variable, variable * (rate * self._decoupled_decay))
        super().update_step(gradient, variable, rate)

    def _clip_gradients(self, grads):
        return self._devices.clipped(super()._clip_gradients, grads)


class BlockwiseAdamW(_Blockwise, keras.optimizers.Adam):
    """AdamW (Loshchilov & Hutter 2019) with a rate for each block."""


class BlockwiseSGD(_Blockwise, keras.optimizers.SGD):
    """SGD with Nesterov momentum (Sutskever et al. 2013) and a rate for each block."""


def build_optimizer(
    settings: Training,
    steps: int,
    *,
    scales: Mapping[str, float],
    policy: str,
    devices: OneDevice = ONE,
) -> keras.optimizers.Optimizer:
    """The optimizer of one training step: linear warm-up, then cosine decay to zero.

    Args:
        settings: rates, decay, warm-up and clipping.
        steps: optimizer steps in all epochs together.
        scales: factor on the rate by ``variable.path``.
        policy: the dtype policy; ``mixed_float16`` gets dynamic loss scaling.
        devices: where the step trains.
    """
    warmup = min(int(settings.warmup * steps), steps - 1)
    rate = keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=0.0 if warmup else settings.learning_rate,
        decay_steps=steps - warmup,
        warmup_target=settings.learning_rate if warmup else None,
        warmup_steps=warmup,
    )
    kind, own = {
        "adamw": (BlockwiseAdamW, {"name": "adamw"}),
        "sgd": (BlockwiseSGD, {"name": "sgd", "momentum": 0.9, "nesterov": True}),
    }[settings.optimizer]
    optimizer = kind(
        rate,
        decoupled_decay=settings.weight_decay,
        scales=scales,
        clip_norm=settings.clip_norm,
        devices=devices,
        **own,
    )
    if policy == "mixed_float16":
        return keras.optimizers.LossScaleOptimizer(optimizer)
    return optimizer


def block_scales(whole: keras.Model, blocks: list, decay: float) -> dict[str, float]:
    """Factor on the rate for every weight of the unfrozen ``blocks`` (bottom to top).

    The top block has factor 1, the one below ``decay``, then ``decay`` squared, and so on.
    """
    scales = {}
    for distance, block in enumerate(reversed(blocks)):
        for name in block.layers:
            for weight in whole.get_layer(name).trainable_weights:
                scales[weight.path] = decay**distance
    return scales
