"""One share of a long list, for one of several processes or machines."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from tlpipe.errors import ConfigError


@dataclass(frozen=True)
class Shard:
    """Share ``number``, from 1, of ``of`` shares. Raises ConfigError when there is no such share.

    >>> [list(Shard(number, 3).range(7)) for number in (1, 2, 3)]
    [[0, 1], [2, 3], [4, 5, 6]]
    """

    number: int = 1
    of: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.number <= self.of:
            raise ConfigError(
                f"There is no shard {self}.",
                cause="shards are counted from 1",
                todo="choose one from 1/N to N/N, for example --shard 3/16",
            )

    @classmethod
    def parse(cls, text: str) -> Shard:
        """``3/16`` as a shard. Raises ConfigError."""
        if not re.fullmatch(r"[0-9]+/[0-9]+", text):
            raise ConfigError(
                f"'{text}' is not a shard.", todo="write it as 3/16: the third of sixteen"
            )
        return cls(*map(int, text.split("/")))

    def range(self, count: int) -> range:
        """The positions, of ``count``, that are this shard's: contiguous, as many but for one."""
        return range((self.number - 1) * count // self.of, self.number * count // self.of)

    def beside(self, path: Path) -> Path:
        """This shard's own file: ``predictions.shard-03-of-16.csv``."""
        number = f"{self.number:0{len(str(self.of))}}"
        return path.with_name(f"{path.stem}.shard-{number}-of-{self.of}{path.suffix}")

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"
