"""Several labels a picture, and a number a picture: their own section of the check."""

import csv

import pytest

from tests.check.looking import checked as check
from tests.check.looking import facts, found, opened
from tests.data.odd_files import encoded, put
from tlpipe.targets.text import meaning


def checked(data, target):
    return check(data, target, "scan.duplicates=false")


@pytest.fixture(scope="module")
def cells(small, tmp_path_factory):
    """48 cells in one folder, the second half of them brighter by degrees."""
    root = tmp_path_factory.mktemp("cells")
    files = [f for label in ("defective", "functional") for f in sorted((small / label).iterdir())]
    for i, file in enumerate(files[16:64]):
        image = (opened(file) * (0.4 + i / 80)).astype("uint8")
        put(root, f"{i}.png", encoded(image, "PNG"))
    return root


def table(folder, name, labels):
    path = folder / name
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(
            [("path", "label"), *((f"{i}.png", label) for i, label in enumerate(labels))]
        )
    return path


def test_labels_are_counted_alone_and_together(cells):
    labels = ["crack|old", "old|crack|中文", "", "old"] + ["old|a|b"] * 22 + ["old"] * 22
    result = checked(table(cells, "several.csv", labels), "scan.target=labels")
    seen, measured = found(result), facts(result, "labels")
    assert measured["counts"] == {"a": 22, "b": 22, "crack": 2, "old": 47, "中文": 1}
    assert ["crack", "old", 2] in measured["together"]
    assert measured["without"] == 1
    assert "'a' and 'b'" in seen["labels.same"].sentence
    assert "'crack' (2)" in seen["labels.rare"].sentence
    assert "'old' (97.9%)" in seen["labels.always"].sentence
    assert "5 labels on 48 pictures" in seen["labels.counts"].sentence
    both = result.sections[1].tables[1]
    assert (both.columns[:3], both.rows[0][:3]) == (("", "old", "a"), ("old", 47, 22))
    assert "中文" in result.html()
    plain = checked(table(cells, "plain.csv", ["p", "q", "p|q", ""] * 12), "scan.target=labels")
    assert {"labels.same", "labels.rare", "labels.always"}.isdisjoint(found(plain))
    assert plain.sections[1].findings[0].name == "labels.counts"


def test_no_label_at_all_is_red(cells):
    result = checked(table(cells, "none.csv", [""] * 48), "scan.target=labels")
    assert found(result)["labels.none"].level == "red"


def test_numbers_are_described_and_the_odd_one_stands_out(cells):
    labels = [f"{20 + i % 7 + i / 100:.2f}" for i in range(48)]
    labels[5], labels[9] = "2300", "about 20"
    result = checked(table(cells, "number.csv", labels), "scan.target=number")
    seen, measured = found(result), facts(result, "number")
    assert [row["path"] for row in measured["outliers"]] == ["5.png"]
    assert "5.png (2300)" in seen["number.outliers"].sentence
    assert (seen["number.none"].level, measured["no_numbers"]) == (
        "red",
        [{"path": "9.png", "label": "about 20"}],
    )
    assert measured["quantiles"]["100"] == 2300
    assert "<svg" in result.sections[1].figures[0].svg
    clean = checked(
        table(cells, "clean.csv", [f"{20 + i % 7 + i / 100:.2f}" for i in range(48)]),
        "scan.target=number",
    )
    assert {"number.outliers", "number.none", "number.constant"}.isdisjoint(found(clean))
    same = checked(table(cells, "same.csv", ["1"] * 48), "scan.target=number")
    assert found(same)["number.constant"].level == "red"


def test_a_property_that_goes_with_the_number_is_found(cells):
    result = checked(table(cells, "telling.csv", map(str, range(48))), "scan.target=number")
    finding = found(result)["properties.telling"]
    best = facts(result, "properties")["correlations"][0]
    assert (finding.level, best["property"]) == ("amber", "brightness")
    assert best["rho"] > 0.7
    mixed = [str(i * 29 % 48) for i in range(48)]
    result = checked(table(cells, "mixed.csv", mixed), "scan.target=number")
    assert "properties.none" in found(result)


def test_labels_that_mean_the_same_do_not_conflict(cells, tmp_path):
    for i in range(4):
        put(tmp_path, f"{i}.png", (cells / "0.png").read_bytes())
    number = table(tmp_path, "n.csv", ["0.5", "0.50", ".5", "5e-1"])
    assert "duplicates.conflict" not in found(checked(number, "scan.target=number"))
    labels = table(tmp_path, "l.csv", ["a|b", "b|a", "a | b", "a|b"])
    assert "duplicates.conflict" not in found(checked(labels, "scan.target=labels"))
    other = table(tmp_path, "o.csv", ["a|b", "b|a", "a", "a|b"])
    assert found(checked(other, "scan.target=labels"))["duplicates.conflict"].level == "red"
    assert meaning("x", "number") == "x"
