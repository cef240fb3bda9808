"""What the kernel says of processes that it has ended for lack of memory."""

from tune_tasks.sweep import kernel_kills as module
from tune_tasks.sweep.kernel_kills import kernel_kills

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
