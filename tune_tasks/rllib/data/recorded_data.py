"""Recorded data to learn from, read and made ready in the trial's own process.

RLlib reads by Ray Data, whose tasks and actors belong to no trial: they use CPUs that no
`resources` name, and wait if trials hold all CPUs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.dataset
from numpy.typing import NDArray

# private: what Ray Data shuffles, cuts and checks with inside its tasks. Its public functions start
# such tasks.
from ray.data._internal.block_batching.block_batching import batch_blocks
from ray.data._internal.object_extensions.arrow import raise_on_pickle_object_columns
from ray.data.block import BlockAccessor
from ray.rllib.algorithms.algorithm_config import AlgorithmConfig
from ray.rllib.algorithms.cql import CQLConfig
from ray.rllib.core import COMPONENT_RL_MODULE
from ray.rllib.core.columns import Columns
from ray.rllib.env import INPUT_ENV_SPACES
from ray.rllib.env.single_agent_episode import SingleAgentEpisode
from ray.rllib.offline.offline_data import OfflineData
from ray.rllib.offline.offline_prelearner import SCHEMA, OfflinePreLearner
from ray.rllib.policy.sample_batch import MultiAgentBatch, SampleBatch
from ray.rllib.utils import unflatten_dict
from torch import as_tensor

from tune_tasks.errors import TrainableError

FORMATS = {"read_parquet": "parquet", "read_json": "json"}
"""RLlib's `input_read_method` -> Arrow's name of the format."""

_EPISODES = "item"
"""The column of whole episodes, which RLlib has packed."""

_ENDS = (Columns.TERMINATEDS, "dones")
_READ_ROWS = 1_000

Batch = dict[str, NDArray[Any]]


def dataset(source: str | Sequence[str], method: str) -> pyarrow.dataset.Dataset:
    """The files as one dataset. Only what tells the columns is read.

    Args:
        source: Files, or one file or folder; paths or URIs.
        method: One of `FORMATS`.

    Raises:
        OSError: If there is no such file, or it cannot be read.
        ValueError: If it is of another format, or has pickled columns, which would be executed.
    """
    files = pyarrow.dataset.dataset(source, format=FORMATS[method])
    raise_on_pickle_object_columns(files.schema.empty_table())
    return files


def columns(files: pyarrow.dataset.Dataset) -> list[str]:
    """The columns that every file has; none if there is no file."""
    common = set(files.schema.names)
    for fragment in files.get_fragments():
        common &= set(fragment.physical_schema.names)
    return [name for name in files.schema.names if name in common]


def missing_columns(config: AlgorithmConfig, names: Sequence[str]) -> list[str]:
    """The columns that learning needs and that are not among `names`, as this config calls them."""
    needed = [Columns.OBS, Columns.ACTIONS, Columns.REWARDS]
    if config.input_read_episodes:
        needed = [_EPISODES]
    if not (holds_many_steps(config) or config.ignore_final_observation):
        needed.append(Columns.NEXT_OBS)
    missing = [name for name in _called(config, needed) if name not in names]
    has_ends = not set(_called(config, _ENDS)).isdisjoint(names)
    if not holds_many_steps(config) and not has_ends:
        missing += _called(config, [Columns.TERMINATEDS])
    return missing


def holds_many_steps(config: AlgorithmConfig) -> bool:
    """Return whether a row has many steps: a whole episode, or a batch of RLlib's old API stack."""
    return bool(config.input_read_episodes or config.input_read_sample_batches)


def _called(config: AlgorithmConfig, columns: Iterable[str]) -> list[str]:
    """The names that RLlib's columns have in the files."""
    called: dict[str, str] = SCHEMA | config.input_read_schema
    return [called.get(name, name) for name in columns]


