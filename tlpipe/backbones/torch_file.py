"""Read a PyTorch state dict without PyTorch, and without running anything a file may hold."""

from __future__ import annotations

import io
import pickle
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from tlpipe.errors import BackboneError

_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
_LEGACY_PROTOCOL = 1001
# A state dict's pickle holds names and shapes only; even the largest nets stay far below.
_PICKLE_LIMIT = 64 * 2**20

# bfloat16 has no NumPy type: its bits are read as uint16 and widened to float32.
_STORAGES = {
    "torch.DoubleStorage": "<f8",
    "torch.FloatStorage": "<f4",
    "torch.HalfStorage": "<f2",
    "torch.BFloat16Storage": "<u2",
    "torch.LongStorage": "<i8",
    "torch.IntStorage": "<i4",
    "torch.ShortStorage": "<i2",
    "torch.CharStorage": "i1",
    "torch.ByteStorage": "u1",
    "torch.BoolStorage": "?",
}


# Tuples, because the pickle BUILD instruction can't change their fields.
class _Storage(NamedTuple):
    kind: str
    key: str
    length: int


class _Tensor(NamedTuple):
    storage: Any
    offset: Any
    size: Any
    stride: Any


def _rebuild_tensor(storage, offset, size, stride, *_unused) -> _Tensor:
    return _Tensor(storage, offset, size, stride)


def _rebuild_parameter(data, *_unused) -> _Tensor:
    return data


_ALLOWED = {
    "collections.OrderedDict": OrderedDict,
    "torch._utils._rebuild_tensor": _rebuild_tensor,
    "torch._utils._rebuild_tensor_v2": _rebuild_tensor,
    "torch._utils._rebuild_parameter": _rebuild_parameter,
    # A storage class is only ever looked at, never called: its name is enough.
    **{name: name for name in _STORAGES},
}


class _StateUnpickler(pickle.Unpickler):
    """An unpickler that knows the handful of names a state dict needs, and no other."""

    def __init__(self, file: BinaryIO, path: Path):
        super().__init__(file, encoding="utf-8")
        self._path = path

    def find_class(self, module: str, name: str) -> Any:
        wanted = f"{module}.{name}"
        if wanted not in _ALLOWED:
            raise BackboneError(
                f"The weights file asks for '{wanted}', which is refused.",
                where=self._path,
                cause="a state dict needs tensors only; anything else in it could run code",
                todo="save it again with torch.save(model.state_dict(), PATH), or don't trust it",
            )
        return _ALLOWED[wanted]

    def persistent_load(self, pid: Any) -> _Storage:
        tag, kind, key, _device, length, *view = pid
        if tag != "storage" or kind not in _STORAGES or any(v is not None for v in view):
            raise ValueError(f"unknown kind of storage {pid!r}")
        if type(length) is not int or length < 0 or type(key) is not str:
            raise ValueError(f"malformed storage {pid!r}")
        return _Storage(kind, key, length)


