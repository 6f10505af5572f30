"""A stage: typed settings, the artifacts it reads and writes, and what it does."""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

from tlpipe.config.settings import Settings

if TYPE_CHECKING:
    from tlpipe.pipeline.run import Run


class Stage(ABC):
    """One arrow of the pipeline. Subclasses set the class variables and write :meth:`run`.

    Attributes:
        name: the key in the pipeline file.
        version: raised when the stage's results change, so that old ones are made again.
        reads: artifacts, as paths in the run folder, that earlier stages must have written.
        writes: artifacts it leaves behind.
    """

    name: ClassVar[str]
    version: ClassVar[int] = 1
    reads: ClassVar[tuple[str, ...]] = ()
    writes: ClassVar[tuple[str, ...]] = ()

    def __init__(self, settings: Settings):
        self.settings = settings

    def outside(self) -> Any:
        """What the result depends on beyond the run folder (JSON-able), such as file times."""
        return None

    def check(self, run: Run) -> None:
        """Raises TlpipeError for settings that can't work; called before any stage runs."""
        return None

    @abstractmethod
    def run(self, run: Run) -> str:
        """Does the work and returns one line that says what came out."""

    def clean(self, run: Run) -> None:
        """Drops what only an interrupted stage needs; called once the stage counts as finished."""
        return None

    def key(self, seed: int, read_keys: dict[str, str]) -> str:
        """SHA-256 of everything the result depends on."""
        parts = {
            "stage": self.name,
            "version": self.version,
            "settings": self.settings.model_dump(mode="json"),
            "reads": read_keys,
            "seed": seed,
            "outside": self.outside(),
        }
        text = json.dumps(parts, sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()
