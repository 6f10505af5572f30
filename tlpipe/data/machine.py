"""What of the machine this process may use: a container may have less than its machine."""

from __future__ import annotations

import os
import re
from pathlib import Path


def usable_cores() -> int:
    """Cores: as many threads are worth starting."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def usable_memory() -> int:
    """Bytes of memory."""
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    # Version 2 of the control groups, then version 1.
    for name in ("memory.max", "memory/memory.limit_in_bytes"):
        limit = Path("/sys/fs/cgroup") / name
        text = limit.read_text().strip() if limit.is_file() else ""
        if text.isdigit():
            return min(total, int(text))
    return total


def last_cache() -> int | None:
    """Bytes of the processor's last cache, or None where the system does not tell."""
    sizes = []
    for size in Path("/sys/devices/system/cpu/cpu0/cache").glob("index*/size"):
        if match := re.fullmatch(r"(\d+)K", size.read_text().strip()):
            sizes.append(int(match[1]) << 10)
    return max(sizes, default=None)
