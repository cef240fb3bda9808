"""The lists that were found by reading RLlib."""

import pytest

from tune_tasks.rllib.config.catalog import ALGORITHMS, algorithm_named
from tune_tasks.rllib.config.settings import settings_of
from tune_tasks.rllib.config.unused import ONLY_WITH, UNUSED

pytestmark = pytest.mark.rllib


@pytest.mark.filterwarnings("ignore:.*WARN:UserWarning")
@pytest.mark.parametrize("key", sorted({*UNUSED, *ONLY_WITH}))
def test_what_is_refused_as_unused_is_a_setting_of_rllib(key):
    assert any(
        key in settings_of(algorithm_named(alg).config_class()) for alg in ALGORITHMS
    ) or key.startswith("_")
