"""Who went on from whom in a population, in the report."""

from dataclasses import replace

from tests.results.samples import experiment, summary, trial
from tune_tasks.model.files import AttemptPaths, attempt_folder
from tune_tasks.model.trial import EndedBy, Outcome, TrialState
from tune_tasks.results.report import report_text


def member(folder, index, *ends):
    """A trial whose attempts before the last have ended so."""
    of_trial = folder / str(index)
    for number, (ended_by, reports, reason) in enumerate(ends, 1):
        paths = AttemptPaths(attempt_folder(of_trial, number))
        paths.folder.mkdir(parents=True)
        paths.write_outcome(Outcome(TrialState.TERMINATED, ended_by, reason, reports=reports))
    attempts = len(ends) + 1
    last = attempt_folder(of_trial, attempts)
    return replace(trial(index, mean_loss=0.5), logdir=str(last), attempts=attempts)


def text_of(*trials):
    made = experiment(*trials)
    return "\n".join(report_text(summary(made), made))


def test_exchanges_are_listed_in_order(tmp_path):
    exploited = EndedBy.EXPLOITED
    text = text_of(
        member(tmp_path, 0, (exploited, 9, "goes on from trial 2")),
        member(tmp_path, 1, (exploited, 3, "goes on from trial 0"), (exploited, 12, "from 2")),
        member(tmp_path, 2),
    )
    rows = [line for line in text.splitlines() if line.startswith(("| 3 ", "| 9 ", "| 12 "))]
    assert rows == [
        "| 3 | 1 | goes on from trial 0 |",
        "| 9 | 0 | goes on from trial 2 |",
        "| 12 | 1 | from 2 |",
    ]


def test_a_trial_that_was_only_tried_again_is_none_of_them(tmp_path):
    died = member(tmp_path, 0, (EndedBy.ERROR, 2, "its process died"))
    assert "Who went on from where" not in text_of(died)
