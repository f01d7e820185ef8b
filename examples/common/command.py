"""What the commands of the studies share: options, their folder, and how errors are told."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from infoflow import InfoflowError

Scale = Annotated[str, typer.Option(help="full, cpu or smoke.")]
Out = Annotated[Path | None, typer.Option(file_okay=False, help="Folder of the study.")]
Results = Annotated[
    Path | None,
    typer.Option(file_okay=False, help="What figures and claims are made from (OUT/results)."),
]
Resume = Annotated[bool, typer.Option("--resume", help="Go on in --out.")]


def stages_option(known: Sequence[str]) -> Any:
    """Return ``--stages`` of a study."""
    return typer.Option(help=f"Some of {','.join(known)}; all where not given.")


def study_folder(out: Path | None, usual: str, *, may_exist: bool) -> Path:
    """Return the folder of a study, where only a resume may find one."""
    folder = out or Path("runs") / usual
    if (folder / "scale.json").exists() and not may_exist:
        raise ValueError(
            f"{folder} has a study already; expected a new folder. Pass --resume to go on "
            "with it, name the --stages to run, or give another --out."
        )
    return folder


def parse_names(text: str, option: str, known: Sequence[str]) -> tuple[str, ...]:
    """Return the names of a comma-separated list, which must be known ones.

    Examples
    --------
    >>> parse_names("train, claims", "stages", ("train", "measure", "claims"))
    ('train', 'claims')
    """
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    unknown = sorted(set(names) - set(known))
    if unknown:
        raise ValueError(f"{option} must be among {', '.join(known)}, got {', '.join(unknown)}.")
    return names


@contextmanager
def errors_told() -> Iterator[None]:
    """End the command with one sentence where it was stopped, or used wrongly."""
    try:
        yield
    except KeyboardInterrupt:
        typer.echo("\nStopped. Go on with the same command and --resume.", err=True)
        raise typer.Exit(130) from None
    except (InfoflowError, ValueError, OSError) as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(2) from None
