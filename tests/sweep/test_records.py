"""The records of a sweep: made only for what was started, or is asked for."""

from types import SimpleNamespace

from tune_tasks.model.trial import Trial
from tune_tasks.sweep.records import Records


class Trials:
    """A million trials of an experiment, resolved when they are asked for."""

    def __init__(self, name):
        self.name, self.resolved = name, 0

    def __len__(self):
        return 1_000_000

    def __getitem__(self, index):
        self.resolved += 1
        return Trial(self.name, index, f"script_{index}", "script", {}, {}, seed=0)


def test_what_is_shown_of_a_million_trials():
    one = SimpleNamespace(name="one", trials=Trials("one"), indices=range(1_000_000))
    other = SimpleNamespace(name="other", trials=Trials("other"), indices=range(1_000_000))
    records = Records(SimpleNamespace(experiments=[one, other]))
    for index in (0, 2):
        records.of(one.trials[index])
    one.trials.resolved = 0
    shown = records.some(unstarted=2)
    keys = [record.trial.key for record in shown.records]
    assert keys == ["one/0", "one/2", "one/1", "one/3", "other/0", "other/1"]
    assert shown.unlisted == {"one": 999_996, "other": 999_998}
    assert (one.trials.resolved, other.trials.resolved) == (2, 2)
