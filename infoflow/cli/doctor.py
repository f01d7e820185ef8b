"""What ``infoflow doctor`` says: versions, devices, threads and settings, and what is wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from packaging.requirements import Requirement

from infoflow.graph.text_table import align

#: The extra whose libraries are of use beside the required ones.
_OPTIONAL = "zoo"


@dataclass(frozen=True)
class Library:
    """A library, the version that is installed, and those that infoflow accepts.

    Attributes
    ----------
    name
        Its name on the package index.
    installed
        Its version, or None where it is not installed.
    wanted
        The versions that will do, such as ``">=2.6"``.
    is_required
        Whether infoflow needs it.
    """

    name: str
    installed: str | None
    wanted: str
    is_required: bool

    @property
    def problem(self) -> str | None:
        """What is wrong, and what to do; None where nothing is."""
        command = f"pip install '{self.name}{self.wanted}'"
        if self.installed is None:
            return f"{self.name} is not installed: {command}" if self.is_required else None
        if Requirement(self.name + self.wanted).specifier.contains(self.installed, True):
            return None
        return f"{self.name} {self.installed} is installed, expected {self.wanted}: {command}"


@dataclass(frozen=True)
class Device:
    """A place where torch can compute.

    Attributes
    ----------
    name
        Its name in torch, such as ``"cuda:0"``.
    model
        What it is.
    memory
        Its memory in bytes, or None where that is not known.
    error
        The first line of what a small sum on it raised, or None where the sum was right.
    """

    name: str
    model: str
    memory: int | None
    error: str | None = None

    @property
    def problem(self) -> str | None:
        """What is wrong, and what to do; None where nothing is."""
        if self.error is None:
            return None
        return (
            f"a sum on {self.name} failed: {self.error} Install the build of torch for this "
            "device (https://pytorch.org/get-started)."
        )


@dataclass(frozen=True)
class Setup:
    """Where infoflow runs.

    Attributes
    ----------
    libraries
        The libraries that infoflow needs or can use.
    devices
        The devices that torch sees.
    about
        Other facts by section and name, such as ``about["threads"]["cores"]``.
    hints
        What works and could be better, with what to do.
    """

    libraries: tuple[Library, ...]
    devices: tuple[Device, ...]
    about: Mapping[str, Mapping[str, str | int | None]]
    hints: tuple[str, ...] = ()

    @property
    def problems(self) -> tuple[str, ...]:
        """What is wrong, with what to do."""
        parts: tuple[Library | Device, ...] = (*self.libraries, *self.devices)
        return tuple(problem for problem in (one.problem for one in parts) if problem)

    def to_dict(self) -> dict[str, Any]:
        """Return plain lists, strings and numbers, ready for JSON; memory is in bytes."""
        return {**asdict(self), "problems": list(self.problems)}

    def __str__(self) -> str:
        tables = [
            [("library", "installed", "wanted", ""), *map(_library_cells, self.libraries)],
            [("device", "", "memory", ""), *map(_device_cells, self.devices)],
            *(_fact_cells(name, facts) for name, facts in self.about.items()),
        ]
        lines = [line for rows in tables for line in (*align(rows), "")]
        lines += [f"Hint: {hint}" for hint in self.hints]
        lines += [f"Problem: {problem}" for problem in self.problems]
        return "\n".join([*lines, *([] if self.problems else ["No problems found."])])


def libraries_of(
    requirements: Iterable[str], installed: Callable[[str], str | None]
) -> tuple[Library, ...]:
    """Return the libraries that some requirements name, the required ones first.

    Parameters
    ----------
    requirements
        Such as ``"torch>=2.6"`` and ``'timm>=1.0; extra == "zoo"'``. Those of other extras and of
        other systems are left out.
    installed
        The installed version of a library by its name, or None.

    Examples
    --------
    >>> found = libraries_of(["torch>=2.6", "numpy>=2.0"], {"torch": "2.5.1"}.get)
    >>> for library in found:
    ...     print(library.problem)
    torch 2.5.1 is installed, expected >=2.6: pip install 'torch>=2.6'
    numpy is not installed: pip install 'numpy>=2.0'
    """
    found = []
    for one in map(Requirement, requirements):
        is_required = one.marker is None or one.marker.evaluate({"extra": ""})
        if is_required or (one.marker and one.marker.evaluate({"extra": _OPTIONAL})):
            found.append(Library(one.name, installed(one.name), str(one.specifier), is_required))
    return tuple(sorted(found, key=lambda library: not library.is_required))


def installed_version(name: str) -> str | None:
    """Return the version of a library, or None where it is not installed.

    Examples
    --------
    >>> installed_version("no-such-library") is None
    True
    """
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _library_cells(library: Library) -> tuple[str, ...]:
    kind = "" if library.is_required else "optional"
    return library.name, library.installed or "not installed", library.wanted, kind


def _device_cells(device: Device) -> tuple[str, ...]:
    memory = "" if device.memory is None else f"{device.memory / 1e9:.1f} GB"
    return device.name, device.model, memory, "failed" if device.error else "works"


def _fact_cells(section: str, facts: Mapping[str, str | int | None]) -> list[tuple[str, ...]]:
    shown = {name: "not set" if fact is None else str(fact) for name, fact in facts.items()}
    return [(section, ""), *shown.items()]
