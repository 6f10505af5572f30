"""torchvision's networks in the graphs of keras.applications: the twin graph, and its weights.

The two differ where nobody looks: torchvision pads both sides alike in front of a stride, where
"same" pads the far side more; its BatchNorm epsilon is 1e-5; its ResNets have the stride in the
3x3 convolution (v1.5) and no biases in front of a BatchNorm; all of them take RGB less the
ImageNet mean, by its deviation.
"""

from __future__ import annotations

import re
from pathlib import Path

import keras

from tlpipe.backbones.registry import Spec
from tlpipe.backbones.torch_file import read_state_dict
from tlpipe.backbones.torch_weights import Pair, batch_norm, put_in_place

SUFFIXES = (".pth", ".pt")
_EPSILON = 1e-5
_CLASSIFIER = ("classifier.", "fc.")
_TWINS = re.compile(r"mobilenetv2|vgg(16|19)|resnet(50|101|152)")
# The strided convolutions whose padding differs; in ResNet the stride moves to them too.
_PADDED = re.compile(r"^Conv1$|^conv[345]_block1_2_conv$")
_UNSTRIDED = re.compile(r"^conv[345]_block1_1_conv$")


def has_twin(spec: Spec) -> bool:
    """Whether torchvision has the same network, so that its weights can be used."""
    return spec.kind == "application" and _TWINS.fullmatch(spec.name) is not None


def twin(model: keras.Model) -> keras.Model:
    """The same network as torchvision builds it: same layers and names, random weights.

    Args:
        model: the flat graph of a network for which ``has_twin`` is true, with ``torch``
            preprocessing. Three to four layers more pad in front of strides.
    """

    def clone(layer):
        config = layer.get_config()
        if isinstance(layer, keras.layers.BatchNormalization):
            config["epsilon"] = _EPSILON
        elif isinstance(layer, keras.layers.ZeroPadding2D) and layer.name.startswith("block_"):
            config["padding"] = 1
        elif _UNSTRIDED.match(layer.name):
            config["strides"] = 1
        elif _PADDED.match(layer.name):
            config |= {"strides": 2, "padding": "valid"}
        return layer.__class__.from_config(config)

    def call(layer, x, *args, **kwargs):
        if _PADDED.match(layer.name):
            x = keras.layers.ZeroPadding2D(1, name=f"{layer.name.removesuffix('_conv')}_pad")(x)
        return layer(x, *args, **kwargs)

    return keras.models.clone_model(model, clone_function=clone, call_function=call)


def load_torchvision_weights(model: keras.Model, path: str | Path, name: str) -> None:
    """Put a torchvision state dict into a ``twin``: every entry but the classifier's.

    Args:
        model: from ``twin``, without a top.
        path: a ``.pth`` file of ``torch.save(net.state_dict(), path)``.
        name: the network, for messages.

    Raises:
        BackboneError: the file is no state dict; an entry is missing, left over, or of another
            shape than its layer.
    """
    pairs = _pairs(model)
    put_in_place(model, read_state_dict(path), pairs, path=path, name=name, classifier=_CLASSIFIER)


def _pairs(model: keras.Model) -> list[Pair]:
    """(layer, entries of its variables) for every layer with weights."""
    prefixes = _vgg_prefixes(model)
    pairs = []
    for layer in model.layers:
        if not layer.weights:
            continue
        prefix = prefixes.get(layer.name) or _prefix(layer.name)
        if isinstance(layer, keras.layers.BatchNormalization):
            pairs.append((layer.name, batch_norm(prefix)))
        elif len(layer.weights) == 1:
            pairs.append((layer.name, [f"{prefix}.weight"]))
        else:
            # VGG's convolutions have biases; those of Keras' ResNets have none in torchvision.
            bias = f"{prefix}.bias" if layer.name in prefixes else None
            pairs.append((layer.name, [f"{prefix}.weight", bias]))
    return pairs


def _vgg_prefixes(model: keras.Model) -> dict[str, str]:
    """torchvision counts convolutions, ReLUs and poolings; in Keras the ReLU is inside."""
    prefixes, number = {}, 0
    for layer in model.layers:
        if re.match(r"block\d+_conv\d+$", layer.name):
            prefixes[layer.name] = f"features.{number}"
            number += 2
        elif re.match(r"block\d+_pool$", layer.name):
            number += 1
    return prefixes


def _prefix(name: str) -> str:
    """The entry of a layer of MobileNetV2 or of a ResNet, without its last part."""
    if match := re.match(r"conv(\d)_block(\d+)_(\d)_(conv|bn)$", name):
        stage, block, number = (int(n) for n in match.groups()[:3])
        here = f"layer{stage - 1}.{block - 1}"
        if number == 0:
            return f"{here}.downsample.{['conv', 'bn'].index(match[4])}"
        return f"{here}.{match[4]}{number}"
    if match := re.match(r"conv1_(conv|bn)$", name):
        return f"{match[1]}1"
    outer = {"Conv1": "0.0", "bn_Conv1": "0.1", "Conv_1": "18.0", "Conv_1_bn": "18.1"}
    if name in outer:
        return f"features.{outer[name]}"
    match = re.match(r"(?:expanded_conv|block_(\d+))_(expand|depthwise|project)(_BN)?$", name)
    # The first block does not expand, so its parts stand one place further up.
    first = match[1] is None
    place = ["expand", "depthwise", "project"].index(match[2]) - first
    here = f"features.{int(match[1] or 0) + 1}.conv"
    if match[2] == "project":
        return f"{here}.{place + bool(match[3])}"
    return f"{here}.{place}.{int(bool(match[3]))}"
