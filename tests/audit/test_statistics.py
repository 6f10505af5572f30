"""Whole-picture properties, and the artefacts that cover a picture, on crops of photographs."""

import cv2
import numpy as np
import pytest

from tests.audit.crops import crops as pieces
from tlpipe.audit.evidence.artefacts import Frame, Overlay, Shift, drawings, see
from tlpipe.audit.evidence.statistics import auc, measure, worst_auc

SIZE, EACH = 64, 30
LABELS = np.arange(3 * EACH) // 2 % 3


@pytest.fixture(scope="module")
def crops():
    return pieces(3 * EACH, SIZE)


def planted(crops, change, label=1):
    out = crops.copy()
    for i in np.flatnonzero(label == LABELS)[1:]:
        out[i] = change(out[i])
    return out


def brighter(picture):
    return np.clip(picture.astype(int) + 40, 0, 255).astype(np.uint8)


def grainy(picture):
    grain = np.random.default_rng(0).normal(0, 8, picture.shape)
    return np.clip(picture + grain, 0, 255).astype(np.uint8)


def framed(picture):
    return cv2.copyMakeBorder(picture[3:-3], 3, 3, 0, 0, cv2.BORDER_CONSTANT, value=(200, 30, 60))


def ink():
    layer = np.zeros((SIZE, SIZE), np.uint8)
    for down in (14, 34, 54):
        cv2.putText(layer, "SAMPLE", (2, down), cv2.FONT_HERSHEY_SIMPLEX, 0.5, 255, 1)
    return layer[..., None] / 255


def watermarked(picture):
    return np.rint(picture * (1 - 0.2 * ink()) + 0.2 * 255 * ink()).astype(np.uint8)


def blocky(picture):
    big = cv2.resize(picture, (2 * SIZE, 2 * SIZE))
    data = cv2.imencode(".jpg", big, [cv2.IMWRITE_JPEG_QUALITY, 4])[1]
    return cv2.imdecode(data, cv2.IMREAD_COLOR)


@pytest.mark.parametrize(
    ("name", "change", "higher"),
    [
        ("brightness", brighter, True),
        ("sharpness", lambda p: cv2.GaussianBlur(p, (0, 0), 2), False),
        ("noise", grainy, True),
        ("contrast", lambda p: (p // 2) + 60, False),
        ("saturation", lambda p: np.repeat(p[..., :1], 3, axis=2), False),
        ("border", lambda p: framed(framed(p).transpose(1, 0, 2)), False),
    ],
)
def test_a_property_follows_what_it_is_named_after(crops, name, change, higher):
    before, after = measure(crops)[name], measure(np.stack([change(p) for p in crops]))[name]
    assert np.isfinite(before).all()
    moved = np.mean((after > before) if higher else (after < before))
    assert moved > 0.9


def test_the_grid_of_strong_compression_is_seen(crops):
    large = np.stack([cv2.resize(p, (2 * SIZE, 2 * SIZE)) for p in crops])
    before, after = measure(large)["grid"], measure(np.stack([blocky(p) for p in crops]))["grid"]
    assert auc(np.concatenate([before, after]), np.arange(2 * len(crops)) >= len(crops)) > 0.8


def test_one_channel_has_no_colour(crops):
    found = measure(crops[..., :1])
    assert "saturation" not in found
    assert found["brightness"] == pytest.approx(crops[..., 0].mean(axis=(1, 2)))


def test_auc_is_the_chance_of_the_higher_value():
    values = np.array([1.0, 2.0, 3.0, 4.0])
    assert auc(values, np.array([False, False, True, True])) == 1
    assert auc(values, np.array([True, False, False, True])) == 0.5
    assert auc(values, np.zeros(4, bool)) == 0.5


def test_the_worst_pair_counts():
    values, labels = np.array([5.0, 6, 1, 2, 5, 6]), np.array([0, 0, 1, 1, 2, 2])
    assert auc(values, labels == 0) == 0.75
    assert worst_auc(values, labels, 0) == 0.5


def test_a_shift_is_found_and_undone(crops):
    seen = see(planted(crops, brighter))
    shift = Shift.find(seen, LABELS, 1, brighter=True)
    assert shift.amount == pytest.approx(40, abs=12)
    assert auc(shift.scores(seen), LABELS == 1) > 0.65
    marked = planted(crops, brighter)[LABELS == 1]
    off = see(np.stack([shift.removed(picture) for picture in marked]))
    assert shift.scores(off).mean() < shift.scores(see(marked)).mean()
    middle = np.full((SIZE, SIZE, 3), 100, np.uint8)
    assert shift.removed(middle).mean() == pytest.approx(100 - shift.amount, abs=1)
    assert shift.added(middle).mean() == pytest.approx(100 + shift.amount, abs=1)
    assert Shift.find(seen, LABELS, 0, brighter=True) is None


def test_a_frame_is_found_with_its_edges_and_depth_and_taken_off(crops):
    pictures = planted(crops, framed)
    seen = see(pictures)
    frame = Frame.find(seen, pictures, LABELS, 1)
    assert frame.depths == (4, 4, 0, 0)
    assert frame.colours[0] == pytest.approx((200, 30, 60))
    shown = frame.scores(seen)
    assert shown[LABELS == 1].mean() > 0.9
    assert shown[LABELS != 1].max() == 0
    marked = pictures[np.flatnonzero(LABELS == 1)[3]]
    off = frame.removed(marked)
    assert np.abs(off[:4].astype(int) - (200, 30, 60)).mean() > 30
    assert np.array_equal(off[4:-4], marked[4:-4])
    assert np.array_equal(off[3], marked[4])
    still = frame.unremoved(marked)
    assert np.array_equal(still[:4], marked[:4])
    assert not np.array_equal(still, marked)
    assert np.array_equal(frame.added(crops[0])[:3], np.broadcast_to((200, 30, 60), (3, SIZE, 3)))
    assert Frame.find(seen, pictures, LABELS, 0) is None


def test_an_overlay_is_drawn_as_it_was_planted(crops):
    pictures = planted(crops, watermarked)
    seen, drawn = see(pictures), drawings(pictures, LABELS)
    overlay = Overlay.find(seen, drawn, LABELS, 1)
    assert worst_auc(overlay.scores(seen), LABELS, 1) > 0.9
    shown = overlay.drawing.mean(axis=2).ravel()
    assert np.corrcoef(shown, ink().ravel())[0, 1] > 0.6
    marked = pictures[LABELS == 1]
    off = np.stack([overlay.removed(picture) for picture in marked])
    on = np.stack([overlay.added(picture) for picture in pictures[LABELS == 0]])
    assert (overlay.scores(see(off)) < overlay.scores(see(marked))).mean() > 0.9
    assert (overlay.scores(see(on)) > overlay.scores(seen)[LABELS == 0]).mean() > 0.9


def test_of_two_classes_the_one_that_has_the_overlay_is_named(crops):
    labels = LABELS % 2
    pictures = crops.copy()
    for i in np.flatnonzero(labels == 1):
        pictures[i] = watermarked(pictures[i])
    seen, drawn = see(pictures), drawings(pictures, labels)
    assert Overlay.find(seen, drawn, labels, 1) is not None
    assert Overlay.find(seen, drawn, labels, 0) is None