class RecordedData(OfflineData):
    """RLlib's `OfflineData` without Ray Data. Lives in the process of the trial and its learner.

    An epoch is every recorded step once, made ready by RLlib's learner connectors, shuffled as
    `iter_batches_kwargs` says, and cut into train batches. Connectors that need the networks have
    those of at most `prelearner_module_synch_period` reads ago, as RLlib documents and does not do.
    MARWIL's connectors add steps to estimate values, and mask them; those are left out before the
    batches are cut.
    """

    def __init__(self, config: AlgorithmConfig) -> None:
        # Not RLlib's own `__init__`, because it starts Ray Data.
        self.config = config
        # RLlib hands these on; ours are the config's.
        self.iter_batches_kwargs: dict[str, Any] = {}
        # RLlib sets these three.
        self.spaces: Any = None
        self.module_spec: Any = None
        self.learner_handles: Any = None
        self._raw: list[pa.Table] | None = None
        self._ready: list[pa.Table] | None = None
        self._preparation: OfflinePreLearner | None = None
        self._batches: Iterator[Batch] = iter(())
        self._epochs = 0
        self._has_rows = False

    def sample(self, num_samples: int, return_iterator: bool = False, **_: Any) -> Any:
        """A train batch; `[self]` for CQL, which asks for a batch and takes only iterators."""
        if return_iterator or isinstance(self.config, CQLConfig):
            return [self]
        batch = self._next(num_samples)
        modules = {name: SampleBatch(columns) for name, columns in unflatten_dict(batch).items()}
        return MultiAgentBatch(modules, env_steps=sum(map(len, modules.values())))

    def iter_torch_batches(self, *, batch_size: int, device: Any) -> Iterator[dict[str, Any]]:
        """Train batches as tensors, without an end; named as in Ray Data's `DataIterator`."""
        while True:
            batch = self._next(batch_size)
            yield {name: as_tensor(column, device=device) for name, column in batch.items()}

    def _next(self, batch_size: int) -> Batch:
        batch = next(self._batches, None)
        if batch is None:
            self._batches = self.epoch(batch_size)
            batch = next(self._batches, None)
        if batch is None:
            few = "no rows"
            if self._has_rows:
                few = f"fewer than {batch_size} steps, of which `drop_last` leaves none"
            raise TrainableError(f"input_: {self.config.input_} holds {few}")
        return batch

    def epoch(self, batch_size: int) -> Iterator[Batch]:
        """The data once, in train batches.

        Each epoch has an order of its own, which follows from the seed.
        """
        how = self.config.iter_batches_kwargs
        self._epochs += 1
        batches: Iterator[Any] = batch_blocks(
            self._prepared(batch_size),
            batch_size=batch_size,
            batch_format="numpy",
            drop_last=how.get("drop_last", False),
            shuffle_buffer_min_size=how.get("local_shuffle_buffer_size"),
            shuffle_seed=self._shuffle_seed(),
            # Because tensors share the memory of the arrays, and may be written to.
            ensure_copy=True,
        )
        return batches

    def _shuffle_seed(self) -> int | None:
        seed = self.config.iter_batches_kwargs.get("local_shuffle_seed", self.config.seed)
        if seed is None:
            return None
        return int(np.random.SeedSequence([seed, self._epochs]).generate_state(1)[0])

    def _prepared(self, batch_size: int) -> Iterator[pa.Table]:
        if not self.config.materialize_mapped_data:
            return self._prepare(batch_size)
        if self._ready is None:
            self._ready = list(self._prepare(batch_size))
        return iter(self._ready)

    def _prepare(self, batch_size: int) -> Iterator[pa.Table]:
        if self._preparation is None:
            self._preparation = self._new_preparation()
        prepare = self._preparation
        rows = 1 if holds_many_steps(self.config) else batch_size
        batches: Iterator[Any] = batch_blocks(self._blocks(), batch_size=rows, batch_format="numpy")
        for number, batch in enumerate(batches):
            self._has_rows = True
            if number % self.config.prelearner_module_synch_period == 0:
                # private: _module, which OfflinePreLearner sets once and does not give out.
                prepare._module.set_state(self._module_state())
            prepared = prepare(self._observed(batch))
            yield BlockAccessor.batch_to_block(_unmasked(prepared))

    def _new_preparation(self) -> OfflinePreLearner:
        return _Preparation(
            config=self.config, spaces=self.spaces[INPUT_ENV_SPACES], module_spec=self.module_spec
        )

    def _module_state(self) -> Mapping[str, Any]:
        learner = self.learner_handles[0]
        state: Mapping[str, Any] = learner.get_state(components=COMPONENT_RL_MODULE)
        module: Mapping[str, Any] = state[COMPONENT_RL_MODULE]
        return module

    def _observed(self, batch: Batch) -> Batch:
        """The steps, with observations of the environment's own type and shape."""
        if holds_many_steps(self.config):
            return batch
        space = self.config.observation_space
        observed = set(_called(self.config, (Columns.OBS, Columns.NEXT_OBS))) & batch.keys()
        for name in observed.difference(self.config.input_compress_columns):
            batch[name] = _dense(batch[name]).astype(space.dtype)
            shape = batch[name].shape[1:]
            if shape != space.shape:
                raise TrainableError(
                    f"input_: observations of the shape {shape}; those of the environment have"
                    f" {space.shape}"
                )
        return batch

    def _blocks(self) -> Iterator[pa.Table]:
        if not self.config.materialize_data:
            return self._read()
        if self._raw is None:
            self._raw = list(self._read())
        return iter(self._raw)

    def _read(self) -> Iterator[pa.Table]:
        files = dataset(self.config.input_, self.config.input_read_method)
        known = _called(self.config, (*SCHEMA, *_ENDS, "done", _EPISODES))
        used = [name for name in columns(files) if name in known]
        batches = files.to_batches(columns=used, batch_size=_READ_ROWS, use_threads=False)
        return (pa.Table.from_batches([batch]) for batch in batches if batch.num_rows)


class _Preparation(OfflinePreLearner):
    """Takes each episode whole, once; RLlib's own class draws from a buffer of episodes."""

    # private: _postprocess_and_sample, the only step of OfflinePreLearner that uses the buffer.
    def _postprocess_and_sample(
        self, episodes: list[SingleAgentEpisode]
    ) -> list[SingleAgentEpisode]:
        return [episode if episode.is_numpy else episode.to_numpy() for episode in episodes]


def _dense(column: NDArray[Any]) -> NDArray[Any]:
    """One array in place of an array of arrays."""
    if column.dtype != object:
        return column
    return np.stack([_dense(item) for item in column])


def _unmasked(columns: Mapping[str, Any]) -> Batch:
    """The columns as arrays, without the steps that no loss counts."""
    arrays = {name: column.numpy() for name, column in columns.items()}
    for name, column in arrays.items():
        if name.endswith(f"/{Columns.LOSS_MASK}"):
            counts = column.astype(bool)
            return {name: column[counts] for name, column in arrays.items()}
    return arrays
