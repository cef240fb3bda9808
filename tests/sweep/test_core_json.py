"""The events and instructions of the core, as a journal has them."""

import pytest

from tests.sweep.cores import (
    CRITERION,
    FAILED,
)
from tune_tasks.model.checkpoint import CheckpointRef
from tune_tasks.sweep.events import (
    Announced,
    AttemptEnded,
    CheckpointKept,
    Disk,
    DiskChanged,
    EndDecided,
    Pause,
    PauseChanged,
    RecorderRestarted,
    Reported,
    ResultsLost,
    StartFailed,
    StopAsked,
    SweepBegan,
    TakenOver,
    Ticked,
    TrainingBegan,
    event_from_json,
    event_to_json,
)
from tune_tasks.sweep.instructions import (
    CloseSweep,
    EndAll,
    EndAttempt,
    ForgetAttempt,
    KeepEnd,
    KillAttempt,
    StartAttempt,
    instruction_from_json,
    instruction_to_json,
)

EVENTS = [
    TakenOver(0, retry_failed=True),
    ResultsLost(0, "e/0"),
    SweepBegan(0, 4),
    Announced(1, "e/0", 1),
    TrainingBegan(1.5, "e/0", 1),
    Reported(2, "e/0", 1, 3, {"mean_loss": 0.1, "info": {"a": [1, "x", None, float("inf")]}}),
    CheckpointKept(2, "e/0", 1, 3, 3),
    EndDecided(3, "e/0", 1, CRITERION),
    AttemptEnded(4, "e/0", 1, FAILED),
    StartFailed(4, "e/0", 1),
    StopAsked(4, "Ctrl-C"),
    StopAsked(5, "Ctrl-C", 15),
    PauseChanged(6, Pause.SUSPENDED),
    DiskChanged(7, Disk.GIVEN_UP),
    RecorderRestarted(8),
    Ticked(9, ("e/0", "e/1")),
]
INSTRUCTIONS = [
    StartAttempt("e/0", 1),
    StartAttempt("e/0", 2, checkpoint=CheckpointRef(1, 3, 3)),
    EndAttempt("e/0", 1, CRITERION),
    EndAll(CRITERION),
    KillAttempt("e/0", 1, CRITERION),
    KeepEnd("e/0", 1, FAILED, will_retry=True),
    ForgetAttempt("e/0", 1),
    CloseSweep(),
]


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.kind)
def test_an_event_reads_back(event):
    text = event_to_json(event)
    assert "\n" not in text
    assert event_from_json(text) == event


@pytest.mark.parametrize("instruction", INSTRUCTIONS, ids=lambda instruction: instruction.kind)
def test_an_instruction_reads_back(instruction):
    assert instruction_from_json(instruction_to_json(instruction)) == instruction


@pytest.mark.parametrize("text", ["", "{", "5", '{"kind": "nonsense"}', '{"kind": "ticked"}'])
def test_what_is_no_event_is_refused(text):
    with pytest.raises(ValueError, match="validation error"):
        event_from_json(text)
