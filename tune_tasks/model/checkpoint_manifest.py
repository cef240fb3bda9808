"""A checkpoint's manifest: which report it belongs to, and what its files are.

`tune_tasks.json`, beside the files that the script has saved. It is written last, so a checkpoint
without one is none. What it says has a checksum, too.
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from tune_tasks.model.files import sync_file, sync_folder

MANIFEST = "tune_tasks.json"
_VERSION = 1
_CHUNK = 1 << 20
_SYNCING = 8
"""Threads that wait for the disk: a disk writes several files in the time of one."""


class CheckpointUnusableError(Exception):
    """A checkpoint that no attempt can go on from; the message says what is wrong with it."""


@dataclass(frozen=True)
class StoredFile:
    """A file as it was when its checkpoint was written.

    Attributes:
        size: In bytes.
        crc32: Of its content, in eight hexadecimal digits.
    """

    size: int
    crc32: str


@dataclass(frozen=True)
class Manifest:
    """What a checkpoint says of itself.

    Attributes:
        training_iteration: Of the report that it belongs to, as the two that follow.
        reports: How many reports the trial had made, that one included.
        size: Where in the attempt's `result.json` that report ends, in bytes.
        report: That report, without its config; None if there was none yet.
        non_finite: How many values that were not finite the trial had reported.
        time: When it was written, in seconds since the epoch.
        files: By path within its folder.
        is_copy: Whether the files were copied from another trial; the report is the trial's own.
    """

    training_iteration: int
    timesteps_total: int
    time_total_s: float
    reports: int
    size: int
    report: Mapping[str, Any] | None = None
    non_finite: int = 0
    time: float = 0.0
    files: Mapping[str, StoredFile] = field(default_factory=dict)
    is_copy: bool = False


def seal(folder: Path, manifest: Manifest, beside: Callable[[], object] = lambda: None) -> Manifest:
    """Have everything in a folder on the disk, and write the manifest last.

    The checksums are computed while other threads wait for the disk, so that they cost no time.

    Args:
        folder: A checkpoint's, with its files.
        manifest: What it belongs to; the files are filled in.
        beside: Syncs what else the checkpoint relies on; called in one of these threads.

    Returns:
        The manifest as it is written.

    Raises:
        OSError: If a file cannot be read or synced, or the manifest not be written.
    """
    paths = dict(_files_in(folder))
    with ThreadPoolExecutor(_SYNCING, "checkpoint") as pool:
        syncs: list[Future[Any]] = [pool.submit(beside)]
        syncs += [pool.submit(sync_file, path) for path in paths.values()]
        files = {name: _stored(path) for name, path in paths.items()}
        for sync in syncs:
            sync.result()
    manifest = replace(manifest, files=files)
    write_manifest(folder, manifest)
    return manifest


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write the manifest of files that are on the disk, and have it and their names there, too.

    Raises:
        OSError: If it cannot be written.
    """
    path = folder / MANIFEST
    path.write_text(_as_text(manifest), encoding="utf-8")
    sync_file(path)
    for parent, _, _ in os.walk(folder):
        sync_folder(Path(parent))


def read_manifest(folder: Path) -> Manifest:
    """Return what a checkpoint says of itself.

    Raises:
        CheckpointUnusableError: If it says nothing, or something else than what was written.
    """
    try:
        return parse_manifest((folder / MANIFEST).read_bytes())
    except OSError as exc:
        raise CheckpointUnusableError(f"{MANIFEST}: {exc.strerror}") from None


def parse_manifest(text: bytes) -> Manifest:
    """Return what the file of a manifest says.

    Raises:
        CheckpointUnusableError: If it says nothing, or something else than what was written.
    """
    try:
        data: dict[str, Any] = json.loads(text)
        said = data.pop("checksum")
        if said != _checksum(data) or data.pop("version") != _VERSION:
            raise CheckpointUnusableError(f"{MANIFEST} was altered")
        files = {name: StoredFile(**stored) for name, stored in data.pop("files").items()}
        return Manifest(**data, files=files)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise CheckpointUnusableError(f"{MANIFEST} was altered") from None


def check_sizes(folder: Path, manifest: Manifest) -> None:
    """Look whether every file is there in its length, without reading it.

    Raises:
        CheckpointUnusableError: If one is not.
    """
    for name, stored in manifest.files.items():
        try:
            size = (folder / name).stat().st_size
        except OSError as exc:
            raise CheckpointUnusableError(f"{name}: {exc.strerror}") from None
        if size != stored.size:
            problem = f"{name} has {size:,} bytes, of {stored.size:,} that were written"
            raise CheckpointUnusableError(problem)


def verified(folder: Path) -> Manifest:
    """Return what a checkpoint says of itself, once every file is found to be as it was written.

    Raises:
        CheckpointUnusableError: If one is not.
    """
    manifest = read_manifest(folder)
    check_sizes(folder, manifest)
    for name, stored in manifest.files.items():
        try:
            found = _stored(folder / name)
        except OSError as exc:
            raise CheckpointUnusableError(f"{name}: {exc.strerror}") from None
        if found != stored:
            raise CheckpointUnusableError(f"{name} was altered")
    return manifest


def _files_in(folder: Path) -> Iterator[tuple[str, Path]]:
    """The regular files below a folder; of links, the files that they lead to are none of ours."""
    for parent, _, names in os.walk(folder):
        for name in sorted(names):
            path = Path(parent, name)
            # A script may have copied an earlier checkpoint, whose manifest is no file of its own.
            is_own = path.is_file() and not path.is_symlink() and path != folder / MANIFEST
            if is_own:
                yield str(path.relative_to(folder)), path


def _stored(path: Path) -> StoredFile:
    size = 0
    checksum = 0
    buffer = bytearray(_CHUNK)
    view = memoryview(buffer)
    with path.open("rb", buffering=0) as file:
        while count := file.readinto(buffer):
            checksum = zlib.crc32(view[:count], checksum)
            size += count
    return StoredFile(size, f"{checksum:08x}")


def _as_text(manifest: Manifest) -> str:
    data = {"version": _VERSION, **asdict(manifest)}
    # As it is going to be read: the checksum is of that.
    data = json.loads(json.dumps(data, default=repr))
    return json.dumps({**data, "checksum": _checksum(data)}, indent=2) + "\n"


def _checksum(data: Mapping[str, Any]) -> str:
    return f"{zlib.crc32(json.dumps(data, sort_keys=True).encode()):08x}"
