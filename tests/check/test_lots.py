"""Lots: what a split has to deal out of each class."""

from tlpipe.check.lots import independent
from tlpipe.data.duplicates import DuplicateGroup
from tlpipe.data.scan import Picture


def picture(path, label, split=None, group=""):
    return Picture(path, label, split, 10, 10, 100, "", "", group)


def test_a_class_that_is_the_minority_of_every_lot_is_in_each_of_them():
    pictures = [
        picture(f"{label}{patient}{i}", label, group=f"p{patient}")
        for patient in range(5)
        for label, count in (("cat", 8), ("dog", 2))
        for i in range(count)
    ]
    assert independent(pictures, []) == {"cat": 5, "dog": 5}


def test_what_belongs_with_given_pictures_is_not_dealt_out():
    pictures = [
        picture("given", "cat", "test", group="p1"),
        picture("with it", "cat", group="p1"),
        picture("trains", "cat", "train", group="p1"),
        picture("a copy", "dog", "train"),
        picture("alone", "dog"),
    ]
    copies = [DuplicateGroup(("given", "a copy"), "near")]
    assert independent(pictures, copies) == {"cat": 1, "dog": 1}