def read_state_dict(path: str | Path) -> dict[str, np.ndarray]:
    """Read the tensors of a ``torch.save``d state dict (zip format and the older, legacy one).

    Args:
        path: a ``.pth``/``.pt`` file; a dict with the state under ``state_dict`` is read too.

    Returns:
        name -> array in the file's order, shape and dtype (bfloat16 becomes float32); the arrays
        may be read-only.

    Raises:
        BackboneError: the file is missing, truncated, no state dict, or names a Python object
            other than those a state dict needs (the name is in the message).
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            state, storages = (_read_zip if zipfile.is_zipfile(file) else _read_legacy)(file, path)
        return _tensors(state, storages)
    except BackboneError:
        raise
    except OSError as error:
        raise BackboneError(
            f"The weights file can't be read: {error.strerror or error}.",
            where=path,
            todo="check the path and its permissions",
        ) from error
    # Broken pickles raise nearly any exception: all of them mean the same to the user.
    except Exception as error:
        raise BackboneError(
            "The file is not a readable PyTorch state dict.",
            where=path,
            cause=f"{type(error).__name__}: {error}",
            todo="copy or download it again, or save it with torch.save(model.state_dict(), PATH)",
        ) from error


def _read_zip(file: BinaryIO, path: Path) -> tuple[Any, dict[str, np.ndarray]]:
    file.seek(0)
    with zipfile.ZipFile(file) as archive:
        entries = {name.partition("/")[2]: info for name, info in archive.NameToInfo.items()}
        if "data.pkl" not in entries:
            raise ValueError("the zip archive holds no data.pkl")
        if "byteorder" in entries and archive.read(entries["byteorder"]) != b"little":
            raise ValueError("big-endian files are not supported")
        if entries["data.pkl"].file_size > _PICKLE_LIMIT:
            raise ValueError("data.pkl is too large for a state dict")
        unpickler = _Recorder(io.BytesIO(archive.read(entries["data.pkl"])), path)
        state = unpickler.load()
        storages = {}
        for key, storage in unpickler.seen.items():
            dtype = np.dtype(_STORAGES[storage.kind])
            info = entries[f"data/{key}"]
            # Compared before it is read, so that a small archive can't unpack to a huge one.
            if info.file_size < storage.length * dtype.itemsize:
                raise ValueError(f"data/{key} has {info.file_size} bytes, too few")
            if info.file_size > path.stat().st_size:
                raise ValueError(f"data/{key} is larger than the file that holds it")
            storages[key] = np.frombuffer(archive.read(info), dtype, storage.length)
    return state, storages


def _read_legacy(file: BinaryIO, path: Path) -> tuple[Any, dict[str, np.ndarray]]:
    file.seek(0)
    if _StateUnpickler(file, path).load() != _LEGACY_MAGIC:
        raise ValueError("no PyTorch magic number at its start")
    if _StateUnpickler(file, path).load() != _LEGACY_PROTOCOL:
        raise ValueError("unknown version of the legacy format")
    if _StateUnpickler(file, path).load().get("little_endian") is not True:
        raise ValueError("big-endian files are not supported")
    unpickler = _Recorder(file, path)
    state = unpickler.load()
    storages = {}
    left = path.stat().st_size
    for key in _StateUnpickler(file, path).load():
        storage = unpickler.seen[key]
        dtype = np.dtype(_STORAGES[storage.kind])
        length = int.from_bytes(file.read(8), "little")
        if length != storage.length:
            raise ValueError(f"storage {key} has {length} elements, {storage.length} declared")
        # Read no more than the file can hold: a forged length must not ask for the memory.
        data = file.read(min(length * dtype.itemsize, left))
        if len(data) != length * dtype.itemsize:
            raise ValueError("the file ends too early (truncated)")
        storages[key] = np.frombuffer(data, dtype)
    return state, storages


class _Recorder(_StateUnpickler):
    """Keeps the storages that the pickle named: their data come after it, or beside it."""

    def __init__(self, file: BinaryIO, path: Path):
        super().__init__(file, path)
        self.seen: dict[str, _Storage] = {}

    def persistent_load(self, pid: Any) -> _Storage:
        storage = super().persistent_load(pid)
        if self.seen.setdefault(storage.key, storage) != storage:
            raise ValueError(f"storage {storage.key} is declared twice, differently")
        return storage


def _tensors(state: Any, storages: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    if isinstance(state, dict) and isinstance(state.get("state_dict"), dict):
        state = state["state_dict"]
    if not isinstance(state, dict) or not state:
        raise ValueError(f"it holds a {type(state).__name__}, not a dict of tensors")
    wrong = [k for k, v in state.items() if not (isinstance(k, str) and isinstance(v, _Tensor))]
    if wrong:
        raise ValueError(f"entry {wrong[0]!r} is not a tensor")
    return {name: _array(name, tensor, storages) for name, tensor in state.items()}


def _array(name: str, tensor: _Tensor, storages: dict[str, np.ndarray]) -> np.ndarray:
    storage, offset, size, stride = tensor
    if not isinstance(storage, _Storage) or not isinstance(size, tuple | list):
        raise ValueError(f"tensor {name!r} has no storage or size")
    if not isinstance(stride, tuple | list) or len(stride) != len(size):
        raise ValueError(f"tensor {name!r} has {size} as its size, {stride} as its strides")
    numbers = (offset, *size, *stride)
    if any(type(n) is not int or n < 0 for n in numbers):
        raise ValueError(f"tensor {name!r} has a size, stride or offset below zero")
    data = storages[storage.key]
    count = 1
    for n in size:
        count *= n
    last = offset + sum((n - 1) * s for n, s in zip(size, stride, strict=True))
    # More elements than the storage has would be one element repeated: never in trained weights.
    if count > len(data) or (count and last >= len(data)):
        raise ValueError(f"tensor {name!r} reaches outside its storage")
    strides = [s * data.itemsize for s in stride]
    view = np.lib.stride_tricks.as_strided(data[offset:], size, strides, writeable=False)
    array = np.ascontiguousarray(view).reshape(size)
    if storage.kind == "torch.BFloat16Storage":
        return (array.astype(np.uint32) << 16).view(np.float32)
    return array
