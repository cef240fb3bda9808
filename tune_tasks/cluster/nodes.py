"""What a Ray cluster has, and whether a trial fits it. Pure."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

from tune_tasks.model.trial import Resources, count


@dataclass(frozen=True)
class Node:
    """A machine of the cluster, with what it has in all; None where that is not known yet."""

    id: str
    cpu: float
    gpu: float | None = None
    memory: float | None = None

    def holds(self, resources: Resources) -> bool:
        """Whether a trial fits this machine when nothing else runs on it."""
        return all(has is None or wants <= has for wants, has in self._pairs(resources))

    def slots(self, resources: Resources) -> int:
        """How many trials of this size fit at once."""
        if not self.holds(resources):
            return 0
        limits = [
            int(has / wants + 1e-9)
            for wants, has in self._pairs(resources)
            if wants and has is not None
        ]
        return min(limits, default=int(self.cpu) or 1)

    def without(self, resources: Resources) -> Node:
        """What is left of it beside those."""
        left = (None if has is None else has - wants for wants, has in self._pairs(resources))
        return Node(self.id, *left)  # type: ignore[arg-type]

    def _pairs(self, resources: Resources) -> Sequence[tuple[float, float | None]]:
        return (resources.cpu, self.cpu), (resources.gpu, self.gpu), (resources.memory, self.memory)

    def __str__(self) -> str:
        gpus = "" if self.gpu is None else f", {count(self.gpu, 'GPU')}"
        memory = "" if self.memory is None else f", {self.memory / 2**30:.3g} GiB of memory"
        return f"{count(self.cpu, 'CPU')}{gpus}{memory}"


@dataclass(frozen=True)
class Cluster:
    """The cluster at the sweep's start.

    Attributes:
        is_remote: Whether it has machines besides the driver's.
    """

    nodes: Sequence[Node]
    is_remote: bool = False

    @property
    def cpu(self) -> float:
        """CPUs in all."""
        return sum(node.cpu for node in self.nodes)

    @property
    def gpu(self) -> float:
        """GPUs in all."""
        return sum(node.gpu or 0 for node in self.nodes)

    def slots(self, resources: Resources) -> int:
        """How many trials of this size fit at once; at least 1."""
        return max(1, sum(node.slots(resources) for node in self.nodes))

    def fits(self, resources: Resources, bundles: Sequence[Resources]) -> bool:
        """Whether a trial with these processes can be placed when nothing else runs."""
        return any(node.holds(resources) for node in self.nodes) or self._packs(bundles)

    def _packs(self, bundles: Sequence[Resources]) -> bool:
        """Whether the processes of a trial fit when nothing else runs, on several machines too."""
        free = list(self.nodes)
        for bundle in sorted(bundles, key=lambda b: (b.gpu, b.cpu), reverse=True):
            place = next((i for i, node in enumerate(free) if node.holds(bundle)), None)
            if place is None:
                return False
            free[place] = free[place].without(bundle)
        return bool(bundles)


def local_cluster(num_cpus: int | None, num_gpus: int | None) -> Cluster:
    """What a local cluster is going to have, as far as that is plain before Ray is started."""
    return Cluster([Node("", os.cpu_count() or 1 if num_cpus is None else num_cpus, num_gpus)])
