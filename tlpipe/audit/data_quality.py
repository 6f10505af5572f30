"""Whether the data are in order: leaks, labels, outliers, balance."""

from __future__ import annotations

from collections import Counter, defaultdict

import numpy as np

from tlpipe.audit.chapter import Chapter
from tlpipe.audit.evidence.labels import LabelCheck, check_labels
from tlpipe.audit.evidence.leaks import Leak, find_leaks
from tlpipe.audit.evidence.out_of_fold import group_numbers, out_of_fold
from tlpipe.audit.evidence.outliers import neighbour_distance, robust_z
from tlpipe.audit.finding import Finding, Gallery, Level, Table
from tlpipe.audit.gathered import Gathered, thumbnail
from tlpipe.audit.subject import Subject
from tlpipe.words import counted, were

# Rows of a table, and of a list in the facts, at most.
_LISTED = 50


def leaks(data: Gathered) -> Chapter:
    """Pictures on both sides of the split."""
    subject, manifest = data.subject, data.subject.manifest
    with subject.progress("comparing across the split") as advance:
        found = find_leaks(
            manifest,
            pixels=subject.classifier.metadata.pixels,
            rows=data.rows,
            features=data.features,
            progress=advance,
        )
    files = manifest.pictures
    leaked = {leak.held for leak in found if files[leak.held].split == subject.part}
    total = len(manifest.indices(subject.part))
    torn = _torn(subject, {row for leak in found for row in (leak.held, leak.other)})
    rows = tuple(
        (
            files[leak.held].path,
            files[leak.held].split,
            files[leak.other].path,
            files[leak.other].split,
            "same file" if leak.exact else "same picture",
            "different" if leak.conflict else "equal",
        )
        for leak in found
    )
    columns = ("picture", "part", "the same as", "part", "how", "labels")
    return Chapter(
        findings=(_leak_finding(subject, found, len(leaked), total), *_torn_finding(torn)),
        facts={
            "leaks": {
                "pairs": len(found),
                "exact": sum(leak.exact for leak in found),
                "conflicting": sum(leak.conflict for leak in found),
                "audited_pictures": len(leaked),
                "groups_torn": len(torn),
                "list": [list(row) for row in rows[:_LISTED]],
            }
        },
        tables=(Table(title="Leaks", columns=columns, rows=rows[:_LISTED]),) if rows else (),
        galleries=_gallery(
            subject,
            "The same picture in two parts",
            [
                ([leak.held, leak.other], f"{files[leak.held].path} = {files[leak.other].path}")
                for leak in found[: subject.settings.data.shown // 2]
            ],
        ),
    )


def _leak_finding(subject: Subject, found: list[Leak], leaked: int, total: int) -> Finding:
    parts = "test" if subject.part == "test" else "validation"
    if not found:
        return Finding(
            name="data.leaks",
            level="green",
            sentence="No picture, nor a resized, recompressed or slightly cropped copy of it, lies "
            "on both sides of the split.",
            weight=0.3,
        )
    if not leaked:
        first = [subject.manifest.pictures[i].path for i in (found[0].held, found[0].other)]
        return Finding(
            name="data.leaks",
            level="info",
            sentence=f"No {parts} picture lies in another part, but "
            f"{counted(len(found), 'pair')} of copies {were(len(found))} found in the others "
            f"(the first: {' = '.join(first)}): the scores on {parts} are not touched.",
            todo="look at the pair below: if it is one picture, keep both on one side",
            weight=0.3,
        )
    return Finding(
        name="data.leaks",
        level="red" if leaked > subject.settings.data.leak_red * total else "amber",
        sentence=f"{leaked} of {total} {parts} pictures ({leaked / total:.1%}) lie in another part "
        f"too, as the same file or a copy of it (pairs in all parts: {len(found)}). The scores are "
        "too good by what was known beforehand.",
        todo="move both pictures of each pair to one part, and train again",
        weight=1.0,
    )


def _torn(subject: Subject, leaked: set[int]) -> list[str]:
    """Groups in more than one part, beside those that the leaks explain."""
    parts = defaultdict(set)
    for row, picture in enumerate(subject.manifest.pictures):
        if picture.group and row not in leaked:
            parts[picture.group].add(picture.split)
    return sorted(group for group, where in parts.items() if len(where) > 1)


def _torn_finding(torn: list[str]) -> tuple[Finding, ...]:
    if not torn:
        return ()
    return (
        Finding(
            name="data.groups",
            level="amber",
            sentence=f"{len(torn)} group(s) of related pictures lie in more than one part (the "
            f"first: {torn[0]}): the scores may be too good.",
            todo="put each group in one part, and train again",
            weight=0.7,
        ),
    )


def labels(data: Gathered) -> tuple[Chapter, LabelCheck]:
    """Labels that are likely to be wrong."""
    subject, names = data.subject, data.subject.names
    with subject.progress("checking labels") as advance:
        p = out_of_fold(
            data.features, data.labels, group_numbers(data.groups), len(names), seed=subject.seed
        )
        check = check_labels(data.labels, p, margin=subject.settings.data.label_margin)
        advance(1, 1)
    n, doubted = len(data.labels), check.likely
    turns = Counter((names[data.labels[i]], names[check.suggested[i]]) for i in doubted)
    rows = tuple(
        (
            data.files[i].path,
            str(data.part[i]),
            names[data.labels[i]],
            names[check.suggested[i]],
            float(check.quality[i]),
        )
        for i in doubted
    )
    columns = ("picture", "part", "label", "looks like", "label quality")
    chapter = Chapter(
        findings=(_label_finding(subject, len(doubted), n, turns),),
        facts={
            "labels": {
                "checked": n,
                "likely_wrong": len(doubted),
                "likely_wrong_by_part": {
                    str(part): int(count)
                    for part, count in sorted(Counter(data.part[doubted]).items())
                },
                "out_of_fold_accuracy": float((p.argmax(axis=1) == data.labels).mean()),
                "joint": check.joint.tolist(),
                "list": [list(row) for row in rows[:_LISTED]],
            }
        },
        tables=(Table(title="Likely wrong labels", columns=columns, rows=rows[:_LISTED]),)
        if rows
        else (),
        galleries=_gallery(
            subject,
            "Likely wrong labels, the likeliest first",
            [
                ([int(data.rows[i])], f"{row[0]}: labelled {row[2]}, looks like {row[3]}")
                for i, row in zip(doubted, rows[: subject.settings.data.shown], strict=False)
            ],
        ),
    )
    return chapter, check


def _label_finding(subject: Subject, wrong: int, n: int, turns: Counter) -> Finding:
    limits, share = subject.settings.data, wrong / n
    # Never red: it is a guess, and a person has to look.
    level: Level = "amber" if share > limits.label_share_amber else "green"
    sentence = f"{wrong} of {n} labels ({share:.1%}) are likely to be wrong"
    if turns:
        (label, suggested), count = min(turns.items(), key=lambda turn: (-turn[1], turn[0]))
        sentence += f", most often '{label}' on what looks like '{suggested}' ({count})"
    return Finding(
        name="data.labels",
        level=level,
        sentence=sentence + ".",
        todo="" if level == "green" else "look through the list, mend the labels, and train again",
        weight=min(1.0, 0.5 + share),
    )


def outliers(data: Gathered) -> tuple[Chapter, np.ndarray]:
    """Pictures unlike the training pictures; bool (n,) beside the chapter."""
    subject, limits = data.subject, data.subject.settings.data
    z = _strangeness(data)
    strange = z > limits.outlier_z
    by_z = np.argsort(-z, kind="stable").tolist()
    order = [i for i in by_z if strange[i]]
    # Some are shown in any case: the order is surer than the line.
    shown = by_z[: max(min(len(order), limits.shown), limits.shown // 2)]
    audited, total = int(strange[data.audited].sum()), int(data.audited.sum())
    share = audited / total
    title = {"test": "test", "val": "validation"}[subject.part]
    rows = tuple(
        (data.files[i].path, str(data.part[i]), subject.names[data.labels[i]], float(z[i]))
        for i in order
    )
    columns = ("picture", "part", "label", "robust z")
    chapter = Chapter(
        findings=(
            Finding(
                name="data.outliers",
                level="amber" if share > limits.outlier_share_amber else "green",
                sentence=f"{audited} of {total} {title} pictures ({share:.1%}) are unlike anything "
                f"it was trained on; of the other parts' pictures {len(order) - audited} are.",
                todo="look at them: remove what does not belong, or gather more of its kind"
                if share > limits.outlier_share_amber
                else "",
                weight=min(1.0, 0.4 + share),
            ),
        ),
        facts={
            "outliers": {
                "audited": audited,
                "all": len(order),
                "list": [list(row) for row in rows[:_LISTED]],
            }
        },
        tables=(Table(title="Outliers", columns=columns, rows=rows[:_LISTED]),) if rows else (),
        galleries=_gallery(
            subject,
            "The strangest pictures",
            [
                (
                    [int(data.rows[i])],
                    f"{data.files[i].path}: {subject.names[data.labels[i]]}, {data.part[i]}"
                    + (", outlier" if strange[i] else ""),
                )
                for i in shown
            ],
        ),
    )
    return chapter, strange


def _strangeness(data: Gathered) -> np.ndarray:
    """Robust z of the distance to the training pictures, of held-out ones among themselves.

    A network that was trained on a picture has drawn it to its class: training pictures lie closer
    together than others, and are no measure for them.
    """
    training = data.part == "train"
    known = data.features[training]
    z = np.empty(len(data.part))
    own = neighbour_distance(known, known, same=True)
    z[training] = robust_z(own, own)
    held = neighbour_distance(data.features[~training], known)
    z[~training] = robust_z(held, held)
    return z


def balance(data: Gathered) -> Chapter:
    """How many pictures a class has to learn from."""
    subject, manifest = data.subject, data.subject.manifest
    count = Counter((p.split, p.label) for p in manifest.pictures)
    counts = {
        part: {name: count[part, name] for name in subject.names}
        for part in ("train", "val", "test")
    }
    largest, smallest = (f(counts["train"].items(), key=lambda c: c[1]) for f in (max, min))
    ratio = largest[1] / max(smallest[1], 1)
    amber = ratio > subject.settings.data.imbalance_amber
    weighed = subject.about["settings"]["head"]["balance"]
    advice = f"gather more of '{smallest[0]}'" + ("" if weighed else ", or train with `--balance`")
    return Chapter(
        findings=(
            Finding(
                name="data.balance",
                level="amber" if amber else "green",
                sentence=f"The largest class, '{largest[0]}', has {largest[1]} training pictures, "
                f"the smallest, '{smallest[0]}', {smallest[1]}: {ratio:.1f} times fewer.",
                todo=advice if amber else "",
                weight=0.3,
            ),
        ),
        facts={"balance": {"counts": counts, "ratio": ratio}},
    )


def _gallery(subject: Subject, title: str, shown: list[tuple[list[int], str]]) -> tuple:
    if not shown:
        return ()
    return (Gallery(title=title, pictures=tuple(thumbnail(subject, *one) for one in shown)),)
