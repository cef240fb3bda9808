"""`StorageDepot`: a storage that every machine reaches, by any address that fsspec knows."""

from __future__ import annotations

import contextlib
import os
import uuid
from collections.abc import Collection, Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from tune_tasks.model.checkpoint import CheckpointRef, CheckpointRules
from tune_tasks.model.checkpoint_choice import best_among, superfluous_among
from tune_tasks.model.checkpoint_folder import lineage, named_so
from tune_tasks.model.checkpoint_manifest import (
    MANIFEST,
    CheckpointUnusableError,
    Manifest,
    parse_manifest,
    read_manifest,
)
from tune_tasks.model.files import AttemptPaths, attempt_folder
from tune_tasks.model.masking import masked
from tune_tasks.model.objective import Objective
from tune_tasks.model.text import one_line
from tune_tasks.trial.depot import Depot, DepotAwayError, patiently

_PROBE = ".tune-tasks-probe"

if TYPE_CHECKING:
    from fsspec.spec import AbstractFileSystem


class StorageDepot(Depot):
    """See `Depot`. A storage cannot rename: a checkpoint is there once its manifest is.

    Args:
        url: The address of the trial's folder.
        of_trial: The same folder on this machine.
        attempt: The attempt whose files are sent, or whose earlier ones are asked for.
        rules: Which checkpoints are kept.
        begun_from: The checkpoint that the attempt has gone on from; it is kept.
    """

    def __init__(
        self,
        url: str,
        of_trial: Path,
        attempt: int,
        rules: CheckpointRules,
        begun_from: CheckpointRef | None = None,
    ) -> None:
        self._url = url
        self._of_trial = of_trial
        self._attempt = attempt
        self._rules = rules
        self._begun_from = begun_from
        self._sent: set[Path] = set()
        self._manifests: dict[Path, Manifest] = {}

    def put(self, path: Path) -> Iterator[None]:
        """See `Depot`."""
        size = path.stat().st_size
        if path not in self._sent:
            with _answering():
                files, root = self._place
                at = self._at(root, path)
                files.makedirs(at.rpartition("/")[0], exist_ok=True)
                files.put_file(str(path), at)
                if files.size(at) != size:
                    raise DepotAwayError(f"{path.name} has not arrived whole")
            self._sent.add(path)
        yield

    def put_checkpoint(self, folder: Path) -> Iterator[None]:
        """See `Depot`."""
        manifest = read_manifest(folder)
        for name in manifest.files:
            yield from self.put(folder / name)
        yield from self.put(folder / MANIFEST)
        self._manifests[folder] = manifest
        with contextlib.suppress(DepotAwayError):  # the next one removes what is left
            self._prune()

    def names(self, folder: Path) -> list[str]:
        """See `Depot`."""
        return patiently(lambda: self._names(folder))

    def get(self, path: Path, to: Path, most: int | None = None) -> None:
        """See `Depot`."""
        patiently(lambda: self._get(path, to))
        if most is not None and to.stat().st_size > most:
            os.truncate(to, most)

    def best(self, objective: Objective | None) -> str | None:
        """Return the address of the best checkpoint; None if there is none.

        Args:
            objective: What 'best' goes by; see `best_of`.

        Raises:
            DepotAwayError: If the storage does not answer.
        """
        best = best_among(self._found(self._paths()), objective)
        return self.address(best) if best else None

    def address(self, path: Path) -> str:
        """Return the address of a file or folder, without a password."""
        address: str = masked(self._at(self._url, path))
        return address

    def _at(self, root: str, path: Path) -> str:
        return f"{root.rstrip('/')}/{path.relative_to(self._of_trial).as_posix()}"

    @cached_property
    def _place(self) -> tuple[AbstractFileSystem, str]:
        """The storage, and the path of the trial's folder in it."""
        from fsspec.core import url_to_fs

        files, root = url_to_fs(self._url)
        return files, root

    def _names(self, folder: Path) -> list[str]:
        with _answering():
            files, root = self._place
            files.invalidate_cache()  # other machines write there, too
            try:
                entries = files.ls(self._at(root, folder), detail=False)
            except (FileNotFoundError, NotADirectoryError):
                return []
            return sorted(entry.rstrip("/").rpartition("/")[2] for entry in entries)

    def _get(self, path: Path, to: Path) -> None:
        to.write_bytes(b"")
        with _answering():
            files, root = self._place
            with contextlib.suppress(FileNotFoundError):
                files.get_file(self._at(root, path), str(to))

    # ── Which checkpoints are kept ─────

    def _prune(self) -> None:
        paths = self._paths()
        spared: Collection[Path] = [path for path in paths if self._is_begun_from(path)]
        for path in superfluous_among(paths, self._found(paths), self._rules, spared):
            self._remove(path)

    def _paths(self) -> list[Path]:
        """The checkpoints of the attempt and of those it has gone on from, the latest first."""
        paths: list[Path] = []
        for attempt in lineage(self._of_trial, self._attempt):
            folder = AttemptPaths(attempt_folder(self._of_trial, attempt)).checkpoints
            paths += [stored.path for stored in named_so(folder, self._names(folder))]
        return paths

    def _found(self, paths: list[Path]) -> dict[Path, Manifest]:
        """The manifests of those that have one."""
        for path in paths:
            if path not in self._manifests:
                with contextlib.suppress(CheckpointUnusableError):
                    self._manifests[path] = parse_manifest(self._read(path / MANIFEST))
        return {path: self._manifests[path] for path in paths if path in self._manifests}

    def _read(self, path: Path) -> bytes:
        with _answering():
            files, root = self._place
            try:
                data: bytes = files.cat_file(self._at(root, path))
            except FileNotFoundError:
                return b""
            return data

    def _is_begun_from(self, path: Path) -> bool:
        begun_from = self._begun_from
        if begun_from is None:
            return False
        paths = AttemptPaths(attempt_folder(self._of_trial, begun_from.attempt))
        numbers = [stored.number for stored in named_so(path.parent, [path.name])]
        return path.parent == paths.checkpoints and numbers == [begun_from.number]

    def _remove(self, path: Path) -> None:
        """Remove a checkpoint, its manifest first: without one it is none."""
        with _answering(), contextlib.suppress(FileNotFoundError):
            files, root = self._place
            at = self._at(root, path)
            with contextlib.suppress(FileNotFoundError):
                files.rm_file(f"{at}/{MANIFEST}")
            files.rm(at, recursive=True)


def expect_writable(url: str) -> None:
    """Write a file into a storage, and remove it.

    Args:
        url: The address of the storage.

    Raises:
        DepotAwayError: If that fails.
    """
    from fsspec.core import url_to_fs

    with _answering():
        files, root = url_to_fs(url)
        files.makedirs(root, exist_ok=True)
        at = f"{root.rstrip('/')}/{_PROBE}-{uuid.uuid4().hex}"
        files.pipe_file(at, b"tune-tasks can write here\n")
        files.rm_file(at)


@contextlib.contextmanager
def _answering() -> Iterator[None]:
    """Have whatever a storage raises say that it is away: each has errors of its own."""
    try:
        yield
    except DepotAwayError:
        raise
    except Exception as exc:
        why = one_line(masked(f"{type(exc).__name__}: {exc}"))
        raise DepotAwayError(f"the storage says {why}") from exc
