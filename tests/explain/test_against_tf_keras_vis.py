"""Grad-CAM and the gradient are those of tf-keras-vis, where that one is sound."""

import keras
import numpy as np
import pytest

from tlpipe.explain.cam import grad_cam, grad_cam_plus_plus
from tlpipe.explain.network import Explained
from tlpipe.explain.saliency import saliency

pytest.importorskip("tensorflow", reason="tf-keras-vis needs TensorFlow")
pytestmark = pytest.mark.filterwarnings("ignore")


def best(scores):
    return [row[c] for row, c in zip(scores, np.argmax(scores, 1), strict=True)]


@pytest.fixture(scope="module")
def found(flat, photographs):
    return Explained(flat).passes(photographs)


def test_the_gradient(flat, photographs, found):
    from tf_keras_vis.saliency import Saliency

    theirs = Saliency(flat, clone=False)(best, photographs.astype("float32"), normalize_map=False)
    for a, b in zip(saliency(found), theirs, strict=True):
        assert np.corrcoef(a.ravel(), np.asarray(b).ravel())[0, 1] > 0.999
    # Where a ReLU6 stands at its very edge, rounding decides which way it falls.
    np.testing.assert_allclose(saliency(found), theirs, atol=1e-3 * np.max(theirs))


def test_grad_cam(flat, photographs, found):
    from tf_keras_vis.gradcam import Gradcam

    # Theirs has to be told the layer: its own choice lies before the last BatchNorm.
    theirs = np.asarray(
        Gradcam(flat, clone=False)(
            best,
            photographs.astype("float32"),
            penultimate_layer=flat.layers[-3].name,
            seek_penultimate_conv_layer=False,
            expand_cam=False,
            normalize_cam=False,
        )
    )
    ours = grad_cam(found)
    assert ours.shape == (4, 3, 3)
    assert np.abs(ours - theirs).max() <= 1e-4 * np.abs(theirs).max()
    assert ours.max() > 0


def test_every_class_and_the_contrast_of_two(tiny, photographs):
    network = Explained(tiny)
    classes, others = np.array([0, 1, 2, 3]), np.array([4, 0, 1, 2])
    plain, minus = (network.passes(photographs, c) for c in (classes, others))
    both = network.passes(photographs, classes, against=others)
    np.testing.assert_allclose(
        both.gradients, plain.gradients - minus.gradients, atol=1e-5 * np.abs(plain.gradients).max()
    )
    kernel, bias = tiny.layers[-1].get_weights()
    features = plain.maps.mean((1, 2))
    np.testing.assert_allclose(plain.logits, features @ kernel + bias, rtol=1e-3, atol=1e-5)
    # CAM in closed form: the dense kernel's column over the number of cells.
    cells = plain.maps.shape[1] * plain.maps.shape[2]
    closed = np.maximum(np.einsum("bhwc,cb->bhw", plain.maps, kernel[:, classes]), 0) / cells
    np.testing.assert_allclose(grad_cam(plain), closed, rtol=1e-4, atol=1e-6 * closed.max())


def test_grad_cam_plus_plus_of_one_place_is_grad_cam_up_to_scale():
    from tlpipe.explain.network import Results

    maps = np.zeros((1, 3, 3, 1), "float32")
    maps[0, 1, 2] = 2.0
    gradients = np.full((1, 3, 3, 1), 0.5, "float32")
    cam = grad_cam_plus_plus(Results(maps, None, gradients))
    assert cam.argmax() == 5
    assert cam[0, 1, 2] > 0
    assert (np.delete(cam.ravel(), 5) == 0).all()


def test_maps_do_not_depend_on_the_others_in_the_batch(tiny, photographs):
    network = Explained(tiny)
    alone = network.passes(photographs[2:3], np.array([1]))
    together = network.passes(photographs, np.array([0, 2, 1, 4]))
    np.testing.assert_allclose(alone.gradients[0], together.gradients[2], atol=1e-7)


def test_a_frozen_copy_is_explained_and_the_model_left_alone(tiny, photographs):
    before = [keras.ops.convert_to_numpy(w).copy() for w in tiny.weights]
    trains = [layer.trainable for layer in tiny.layers]
    Explained(tiny, None).passes(photographs)
    Explained(tiny, "guided").passes(photographs)
    for a, b in zip(before, tiny.weights, strict=True):
        np.testing.assert_array_equal(a, keras.ops.convert_to_numpy(b))
    assert trains == [layer.trainable for layer in tiny.layers]
