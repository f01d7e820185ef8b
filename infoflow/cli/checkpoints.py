"""What --weights means: a checkpoint, of which pickled code is never run."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from torch import nn

from infoflow.cli.checkpoint_files import read_checkpoint
from infoflow.cli.checkpoint_keys import Match, matches, shape_of
from infoflow.interface import ArgumentError


def load_weights(model: nn.Module, path: Path) -> None:
    """Load a checkpoint into ``model``, without unpickling code; an ArgumentError says why not.

    Prefixes that trainers put before all names (``module.``, ``_orig_mod.``, ``model.``) are taken
    off, and what belongs to a loss is left out. A note tells what was not as the model has it.
    """
    checkpoint = read_checkpoint(path)
    found = matches(model.state_dict(), checkpoint)
    if not found:
        holds = f"{', '.join(map(str, list(checkpoint)[:3]))}" if checkpoint else "nothing"
        raise ArgumentError(
            f"The checkpoint {path} holds no tensors by name ({holds}), expected a state_dict. "
            "Save model.state_dict()."
        )
    best = found[0]
    rivals = [one for one in found if best.fits and one.is_as_good_as(best)]
    if rivals:
        places = " and ".join(dict.fromkeys(one.place for one in (best, *rivals[:2])))
        raise ArgumentError(
            f"The checkpoint {path} holds several sets of weights that fit: {places}. Save the one "
            "that is meant alone, as model.state_dict()."
        )
    try:
        # modules may know what to do with other names, such as those of an older version
        model.load_state_dict({**best.others, **best.state})
    except (RuntimeError, TypeError, AttributeError, KeyError) as error:
        raise _misfit(model, best, path) from error
    _tell(best, found, path)


def _misfit(model: nn.Module, best: Match, path: Path) -> ArgumentError:
    own = model.state_dict()
    where = f" under {best.place}" if best.place else ""
    shapes = [
        f"{name}: {shape_of(best.state[name])}, the model has {shape_of(own[name])}"
        for name in best.reshaped
    ]
    return ArgumentError(
        f"The checkpoint {path} does not fit {type(model).__name__}: {len(best.missing)} keys are "
        f"missing{_first(best.missing)}, {len(best.others)} are "
        f"unexpected{where}{_first(sorted(best.others))}, {len(best.reshaped)} have another shape"
        f"{_first(shapes)}. Build the model with the same settings as the one that was saved."
    )


def _first(names: Sequence[str]) -> str:
    return f" (such as {', '.join(names[:3])})" if names else ""


def _tell(best: Match, found: Sequence[Match], path: Path) -> None:
    """Say what was chosen where a checkpoint holds more than the weights that were loaded."""
    notes = []
    copies = sorted({one.place for one in found if one.fits and one.place != best.place})
    if best.strangeness == 2:
        notes.append(f"the weights are those of {best.place}, a copy by its name")
    elif copies:
        notes.append(f"the weights are those of {best.place or 'the net'}, not of {copies[0]}")
    beside = [key for key in best.beside if not any(key.startswith(f"{c}.") for c in copies)]
    if beside:
        number = f"{len(beside)} keys" if len(beside) > 1 else "1 key"
        notes.append(f"{number} of something else left out{_first(beside)}")
    if notes:
        print(f"Note: of the checkpoint {path}, {'; '.join(notes)}.", file=sys.stderr)
