"""What of the machine this process may use: a container may have less than its machine."""

from __future__ import annotations

import math
import os
import re
from pathlib import Path

_GROUPS = Path("/sys/fs/cgroup")
_PROCESSOR = Path("/proc/cpuinfo")


def usable_cores() -> int:
    """Cores: as many threads are worth starting."""
    affinity = getattr(os, "sched_getaffinity", None)
    cores = len(affinity(0)) if affinity else os.cpu_count() or 1
    return min(cores, _quota() or cores)


def _quota() -> int | None:
    """Cores that a container's share of time comes to, rounded up; None without a limit."""
    # Version 2 of the control groups has both numbers in one file, version 1 in two.
    for files in (["cpu.max"], ["cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us"]):
        texts = [(_GROUPS / name).read_text() for name in files if (_GROUPS / name).is_file()]
        numbers = " ".join(texts).split()
        if len(numbers) == 2 and all(map(str.isdigit, numbers)):
            return max(1, math.ceil(int(numbers[0]) / int(numbers[1])))
    return None


def usable_memory() -> int:
    """Bytes of memory."""
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    # Version 2 of the control groups, then version 1.
    for name in ("memory.max", "memory/memory.limit_in_bytes"):
        limit = _GROUPS / name
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


def bfloat16_unit() -> str | None:
    """What multiplies bfloat16 faster than float32: ``AMX``, ``AVX512_BF16``, or None.

    AMX is in Intel's servers since 2023. AMD's processors since Zen 4 multiply twice as many
    numbers at once with AVX512_BF16 (measured on Zen 5); Intel's without AMX are not known to.
    """
    # Elsewhere than under Linux there is no such file, and no such processor that we know of.
    text = _PROCESSOR.read_text() if _PROCESSOR.is_file() else ""
    said = dict(re.findall(r"^(flags|vendor_id)\s*:(.*)$", text, re.MULTILINE))
    flags = said.get("flags", "").split()
    if "amx_bf16" in flags:
        return "AMX"
    amd = said.get("vendor_id", "").strip() == "AuthenticAMD"
    return "AVX512_BF16" if amd and "avx512_bf16" in flags else None
