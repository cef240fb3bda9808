"""The machines of a Ray cluster, and the trials that fit them. Pure."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

from tune_tasks.model.trial import Resources, count

_ROUNDING = 1e-9  # 1 / 0.1 must be 10 slots, whatever the float says


@dataclass(frozen=True)
class Node:
    """A machine of the cluster, with all that it has; None if that is not known yet."""

    id: str
    cpu: float
    gpu: float | None = None
    memory: float | None = None

    def holds(self, resources: Resources) -> bool:
        """Return whether a trial fits this machine if nothing else runs on it."""
        return all(has is None or wants <= has for wants, has in self._pairs(resources))

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
        # A trial that asks for nothing: as many as there are CPUs
        return int(self.cpu) or 1

    def without(self, resources: Resources) -> Node:
        """Return what is left of it beside those resources."""
        cpu, gpu, memory = (
            None if has is None else has - wants for wants, has in self._pairs(resources)
        )
        assert cpu is not None
        return Node(self.id, cpu, gpu, memory)

    def _pairs(self, resources: Resources) -> Sequence[tuple[float, float | None]]:
        """Return of each kind what a trial wants and what this machine has."""
        return (resources.cpu, self.cpu), (resources.gpu, self.gpu), (resources.memory, self.memory)

    def __str__(self) -> str:
        parts = [count(self.cpu, "CPU")]
        if self.gpu is not None:
            parts.append(count(self.gpu, "GPU"))
        if self.memory is not None:
            parts.append(f"{self.memory / 2**30:.3g} GiB of memory")
        return ", ".join(parts)


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
        free = list(self.nodes)
        largest_first = sorted(bundles, key=lambda bundle: (bundle.gpu, bundle.cpu), reverse=True)
        for bundle in largest_first:
            place = next((i for i, node in enumerate(free) if node.holds(bundle)), None)
            if place is None:
                return False
            free[place] = free[place].without(bundle)
        return bool(bundles)


def local_cluster(num_cpus: int | None, num_gpus: int | None) -> Cluster:
    """Return what a local cluster will have, as far as that is known before Ray is started."""
    cpus = (os.cpu_count() or 1) if num_cpus is None else num_cpus
    return Cluster([Node("", cpus, num_gpus)])
