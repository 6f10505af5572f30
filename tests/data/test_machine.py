"""Of a machine a container may have a part."""

import pytest

from tlpipe.data import machine


@pytest.mark.parametrize(
    ("files", "cores"),
    [
        ({"cpu.max": "200000 100000\n"}, 2),
        ({"cpu.max": "150000 100000\n"}, 2),
        ({"cpu.max": "5000 100000\n"}, 1),
        ({"cpu.max": "max 100000\n"}, 64),
        ({"cpu/cpu.cfs_quota_us": "300000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 3),
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, 64),
        ({}, 64),
    ],
)
def test_cores_are_those_of_the_containers_quota(tmp_path, monkeypatch, files, cores):
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(machine, "_GROUPS", tmp_path)
    monkeypatch.setattr(machine.os, "sched_getaffinity", lambda process: set(range(64)))
    assert machine.usable_cores() == cores


def test_the_last_cache_is_a_size_or_unknown():
    size = machine.last_cache()
    assert size is None or 1 << 15 <= size <= 1 << 32


@pytest.mark.parametrize(
    ("vendor", "flags", "unit"),
    [
        ("GenuineIntel", "fpu avx512_bf16 amx_bf16 amx_tile\nbugs\t\t:", "AMX"),
        ("GenuineIntel", "fpu avx512_bf16\nbugs\t\t: amx_bf16", None),
        ("AuthenticAMD", "fpu avx512f avx512_bf16", "AVX512_BF16"),
        ("AuthenticAMD", "fpu avx2", None),
    ],
)
def test_bfloat16_unit_follows_from_vendor_and_flags(tmp_path, monkeypatch, vendor, flags, unit):
    one = f"processor\t: 0\nvendor_id\t: {vendor}\nmodel name\t: X\nflags\t\t: {flags}\n\n"
    _processor(tmp_path, monkeypatch, one + one.replace(": 0", ": 1"))
    assert machine.bfloat16_unit() == unit


@pytest.mark.parametrize("text", ["processor\t: 0\nFeatures\t: fp asimd bf16\n", None])
def test_no_bfloat16_unit_is_known_elsewhere(tmp_path, monkeypatch, text):
    _processor(tmp_path, monkeypatch, text)
    assert machine.bfloat16_unit() is None


def _processor(tmp_path, monkeypatch, text):
    file = tmp_path / "cpuinfo"
    if text is not None:
        file.write_text(text)
    monkeypatch.setattr(machine, "_PROCESSOR", file)
