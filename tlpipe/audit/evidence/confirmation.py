"""When the effect of an artefact on a model's answers counts as the model using it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tlpipe.audit.evidence.counterfactual import Effect
from tlpipe.config.audit import Shortcuts


@dataclass(frozen=True)
class Bar:
    """What an effect must reach. The same effect is much to one model and nothing to another.

    Attributes:
        lead: logits by which this model's best class usually leads its second.
        drop: mean change of a class's lead, logits, at least.
        z: of that change, paired, at least.
        lean: z of the second trial of what covers the picture, at least ...
        turned: ... unless adding it turns so large a share of decisions more than the control.
    """

    lead: float
    drop: float
    z: float
    lean: float
    turned: float

    @classmethod
    def of(cls, logits: np.ndarray, limits: Shortcuts) -> Bar:
        """The bar for a model with these ``logits``, float (n, k), on held-out pictures."""
        lead = usual_lead(logits)
        return cls(lead, limits.lead_share * lead, limits.removal_z, limits.lean_z, limits.turned)

    def lowered(self, removal: Effect, share: float = 1) -> bool:
        """Whether taking it out takes ``share`` of the bar from the class, or more."""
        return removal.lowers(self.z, share * self.drop)

    def raised(self, pasting: Effect, share: float = 1) -> bool:
        """Whether putting it in gives the class ``share`` of the bar, or more."""
        return pasting.raises(self.z, share * self.drop)

    def either(self, removal: Effect, pasting: Effect, share: float = 1) -> bool:
        """One of two trials is enough for a mark, which both change exactly."""
        return self.lowered(removal, share) or self.raised(pasting, share)

    def both(self, removal: Effect, pasting: Effect) -> bool:
        """One trial confirms it, and the other leans the same way.

        A drawing can be laid over a picture exactly, and taken from it only roughly: where adding
        it turns the decisions, the other trial is not asked.
        """
        turned = pasting.flips - pasting.control_flips
        return (self.lowered(removal) and -pasting.z >= self.lean) or (
            self.raised(pasting) and (removal.z >= self.lean or turned >= self.turned)
        )


def usual_lead(logits: np.ndarray) -> float:
    """The median, over pictures, of the largest logit minus the second.

    Args:
        logits: float (n, k), k at least 2.
    """
    second, first = np.sort(np.asarray(logits, np.float64), axis=1)[:, -2:].T
    return float(np.median(first - second))
