"""What BC, MARWIL, CQL and IQL learn from: recorded data, read and made ready in the trial's own process.

RLlib reads by Ray Data, whose tasks and actors belong to no trial: they use CPUs that no `resources` name, and wait where
trials hold all of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.dataset
from numpy.typing import NDArray
from ray.data._internal.block_batching.block_batching import batch_blocks
from ray.data.block import BlockAccessor
from ray.rllib.algorithms.algorithm_config import AlgorithmConfig
from ray.rllib.core import COMPONENT_RL_MODULE
from ray.rllib.core.columns import Columns
from ray.rllib.env import INPUT_ENV_SPACES
from ray.rllib.offline.offline_data import OfflineData
from ray.rllib.offline.offline_prelearner import SCHEMA, OfflinePreLearner
from ray.rllib.policy.sample_batch import MultiAgentBatch, SampleBatch
from ray.rllib.utils import unflatten_dict
from torch import as_tensor

from tune_tasks.errors import TrainableError

#: `input_read_method`, as RLlib calls it -> the format, as Arrow calls it.
FORMATS = {"read_parquet": "parquet", "read_json": "json"}
EPISODES = "item"
"""The column of whole episodes, which RLlib has packed."""

Batch = dict[str, NDArray[Any]]


def dataset(source: str | Sequence[str], method: str) -> pyarrow.dataset.Dataset:
    """The files as one dataset; of them, only what tells the columns is read.

    Args:
        source: Files, or one file or folder; paths or URIs.
        method: One of `FORMATS`.

    Raises:
        OSError: If there is no such file, or none that can be read.
        ValueError: If it is of another format.
    """
    return pyarrow.dataset.dataset(source, format=FORMATS[method])


def needed_columns(config: AlgorithmConfig) -> set[str]:
    """The columns without which nothing can be learned, as this config calls them."""
    if config.input_read_episodes:
        return {EPISODES}
    names = {Columns.OBS, Columns.ACTIONS, Columns.REWARDS}
    if not (config.input_read_sample_batches or config.ignore_final_observation):
        names.add(Columns.NEXT_OBS)
    return {(SCHEMA | config.input_read_schema)[name] for name in names}


class RecordedData(OfflineData):
    """RLlib's `OfflineData` without Ray Data; lives in the process of the trial, which is that of its learner.

    An epoch is all rows in their order, in batches of `input_read_batch_size` rows (by default as many as a train batch has;
    one, where a row is of many steps), which RLlib's learner connectors make ready. What they give is cut into train batches,
    shuffled before as `iter_batches_kwargs` says. Connectors that need the networks have those of at most
    `prelearner_module_synch_period` batches ago, which RLlib documents and does not do.
    """

    def __init__(self, config: AlgorithmConfig) -> None:  # not RLlib's own, which starts Ray Data
        self.config = config
        self.iter_batches_kwargs = config.iter_batches_kwargs
        self.spaces: Any = None  # RLlib sets these three
        self.module_spec: Any = None
        self.learner_handles: Any = None
        self._raw: pa.Table | None = None
        self._ready: list[pa.Table] | None = None
        self._preparation: OfflinePreLearner | None = None
        self._batches: Iterator[Batch] = iter(())

    def sample(self, num_samples: int, return_iterator: bool = False, **_: Any) -> Any:
        """A train batch; or `[self]`, of which the learner asks `iter_torch_batches`."""
        if return_iterator:
            return [self]
        batch = next(self._batches, None)
        if batch is None:
            self._batches = self.epoch(num_samples, **self.iter_batches_kwargs)
            batch = next(self._batches)
        modules = {name: SampleBatch(columns) for name, columns in unflatten_dict(batch).items()}
        return MultiAgentBatch(modules, env_steps=sum(map(len, modules.values())))

    def iter_torch_batches(self, *, batch_size: int, device: Any, **shuffling: Any) -> Epochs:
        """As of Ray Data's `DataIterator`: what can be iterated over again and again, an epoch each time."""
        return Epochs(self, batch_size, device, shuffling)

    def epoch(
        self,
        batch_size: int,
        *,
        drop_last: bool = False,
        local_shuffle_buffer_size: int | None = None,
        local_shuffle_seed: int | None = None,
    ) -> Iterator[Batch]:
        """The data once, in train batches; the keywords are those of Ray Data's `iter_batches`."""
        batches: Iterator[Any] = batch_blocks(
            self._prepared(batch_size),
            batch_size=batch_size,
            batch_format="numpy",
            drop_last=drop_last,
            shuffle_buffer_min_size=local_shuffle_buffer_size,
            shuffle_seed=self.config.seed if local_shuffle_seed is None else local_shuffle_seed,
            ensure_copy=True,  # tensors share what they are made of, and may be written to
        )
        return batches

    def _prepared(self, batch_size: int) -> Iterator[pa.Table]:
        if not self.config.materialize_mapped_data:
            return self._prepare(batch_size)
        if self._ready is None:
            self._ready = list(self._prepare(batch_size))
        return iter(self._ready)

    def _prepare(self, batch_size: int) -> Iterator[pa.Table]:
        holds_many_steps = self.config.input_read_episodes or self.config.input_read_sample_batches
        rows = self.config.input_read_batch_size or (1 if holds_many_steps else batch_size)
        prepare = self._preparation = self._preparation or self._new_preparation()
        number = -1
        for number, batch in enumerate(batch_blocks(self._blocks(), batch_size=rows, batch_format="numpy")):
            if number % self.config.prelearner_module_synch_period == 0:
                prepare._module.set_state(self._module_state())
            yield BlockAccessor.batch_to_block({name: column.numpy() for name, column in prepare(batch).items()})
        if number < 0:
            raise TrainableError(f"input_: {self.config.input_} holds no rows")

    def _new_preparation(self) -> OfflinePreLearner:
        spaces = self.spaces[INPUT_ENV_SPACES]
        return OfflinePreLearner(config=self.config, spaces=spaces, module_spec=self.module_spec)

    def _module_state(self) -> Mapping[str, Any]:
        state: Mapping[str, Any] = self.learner_handles[0].get_state(components=COMPONENT_RL_MODULE)[COMPONENT_RL_MODULE]
        return state

    def _blocks(self) -> Iterator[pa.Table]:
        if self._raw is not None:
            return iter([self._raw])
        files = dataset(self.config.input_, self.config.input_read_method)
        if self.config.materialize_data:
            self._raw = files.to_table(use_threads=False)
            return iter([self._raw])
        return (pa.Table.from_batches([batch]) for batch in files.to_batches(use_threads=False) if batch.num_rows)


@dataclass(frozen=True)
class Epochs:
    """Iterated over, an epoch of train batches as tensors.

    Attributes:
        data: What is read.
        batch_size: Steps of a batch.
        device: Where the tensors go.
        shuffling: Keywords of `RecordedData.epoch`.
    """

    data: RecordedData
    batch_size: int
    device: Any
    shuffling: Mapping[str, Any]

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for batch in self.data.epoch(self.batch_size, **self.shuffling):
            yield {name: as_tensor(column, device=self.device) for name, column in batch.items()}
