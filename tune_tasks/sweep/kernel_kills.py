"""How many processes the kernel has ended for lack of memory.

A process that is ended so says nothing, and Ray only that it has died. It is known all the same, on
the driver's machine: the kernel counts.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path

_COUNTERS = (Path("/sys/fs/cgroup/memory.events"), Path("/proc/vmstat"))
"""Those of the container, if this is one, and those of the machine."""
_APART_S = 5.0
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


class EarlierKills:
    """Knows the number of some seconds ago, so that what is new is not of hours ago.

    Used in the driver, from its main thread.

    Args:
        clock: Monotonic, in seconds.
        count: Tells the number.

    Attributes:
        number: That of 5 to 10 seconds ago; None if it is not known.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        count: Callable[[], int | None] = kernel_kills,
    ) -> None:
        self.number: int | None = None
        self._clock = clock
        self._count = count
        self._last = count()
        self._at = clock()

    def look(self) -> None:
        """Look again, if the last look was long enough ago; to be called often."""
        now = self._clock()
        if now - self._at >= _APART_S:
            self._at = now
            self.number = self._last
            self._last = self._count()
