"""State dicts are written by hand, opcode by opcode: the tests need no PyTorch."""

import pickle
import struct
import zipfile

import numpy as np
import pytest

from tlpipe.backbones.torch_file import read_state_dict
from tlpipe.errors import BackboneError

VALUES = np.arange(24, dtype="<f4")
OS_SYSTEM = b"\x80\x02cposix\nsystem\n(X\x04\x00\x00\x00truetR."


def literal(value) -> bytes:
    return pickle.dumps(value, 2)[2:-1]


def tensor(size, stride, *, key="0", kind="FloatStorage", length=24, offset=0) -> bytes:
    storage = b"(" + literal("storage") + b"ctorch\n" + kind.encode() + b"\n"
    storage += literal(key) + literal("cpu") + literal(length) + b"tQ"
    call = b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage
    call += literal(offset) + literal(size) + literal(stride) + literal(False)
    return call + b"ccollections\nOrderedDict\n)RtR"


def state(**entries: bytes) -> bytes:
    items = b"".join(literal(name) + value for name, value in entries.items())
    return b"\x80\x02ccollections\nOrderedDict\n)R(" + items + b"u."


def write_zip(path, pickled: bytes, storages: dict[str, np.ndarray]):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", pickled)
        archive.writestr("archive/byteorder", "little")
        for key, values in storages.items():
            archive.writestr(f"archive/data/{key}", values.tobytes())
    return path


def write_legacy(path, pickled: bytes, storages: dict[str, np.ndarray]):
    system = {"protocol_version": 1001, "little_endian": True, "type_sizes": {}}
    head = [0x1950A86A20F9469CFC6C, 1001, system]
    content = b"".join(pickle.dumps(part, 2) for part in head) + pickled
    content += pickle.dumps(list(storages), 2)
    for values in storages.values():
        content += struct.pack("<q", len(values)) + values.tobytes()
    path.write_bytes(content)
    return path


both_formats = pytest.mark.parametrize("write", [write_zip, write_legacy])


@both_formats
def test_shapes_strides_and_offsets_are_honoured(write, tmp_path):
    pickled = state(
        whole=tensor((4, 6), (6, 1)),
        transposed=tensor((6, 4), (1, 6)),
        every_other=tensor((2, 3), (6, 2), offset=6),
        number=tensor((), (), offset=5),
        empty=tensor((0, 3), (3, 1)),
    )
    found = read_state_dict(write(tmp_path / "x.pth", pickled, {"0": VALUES}))
    table = VALUES.reshape(4, 6)
    assert list(found) == ["whole", "transposed", "every_other", "number", "empty"]
    np.testing.assert_array_equal(found["whole"], table)
    np.testing.assert_array_equal(found["transposed"], table.T)
    np.testing.assert_array_equal(found["every_other"], table[1:3, ::2])
    assert found["number"] == 5
    assert found["number"].shape == ()
    assert found["empty"].shape == (0, 3)
    assert found["whole"].dtype == np.float32


@both_formats
def test_bfloat16_is_widened_exactly(write, tmp_path):
    bits = (VALUES.view("<u4") >> 16).astype("<u2")
    pickled = state(x=tensor((24,), (1,), kind="BFloat16Storage"))
    found = read_state_dict(write(tmp_path / "x.pth", pickled, {"0": bits}))["x"]
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, VALUES)


@both_formats
def test_a_checkpoint_with_the_state_inside_is_read(write, tmp_path):
    inner = state(x=tensor((24,), (1,)))[2:-1]
    pickled = b"\x80\x02}(" + literal("epoch") + literal(3) + literal("state_dict") + inner + b"u."
    assert list(read_state_dict(write(tmp_path / "x.pth", pickled, {"0": VALUES}))) == ["x"]


@both_formats
def test_a_malicious_pickle_is_refused_by_name(write, tmp_path):
    with pytest.raises(BackboneError, match=r"'posix\.system', which is refused"):
        read_state_dict(write(tmp_path / "x.pth", OS_SYSTEM, {}))


def test_a_bare_pickle_is_refused_by_name(tmp_path):
    (tmp_path / "x.pth").write_bytes(OS_SYSTEM)
    with pytest.raises(BackboneError, match=r"posix\.system"):
        read_state_dict(tmp_path / "x.pth")


@both_formats
def test_allowed_names_are_no_way_to_others(write, tmp_path):
    # Protocol 4 looks up dotted names: an attribute of an allowed one must be refused too.
    dotted = b"\x80\x04\x8c\x0bcollections\x8c\x19OrderedDict.fromkeys.ctor\x93."
    with pytest.raises(BackboneError, match="refused"):
        read_state_dict(write(tmp_path / "x.pth", dotted, {}))


@both_formats
@pytest.mark.parametrize(
    "entry",
    [
        tensor((4, 7), (6, 1)),
        tensor((4, 6), (6, 1), offset=1),
        tensor((4, 6), (-6, 1), offset=18),
        tensor((10**9, 10**9), (0, 0)),
        tensor((4, 6), (6,)),
        tensor((True, 6), (6, 1)),
        literal("a text"),
    ],
    ids=["size", "offset", "negative", "repeated", "rank", "bool", "no tensor"],
)
def test_what_reaches_outside_its_storage_is_refused(write, entry, tmp_path):
    with pytest.raises(BackboneError, match="not a readable PyTorch state dict"):
        read_state_dict(write(tmp_path / "x.pth", state(x=entry), {"0": VALUES}))


@both_formats
def test_every_truncation_is_refused(write, tmp_path):
    path = write(tmp_path / "x.pth", state(x=tensor((24,), (1,))), {"0": VALUES})
    content = path.read_bytes()
    for length in range(0, len(content), 7):
        path.write_bytes(content[:length])
        with pytest.raises(BackboneError):
            read_state_dict(path)


@both_formats
def test_a_storage_shorter_than_declared_is_refused(write, tmp_path):
    pickled = state(x=tensor((24,), (1,)))
    with pytest.raises(BackboneError):
        read_state_dict(write(tmp_path / "x.pth", pickled, {"0": VALUES[:20]}))


def test_a_missing_file_is_said_to_be_missing(tmp_path):
    with pytest.raises(BackboneError, match="No such file"):
        read_state_dict(tmp_path / "none.pth")
