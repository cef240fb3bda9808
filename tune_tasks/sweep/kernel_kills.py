"""How many processes the kernel has ended for lack of memory.

A process that is ended so says nothing, and Ray only that it has died. It is known all the same, on
the driver's machine: the kernel counts.
"""

from __future__ import annotations

import re
from pathlib import Path

_COUNTERS = (Path("/sys/fs/cgroup/memory.events"), Path("/proc/vmstat"))
"""Those of the container, if this is one, and those of the machine."""
_COUNT = re.compile(r"^oom_kill (\d+)$", re.MULTILINE)


def kernel_kills() -> int | None:
    """Return the number so far, of this container or machine; None if the kernel does not say."""
    for counter in _COUNTERS:
        try:
            found = _COUNT.search(counter.read_text())
        except OSError:
            continue
        if found:
            return int(found[1])
    return None
