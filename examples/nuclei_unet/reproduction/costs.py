"""What a stage costs: seconds and peak memory, printed and added up in a file."""

from __future__ import annotations

import csv
import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from files import replacing

_STATUS, _RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")
FIELDS = ("stage", "seconds", "peak MB")


@contextmanager
def counted(stage: str, path: Path | None) -> Iterator[None]:
    """Print what happens in the context costs; add it to the stage's row of ``path``, if any."""
    _forget_peak()
    started = time.perf_counter()
    try:
        yield
    finally:
        seconds, peak = time.perf_counter() - started, peak_megabytes()
        print(f"{stage}: {seconds:.1f} s, peak {peak:.0f} MB", flush=True)
        if path is not None:
            _add(path, stage, seconds, peak)


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
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


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
