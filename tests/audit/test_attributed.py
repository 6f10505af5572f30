"""Maps reduced batch by batch give what all of them at once would give."""

import numpy as np
import pytest

from tlpipe.audit import looks_inside
from tlpipe.audit.attributed import Attributed, Inside, border_share, reduced
from tlpipe.audit.evidence import inside
from tlpipe.audit.given.objects import Objects
from tlpipe.config.audit import Looks
from tlpipe.explain.overlay import scaled

N, SIDE = 70, 24


@pytest.fixture(scope="module")
def maps():
    stream = np.random.default_rng(0)
    return {
        name: stream.random((N, SIDE, SIDE), "float32") ** 4 for name in ("gradcam", "saliency")
    }


@pytest.fixture(scope="module")
def masks():
    found = np.zeros((N, SIDE, SIDE), bool)
    for i in range(0, N, 3):
        found[i, i % 12 : i % 12 + 8, 3 : 3 + i % 20 + 1] = True
    return found


@pytest.fixture(scope="module")
def objects(masks):
    places = np.flatnonzero(masks.any(axis=(1, 2)))
    packed = np.stack([np.packbits(masks[place]) for place in places])
    return Objects(places, packed, SIDE, unmarked=N - len(places), cut_off=0)


ANSWERS = np.arange(N) % 4


def run(maps, **options) -> Attributed:
    return reduced(
        lambda start, stop: {name: found[start:stop] for name, found in maps.items()},
        ANSWERS,
        classes=[0, 2, 7],
        kept=[0, 31, 32, 69],
        border=0.1,
        **options,
    )


def test_the_same_as_from_all_maps_at_once(maps, masks, objects):
    seen = []
    found = run(maps, objects=objects, tolerance=0.05, advance=lambda *now: seen.append(now))
    marked = masks.any(axis=(1, 2))
    near = inside.reach(masks[marked], 0.05 * SIDE)
    for name, one in maps.items():
        assert np.array_equal(found.border[name], border_share(one, 0.1))
        assert np.array_equal(found.inside.hits[name], inside.pointing(one[marked], near))
        assert found.inside.energy[name] == pytest.approx(inside.energy(one, masks)[marked])
        for c in (0, 2):
            mean = scaled(one[c == ANSWERS]).mean(axis=0)
            assert np.abs(found.means[name, c] - mean).max() < 1e-6
    assert np.array_equal(found.inside.area, masks[marked].mean(axis=(1, 2)))
    assert np.array_equal(found.inside.reach, near.mean(axis=(1, 2)))
    assert set(found.means) == {(name, c) for name in maps for c in (0, 2)}
    assert seen == [(32, 70), (64, 70), (70, 70)]


def test_only_the_maps_asked_for_are_held(maps):
    found = run(maps)
    assert set(found.maps) == {(name, row) for name in maps for row in (0, 31, 32, 69)}
    for (name, row), one in found.maps.items():
        assert np.array_equal(one, maps[name][row])
        # A view would hold its batch.
        assert one.base is None
    assert found.inside is None


def said(hits, energy, area=0.2, n=100, trusted=True, limits=None):
    """The finding on n pictures of which a share hits, with this attribution inside of each."""
    spread = np.random.default_rng(0).normal(0, 0.02, n)
    found = Inside(
        area=np.full(n, area),
        reach=np.full(n, area + 0.1),
        hits={"gradcam": np.arange(n) < hits * n},
        energy={"gradcam": np.clip(energy + spread, 0, 1)},
    )
    objects = Objects(np.arange(n), np.zeros((n, 2), np.uint8), 4, unmarked=7, cut_off=2)
    chapter = looks_inside.examine(limits or Looks(), objects, found, {"gradcam": trusted}, 0)
    return chapter.findings[0], chapter


@pytest.mark.parametrize(
    ("hits", "energy", "level"),
    [
        (0.9, 0.6, "green"),
        (0.9, 0.1, "amber"),  # less inside than chance
        (0.3, 0.6, "amber"),  # the hottest point is elsewhere
        (0.1, 0.6, "amber"),  # ... as with a coarse map and a small object
        (0.1, 0.1, "red"),
        (0.45, 0.3, "green"),  # the interval reaches above one half
    ],
)
def test_attribution_outside_of_the_object_is_amber_or_red(hits, energy, level):
    finding, chapter = said(hits, energy)
    assert (finding.name, finding.level) == ("looks.object.gradcam", level)
    assert bool(finding.todo) == (level != "green")
    assert f"in {hits:.0%} (" in finding.sentence
    assert "of 100 pictures, where a random point would in 30%" in finding.sentence
    assert "the object being 20% of the picture" in finding.sentence
    facts = chapter.facts["objects"]
    assert (facts["marked"], facts["unmarked"], facts["cut_off"]) == (100, 7, 2)
    measured = facts["methods"]["gradcam"]
    for one in measured.values():
        assert one["low"] <= one["value"] <= one["high"]
    assert measured["inside_over_area"]["value"] == pytest.approx(energy / 0.2, rel=0.05)


def test_limits_are_the_config_files():
    assert said(0.9, 0.6, limits=Looks(pointing_amber=1.0))[0].level == "amber"
    assert said(0.1, 0.1, limits=Looks(pointing_red=0.0))[0].level == "amber"
    assert said(0.1, 0.1, limits=Looks(inside_amber=0.0))[0].level == "amber"
    assert said(0.1, 0.1, limits=Looks(inside_amber=0.0, pointing_amber=0.0))[0].level == "green"


def test_a_method_that_failed_and_few_pictures_are_not_judged():
    finding, _ = said(0.1, 0.1, trusted=False)
    assert (finding.level, "failed its tests" in finding.sentence) == ("info", True)
    finding, _ = said(0.0, 0.1, n=9)
    assert (finding.level, "too few pictures" in finding.sentence) == ("info", True)


def test_nothing_marked_is_said():
    objects = Objects(np.zeros(0, int), np.zeros((0, 2), np.uint8), 4, unmarked=3, cut_off=1)
    nothing = Inside(np.zeros(0), np.zeros(0), {}, {})
    chapter = looks_inside.examine(Looks(), objects, nothing, {}, 0)
    assert chapter.findings[0].level == "info"
    assert "3 pictures without one, 1 with one in the part that is cut off" in (
        chapter.findings[0].sentence
    )
    assert chapter.facts["objects"] == {"marked": 0, "unmarked": 3, "cut_off": 1}
