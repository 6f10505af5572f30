"""Which pictures stay together: by their names, by what is given, and by being the same."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence

from tlpipe.data.duplicates import DuplicateGroup, connected
from tlpipe.data.folder import natural_key
from tlpipe.data.scan import Picture
from tlpipe.errors import ConfigError


def names_of_groups(
    pictures: Sequence[Picture], group_regex: str | None, notes: list[str]
) -> dict[str, str]:
    """Path to the name of its group, for the pictures that the regex matches.

    Raises:
        ConfigError: not a regular expression, or one that matches no picture.
    """
    if not group_regex:
        return {}
    try:
        pattern = re.compile(group_regex)
    except re.error as error:
        raise ConfigError(
            f"The group pattern {group_regex!r} is not a regular expression.",
            cause=str(error),
            todo="mend it; for names like panel12_cell3.png: --group '(panel[0-9]+)_'",
        ) from error
    names = {}
    for picture in pictures:
        found = pattern.search(picture.path)
        name = found and found[1 if pattern.groups else 0]
        if name:
            names[picture.path] = name
    if not names:
        raise ConfigError(
            f"The group pattern {group_regex!r} matches no picture.",
            cause=f"it is searched in paths like {pictures[0].path!r}",
            todo="mend the pattern, or leave --group out",
        )
    if len(names) < len(pictures):
        alone = next(picture.path for picture in pictures if picture.path not in names)
        notes.append(
            f"the group pattern does not match {len(pictures) - len(names)} of {len(pictures)} "
            f"pictures (the first: {alone}): each of them is a group of its own"
        )
    return names


def components(
    pictures: Sequence[Picture], duplicates: Sequence[DuplicateGroup], names: dict[str, str]
) -> list[list[Picture]]:
    """The pictures in sets that no part of a split may divide."""
    index = {picture.path: i for i, picture in enumerate(pictures)}
    together = defaultdict(list)
    for path, name in names.items():
        together["named", name].append(path)
    for picture in pictures:
        if picture.group:
            together["given", picture.group].append(picture.path)
    links = []
    for members in (*(group.members for group in duplicates), *together.values()):
        present = [index[path] for path in members if path in index]
        links += [(present[0], other) for other in present[1:]]
    return [[pictures[i] for i in found] for found in connected(len(pictures), links)]


def name_groups(found: list[list[Picture]], names: dict[str, str]) -> dict[str, str]:
    """Path to what the set of each picture is called; empty where it is alone."""
    group_of = {}
    for component in found:
        own = {names[p.path] for p in component if p.path in names}
        own |= {p.group for p in component if p.group}
        alone = "" if len(component) == 1 else f"duplicates of {component[0].path}"
        name = "+".join(sorted(own, key=natural_key)) or alone
        group_of |= {picture.path: name for picture in component}
    return group_of
