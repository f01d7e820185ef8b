"""What the numbers of targets and predictions say against taking them for labels or scores."""

from __future__ import annotations

from infoflow.interface import ArgumentError, TargetError
from infoflow.pruning.ablation.outputs import lies_between_0_and_1
from infoflow.pruning.ablation.seen import Seen
from infoflow.pruning.ablation.target_facts import TargetFacts


def check_numbers(seen: Seen) -> None:
    """Raise for predictions that are decisions, and for class maps that were divided by 255."""
    if seen.facts is None or seen.target is None:
        return
    if _are_decisions(seen, seen.facts):
        raise ArgumentError(
            "The prediction holds whole numbers, as an argmax gives, so nothing tells how sure the "
            "net is; expected a score for each class. Return the logits, or pass "
            "loss='regression' if these are values."
        )
    if seen.has_as_many and seen.facts.numbers.tolist() == [-1, 0, 1] and seen.link != "tanh":
        raise TargetError(
            "The target holds -1, 0 and 1: -1 may mark what has no label, or all may be values. "
            "Let unpack= put -100 where there is no label, or pass loss='regression' for values."
        )
    if seen.target.ndim > 2 and seen.facts.are_classes_over_255:
        raise TargetError(
            f"The target's numbers are multiples of 1/255, such as {seen.facts.second:.3g}, as "
            "class numbers are after torchvision's ToTensor; expected class numbers. Multiply "
            "them: (255 * target).round().long(). Or pass loss='regression' if they are values."
        )


def _are_decisions(seen: Seen, facts: TargetFacts) -> bool:
    numbers = seen.prediction
    if not seen.has_as_many or not facts.is_whole or seen.link is not None:
        return False
    if not seen.has_graph and lies_between_0_and_1(numbers):
        return False  # certain probabilities
    is_whole = bool((numbers == numbers.round()).all()) and bool((numbers >= 0).all())
    return is_whole and len(numbers.unique()) > 1


def check_masks(facts: TargetFacts) -> None:
    """Raise a TargetError for masks of 0 and 255, and of 255 alone."""
    if not facts.holds(255) or not facts.has_only(0, 255, -100):
        return
    if not facts.holds(0):
        raise TargetError(
            "Masks must hold 0 and 1, got 255 everywhere. If it marks what has no label, no sample "
            "has one: check how the masks are read. If it is the object, divide by 255."
        )
    raise TargetError(
        "Masks must hold 0 and 1, got 0 and 255. Divide them by 255, or let unpack= put -100 "
        "where 255 marks pixels without a label."
    )


def check_labelled(seen: Seen, classes: int) -> None:
    """Raise a TargetError where every number of the target marks what has no label."""
    facts = seen.facts
    if facts is not None and len(facts.numbers) and facts.has_only(*seen.void(classes)):
        got = " and ".join(f"{number:g}" for number in facts.numbers.tolist())
        raise TargetError(
            f"No held-out sample has a label, got {got} everywhere, which marks what has none; "
            f"expected class numbers from 0 to {classes - 1}. Check how the labels are read."
        )
