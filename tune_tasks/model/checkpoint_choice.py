"""Which checkpoints of a trial are kept, and which is the best, by their manifests. Pure.

They may be on any machine: a folder stands for its checkpoint here, and is not looked at.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from tune_tasks.model.checkpoint import CheckpointRules
from tune_tasks.model.checkpoint_manifest import Manifest
from tune_tasks.model.objective import Objective, choose_objective


def best_among(manifests: Mapping[Path, Manifest], wanted: Objective | None) -> Path | None:
    """Return the folder of the one with the best metric, or of the latest if none has a metric."""
    best = _best(manifests, wanted)
    return best or next(iter(manifests), None)


def superfluous_among(
    paths: Sequence[Path],
    manifests: Mapping[Path, Manifest],
    rules: CheckpointRules,
    spared: Collection[Path] = (),
) -> list[Path]:
    """Return the folders of checkpoints that need not be kept.

    Args:
        paths: A trial's, the latest first.
        manifests: Of those that are not damaged, in the same order.
        rules: Which ones are kept.
        spared: Those that are kept in any case.
    """
    if rules.keep is None:
        return []
    kept = set(spared)
    best = _best(manifests, rules.objective) if rules.keep_best else None
    if best:
        kept.add(best)
    gone: list[Path] = []
    reports: set[int] = set()
    for path in paths:
        manifest = manifests.get(path)
        if len(reports) == rules.keep:
            gone.append(path)
        elif manifest is None:
            continue  # it stays, because it may be the disk that fails to read it just now
        elif manifest.reports in reports:
            gone.append(path)
        else:
            reports.add(manifest.reports)
    return [path for path in gone if path not in kept]


def _best(manifests: Mapping[Path, Manifest], wanted: Objective | None) -> Path | None:
    """The one with the best metric, of equal ones the latest; None if none has the metric."""

    def is_reported(default: Objective) -> bool:
        return any(default.value(each.report) is not None for each in manifests.values())

    objective = choose_objective(wanted, is_reported)
    best: Path | None = None
    best_value: float | None = None
    for path, manifest in manifests.items():
        value = objective.value(manifest.report) if objective else None
        if objective and objective.better(value, best_value):
            best = path
            best_value = value
    return best
