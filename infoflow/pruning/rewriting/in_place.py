"""Operations that overwrite what they read, and copies where others still need it."""

from __future__ import annotations

import torch

from infoflow.graph.operations.lookup import works_in_place
from infoflow.pruning.rewriting.surgery import Surgery


def protect(work: Surgery) -> None:
    """Copy values that took the place of a merge's before they are overwritten.

    As recorded, nothing reads a value after it was overwritten. A stream that goes straight on,
    where it was added to another, may have other readers.
    """
    for value in work.promoted:
        for user in list(value.users):
            if works_in_place(user, work.module(user)) and len(value.users) > 1:
                with work.nodes.inserting_before(user):
                    copy = work.nodes.call_function(torch.clone, (value,))
                user.replace_input_with(value, copy)
