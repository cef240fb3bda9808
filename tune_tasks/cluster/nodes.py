"""The machines of a Ray cluster, and whether trials fit them. Pure."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

from tune_tasks.model.trial import Resources, count

_ROUNDING = 1e-9  # because three trials of 0.1 CPUs fit 0.3, but 0.3 / 0.1 is less than 3


@dataclass(frozen=True)
class Node:
    """A machine of the cluster, with all that it has; None if that is not known yet."""

    id: str
    cpu: float
    gpu: float | None = None
    memory: float | None = None

    def holds(self, resources: Resources) -> bool:
        """Return whether a trial fits this machine if nothing else runs on it."""
        return all(has is None or has >= wants for wants, has in self._pairs(resources))

    def slots(self, resources: Resources) -> int:
        """Return how many trials of this size fit at once."""
        if not self.holds(resources):
            return 0
        limits = [
            int(has / wants + _ROUNDING)
            for wants, has in self._pairs(resources)
            if wants and has is not None
        ]
        if limits:
            return min(limits)
        # A trial that asks for nothing has no limit: then as many as there are CPUs
        return int(self.cpu) or 1

    def without(self, resources: Resources) -> Node:
        """Return what is left of this machine beside those resources."""
        return Node(
            self.id,
            self.cpu - resources.cpu,
            _less(self.gpu, resources.gpu),
            _less(self.memory, resources.memory),
        )

    def _pairs(self, resources: Resources) -> Sequence[tuple[float, float | None]]:
        """Return what a trial wants and what this machine has, of each kind of resource."""
        return [
            (resources.cpu, self.cpu),
            (resources.gpu, self.gpu),
            (resources.memory, self.memory),
        ]

    def __str__(self) -> str:
        parts = [count(self.cpu, "CPU")]
        if self.gpu is not None:
            parts.append(count(self.gpu, "GPU"))
        if self.memory is not None:
            parts.append(f"{self.memory / 2**30:.3g} GiB of memory")
        return ", ".join(parts)


def _less(has: float | None, wants: float) -> float | None:
    return None if has is None else has - wants


@dataclass(frozen=True)
class Cluster:
    """The cluster at the sweep's start.

    Attributes:
        nodes: Its machines.
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
        """Return how many trials of this size fit at once; at least 1."""
        return max(1, sum(node.slots(resources) for node in self.nodes))

    def fits(self, resources: Resources, bundles: Sequence[Resources]) -> bool:
        """Return whether a trial with these processes can be placed if nothing else runs."""
        return any(node.holds(resources) for node in self.nodes) or self._packs(bundles)

    def _packs(self, bundles: Sequence[Resources]) -> bool:
        """Return whether a trial's processes fit if they may be spread over the machines."""
        if not bundles:
            return False
        free = list(self.nodes)
        largest_first = sorted(bundles, key=lambda bundle: (bundle.gpu, bundle.cpu), reverse=True)
        for bundle in largest_first:
            fitting = [number for number, node in enumerate(free) if node.holds(bundle)]
            if not fitting:
                return False
            first = fitting[0]
            free[first] = free[first].without(bundle)
        return True


def local_cluster(num_cpus: int | None, num_gpus: int | None) -> Cluster:
    """Return what a local cluster will have, as far as that is known before Ray is started."""
    cpus = (os.cpu_count() or 1) if num_cpus is None else num_cpus
    return Cluster([Node("", cpus, num_gpus)])
