"""Receptive fields against what is published and against the gradient itself."""

import keras
import pytest

from tests.inspect.networks import linear_twin, support
from tlpipe.backbones import registry
from tlpipe.backbones.build import build
from tlpipe.inspect.examine import examine

# From Araujo, Norris and Sim 2019, which computed them from TensorFlow-Slim's graphs.
PUBLISHED = [
    ("vgg16", 224, "block5_conv3", 196),
    ("vgg16", 224, "block5_pool", 212),
    ("resnet50", 224, "conv5_block3_out", 483),
    ("inceptionv3", 299, "mixed10", 1311),
]
# One of each family. Where the field fits into a picture of a reasonable size, it gets one.
REPRESENTATIVES = {
    "vgg16": 224,
    "resnet50": 512,
    "resnet50v2": 96,
    "mobilenetv3_small": 672,
    "efficientnet_lite0": 896,
    "efficientnetb0": 96,
    "inceptionv3": 139,
    "convnext_tiny": 160,
    "alexnet": 227,
    "shufflenet_v2": 96,
}


@pytest.fixture(autouse=True)
def _forget():
    yield
    keras.backend.clear_session()


@pytest.mark.parametrize(("name", "size", "layer", "field"), PUBLISHED)
def test_published_receptive_fields(name, size, layer, field):
    found = examine(build(name, weights="none", size=size).model)
    row = next(row for row in found.layers if row.name == layer)
    assert row.field == (field, field)
    assert not row.whole


def agrees_with_the_gradient(name: str, size: int) -> None:
    model = build(name, weights="none", size=size).model
    found = examine(model)
    row = found.layers[-1]
    assert not row.unknown_from
    assert not found.notes, "a size at which rows are lost shows less than the field"
    height, width = model.output.shape[1:3]
    middle = (height // 2, width // 2)
    expected = [
        (
            max(0, int(centre - (field - 1) / 2 + i * jump)),
            min(size - 1, int(centre + (field - 1) / 2 + i * jump)),
        )
        for i, centre, field, jump in zip(middle, row.centre, row.field, row.jump, strict=True)
    ]
    # NASNet's halves of 22 channels must stay halves.
    thinner = 2 if name.startswith("nasnet") else 8
    assert support(linear_twin(model, thinner=thinner), middle) == expected
    if row.whole:
        everything = support(linear_twin(model, local=False, thinner=thinner), middle)
        assert everything == [(0, size - 1)] * 2


@pytest.mark.parametrize("name", REPRESENTATIVES)
def test_the_gradient_reaches_as_far_as_the_field(name):
    agrees_with_the_gradient(name, REPRESENTATIVES[name])


@pytest.mark.all_backbones
@pytest.mark.parametrize("name", registry.names())
def test_the_gradient_of_every_backbone_reaches_as_far_as_its_field(name):
    agrees_with_the_gradient(name, size_that_fits(name))


def size_that_fits(name: str) -> int:
    """A small picture of which the network loses no row, or its own size."""
    spec = registry.get(name)
    small = max(107, spec.minimum_size)
    if spec.fixed_size or examine(build(name, weights="none", size=small).model).notes:
        return spec.default_size
    return small
