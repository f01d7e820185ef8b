"""Write labelled arrays whole or not at all."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import xarray as xr

from infoflow.interface import ResultFileError


def write_whole(dataset: xr.Dataset, path: str | os.PathLike[str]) -> Path:
    """Write netCDF; a file that is there is replaced only when the new one is complete."""
    target = Path(path)
    part = target.with_name(f".{target.name}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        dataset.to_netcdf(part, engine="h5netcdf")
        part.replace(target)
    except OSError as error:
        raise ResultFileError(
            f"Cannot write the result to {target}: {error.strerror or error}. Choose a folder "
            "that you may write to."
        ) from error
    finally:
        with suppress(OSError):
            part.unlink()
    return target
