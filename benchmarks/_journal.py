"""What a sweep's journal costs its driver."""

from __future__ import annotations

import time
from pathlib import Path

from tune_tasks.sweep.journal_entries import Entry, HandledEntry, entry_from_json, entry_to_json
from tune_tasks.sweep.journal_file import JournalFile, read_entries


def seconds_of_journal(results: Path, copy: Path) -> float:
    """Write a sweep's journal once more, on the same disk and synced as often; returns how long.

    Args:
        results: The folder with the results of one sweep.
        copy: The file to write.
    """
    (path,) = results.glob(".sweeps/*/journal.jsonl")
    with path.open("rb") as file:
        texts, _ = read_entries(file, path)
    entries: list[Entry] = [entry_from_json(text) for text in texts]
    with copy.open("w+b") as file:
        journal = JournalFile(file, copy.parent, 0)
        began = time.perf_counter()
        for entry in entries:
            journal.append(entry_to_json(entry))
            if not isinstance(entry, HandledEntry) or entry.then:
                journal.sync()
        return time.perf_counter() - began
