"""What a stage costs: seconds and peak memory, printed, and added up in a file as it goes on."""

from __future__ import annotations

import csv
import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from common.files import reading, replacing

_STATUS, _RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")
FIELDS = ("stage", "seconds", "peak MB")


class Cost:
    """What a stage costs from now on.

    Parameters
    ----------
    stage
        Its name.
    path
        The file with a row for each stage, to which :meth:`keep` adds; None for no file.
    """

    def __init__(self, stage: str, path: Path | None) -> None:
        self._stage, self._path = stage, path
        _forget_peak()
        self._started = self._kept = time.perf_counter()

    def keep(self) -> None:
        """Add what came since the last time to the file, so that a kill loses no more than that."""
        if self._path is not None:
            before, self._kept = self._kept, time.perf_counter()
            _add(self._path, self._stage, self._kept - before, peak_megabytes())

    def __str__(self) -> str:
        seconds = time.perf_counter() - self._started
        return f"{self._stage}: {seconds:.1f} s, peak {peak_megabytes():.0f} MB"


@contextmanager
def counted(stage: str, path: Path | None) -> Iterator[Cost]:
    """Print what happens in the context costs, and keep it in ``path``, if any."""
    cost = Cost(stage, path)
    try:
        yield cost
    finally:
        cost.keep()
        print(cost, flush=True)


def peak_megabytes() -> float:
    """Return the most memory that the process had since the stage began, in 10⁶ bytes."""
    if _STATUS.exists():
        for line in _STATUS.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024 / 1e6
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6


def read_costs(path: Path) -> list[dict[str, str]]:
    """Return a row for each stage that has run."""
    if not path.exists():
        return []
    with reading(path), path.open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
        for row in rows:
            float(row["seconds"]), float(row["peak MB"])  # raise where the row is cut short
        return rows


def _forget_peak() -> None:
    """Let the peak count from here, where the system can do so (Linux)."""
    try:
        _RESET.write_text("5")
    except OSError:
        return


def _add(path: Path, stage: str, seconds: float, peak: float) -> None:
    rows = {row["stage"]: row for row in read_costs(path)}
    before = rows.get(stage, {"seconds": "0", "peak MB": "0"})
    rows[stage] = {
        "stage": stage,
        "seconds": f"{float(before['seconds']) + seconds:.1f}",
        "peak MB": f"{max(float(before['peak MB']), peak):.0f}",
    }
    with replacing(path) as part, part.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, FIELDS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows.values())
