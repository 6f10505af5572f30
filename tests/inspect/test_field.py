"""The arithmetic of one axis, against counting by hand and against TensorFlow's padding."""

from fractions import Fraction

import keras
import pytest

from tlpipe.inspect.field import Axis, View, merge


def chain(length, *windows) -> Axis:
    axis = Axis.of_picture(length)
    for window in windows:
        axis, _ = axis.window(*window)
    return axis


def test_a_picture_sees_itself():
    axis = Axis.of_picture(7)
    assert (axis.size, axis.jump, axis.centre, axis.length) == (1, 1, 0, 7)


def test_two_convolutions_without_padding():
    axis = chain(20, (3, 1, 1, "valid"), (3, 2, 1, "valid"))
    assert (axis.size, axis.jump, axis.low, axis.high) == (5, 2, 0, 4)
    assert axis.centre == 2
    assert axis.length == 8


def test_dilation_widens_and_jump_multiplies():
    axis = chain(64, (3, 2, 1, "valid"), (3, 1, 4, "valid"))
    assert axis.size == 3 + 2 * 4 * 2
    assert axis.jump == 2


@pytest.mark.parametrize("length", [13, 14, 15, 16, 17])
@pytest.mark.parametrize("kernel", [1, 2, 3, 5])
@pytest.mark.parametrize("stride", [1, 2, 3])
def test_the_length_is_that_of_keras(length, kernel, stride):
    for padding in ("same", "valid"):
        layer = keras.layers.MaxPooling2D((kernel, 1), (stride, 1), padding)
        expected = layer.compute_output_shape((None, length, 1, 1))[1]
        assert chain(length, (kernel, stride, 1, padding)).length == expected


@pytest.mark.parametrize(("length", "low"), [(10, 0), (11, -1)])
def test_same_padding_with_a_stride_depends_on_the_length(length, low):
    # Of an even length TensorFlow pads the end alone.
    assert chain(length, (3, 2, 1, "same")).low == low


def test_explicit_padding_moves_the_first_position():
    axis, lost = Axis.of_picture(224).pad(3, 3).window(7, 2, 1, "valid")
    assert (axis.low, axis.high, axis.length) == (-3, 3, 112)
    assert lost == 0, "what is left over is padding, not picture"
    assert Axis.of_picture(10).pad(0, 1).pad(-1, 0).low == 1


@pytest.mark.parametrize(
    ("length", "kernel", "stride", "lost"),
    [(10, 3, 2, 1), (11, 3, 2, 0), (28, 5, 1, 0), (13, 2, 2, 1), (12, 5, 4, 3), (9, 1, 2, 0)],
)
def test_what_no_window_reaches_is_counted(length, kernel, stride, lost):
    assert Axis.of_picture(length).window(kernel, stride, 1, "valid")[1] == lost
    assert Axis.of_picture(length).window(kernel, stride, 1, "same")[1] == 0


def test_a_transposed_convolution_halves_the_jump():
    axis = Axis.of_picture(8).spread(2, 2, 0, 16)
    assert axis.jump == Fraction(1, 2)
    assert axis.low <= 0 <= axis.high


def test_a_slice_moves_and_widens():
    axis = Axis.of_picture(9).every(1, 2, 4)
    assert (axis.low, axis.jump, axis.length) == (1, 2, 4)


def two(axis: Axis) -> View:
    return View((axis, axis))


def test_branches_merge_to_the_largest_extent():
    left, right = chain(32, (3, 1, 1, "same")), chain(32, (5, 1, 1, "same"), (5, 1, 1, "same"))
    view, said = merge([two(left), two(right)], "add")
    assert not said
    assert view.axes[0].size == 9
    assert view.axes[0].low == -4


def test_branches_that_do_not_fit_are_said():
    left, right = chain(32, (2, 2, 1, "valid")), chain(32, (3, 1, 1, "same"))
    view, said = merge([two(left), two(right)], "add")
    assert view.unknown == "add"
    assert "different stride" in said


def test_a_global_path_makes_it_whole_and_leaves_the_local_field():
    local = two(chain(32, (3, 1, 1, "same")))
    view, _ = merge([local, View(None, whole=True)], "scale")
    assert view.whole
    assert view.axes == local.axes
