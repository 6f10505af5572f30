"""Where the audit's traffic lights change: one model a section, unknown keys refused."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from tlpipe.config.settings import Settings

Share = Annotated[float, Field(ge=0, le=1)]
Number = Annotated[int, Field(ge=1)]


class Performance(Settings):
    """Scores on the test part."""

    recall_amber: Share = Field(0.7, description="a class found less often than this is amber")
    recall_red: Share = Field(0.5, description="... and less often than this, red")
    few: Number = Field(30, description="pictures of a class below which nothing is judged")


class Confidence(Settings):
    """How honest the probabilities are, after temperature scaling."""

    ece_amber: Share = Field(
        0.05, description="ECE above this, and above what chance would give, is amber"
    )
    ece_red: Share = 0.15


class Looks(Settings):
    """Where the attribution lies."""

    examples: Number = Field(3, description="pictures of a kind shown for each class")
    classes: Number = Field(16, description="classes shown, those found least often")
    border: Share = Field(0.1, description="width of the border, as a share of the side")
    border_amber: Share = Field(
        0.6, description="share of the attribution in the border above which it is amber"
    )
    tolerance: Share = Field(
        0.03, description="how far beside the object the hottest point may lie, of the side"
    )
    pointing_amber: Share = Field(
        0.5, description="share of pictures with the hottest point in the object, below it amber"
    )
    pointing_red: Share = Field(
        0.25, description="... and below this red, if there is too little inside as well"
    )
    inside_amber: Annotated[float, Field(ge=0)] = Field(
        1.0, description="attribution inside over the object's share of the area, below it amber"
    )


class Belief(Settings):
    """Whether attributions may be believed."""

    pictures: Annotated[int, Field(ge=2)] = Field(24, description="pictures the tests are made on")
    steps: Number = Field(12, description="steps of a deletion or insertion curve")
    similarity: Share = Field(
        0.5, description="rank correlation with a randomised network above which a method fails"
    )
    gain_z: float = Field(
        1.64, description="paired z of its gain over random places below which it fails"
    )
    stability: Share = Field(0.5, description="rank correlation under noise below which it fails")


class Shortcuts(Settings):
    """Artefacts that give a class away."""

    removal_z: float = Field(3.0, description="paired z of inpainting the match, at least")
    lead_share: Share = Field(
        0.2, description="change of the class's lead, as a share of the usual lead, at least"
    )
    lean_z: float = Field(1.5, description="z of the second trial of what covers the picture ...")
    turned: Share = Field(
        0.25, description="... unless adding it turns so many decisions more than the control"
    )
    recurrence: Share = Field(0.6, description="share of the class that shows the patch ...")
    elsewhere: Share = Field(1 / 64, description="... and of the other classes, at most")
    separation: Share = Field(
        0.05, description="correlation in the class above that elsewhere, at least"
    )
    whole_auc: Share = Field(
        0.8, description="what covers the picture tells the class from each other, at least"
    )
    property_auc: Share = Field(0.9, description="a property of the picture tells the class")
    pictures: Number = Field(48, description="pictures a counterfactual is made on, at most")
    training: Number = Field(600, description="training pictures of which properties are taken")


class Data(Settings):
    """Leaks, labels, outliers, properties, weak slices and the errors' causes."""

    leak_red: Share = Field(0.01, description="share of test pictures also in training")
    label_margin: Share = Field(
        0.5, description="by which another class must win for a label to be likely wrong"
    )
    label_share_amber: Share = Field(
        0.01, description="share of likely wrong labels; never red: it is a guess"
    )
    outlier_z: Annotated[float, Field(gt=0)] = Field(
        3.5, description="robust z of the distance to the training pictures, at least"
    )
    outlier_share_amber: Share = Field(0.05, description="share of pictures that are outliers")
    imbalance_amber: Annotated[float, Field(ge=1)] = Field(
        5.0, description="largest class over smallest"
    )
    property_auc: Share = Field(
        0.8, description="a property of the file alone that tells classes apart this well"
    )
    property_error_auc: Share = Field(
        0.7, description="a property that tells wrong predictions from right ones this well"
    )
    slice_pictures: Number = Field(30, description="pictures of a slice below which none is judged")
    slice_rate: Share = Field(0.05, description="false discoveries among weak slices")
    ambiguous_margin: Share = Field(
        0.2, description="between the two likeliest classes, below which they are tied"
    )
    shown: Number = Field(12, description="pictures in a gallery")


class Robustness(Settings):
    """Changes a picture may undergo without changing its class."""

    pictures: Number = Field(64, description="pictures that are altered")
    drop_amber: Share = Field(0.05, description="loss of accuracy at middling severity")
    drop_red: Share = Field(
        0.5, description="... and red: high, for not every change happens where it is used"
    )
    significance: Share = Field(
        0.05, description="p value of the loss, above which it counts as chance"
    )


class Fit(Settings):
    """Over- and underfitting."""

    gap_amber: Share = Field(0.08, description="training accuracy above validation accuracy")
    gap_red: Share = 0.20
    low: Share = Field(0.6, description="training accuracy below which it learned too little")


class Audit(Settings):
    """Everything the report judges by, and what it spends."""

    limit: Number = Field(400, description="pictures of the test part that are looked at")
    training: Number = Field(4000, description="training pictures that are looked at")
    objects: str | None = Field(
        None, description="where the object is: a folder of masks, or a CSV path,x0,y0,x1,y1"
    )
    table: str | None = Field(
        None, description="CSV with a column path; its others are searched for weak spots"
    )
    performance: Performance = Performance()
    confidence: Confidence = Confidence()
    looks: Looks = Looks()
    belief: Belief = Belief()
    shortcuts: Shortcuts = Shortcuts()
    data: Data = Data()
    robustness: Robustness = Robustness()
    fit: Fit = Fit()
