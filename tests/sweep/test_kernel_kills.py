"""What the kernel says of processes that it has ended for lack of memory."""

from tune_tasks.sweep import kernel_kills as module
from tune_tasks.sweep.kernel_kills import EarlierKills, kernel_kills

VMSTAT = "nr_free_pages 5\noom_kill 3\noom_kill_other 9\n"


def test_the_container_counts_before_the_machine(tmp_path, monkeypatch):
    container = tmp_path / "memory.events"
    machine = tmp_path / "vmstat"
    monkeypatch.setattr(module, "_COUNTERS", (container, machine))
    assert kernel_kills() is None
    machine.write_text(VMSTAT)
    assert kernel_kills() == 3
    container.write_text("low 0\noom 2\noom_kill 1\noom_group_kill 0\n")
    assert kernel_kills() == 1


def test_the_number_of_some_seconds_ago_is_known():
    times = iter([0.0, 0.0, 5.0, 9.0, 10.5, 16.0])
    counts = iter([1, 2, 3, 4])
    kills = EarlierKills(times.__next__, counts.__next__)
    known = []
    for _ in range(5):
        kills.look()
        known.append(kills.number)
    assert known == [None, 1, 1, 2, 3]
