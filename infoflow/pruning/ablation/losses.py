"""The loss of a prediction in bits, sample by sample."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from infoflow.graph import LayerGraph
from infoflow.graph.running.arguments import Arguments
from infoflow.interface import ArgumentError, InfoflowWarning, warn
from infoflow.interface.argument_checks import did_you_mean, function_of, shown
from infoflow.pruning.ablation.criteria import Criterion, CrossEntropy, Decisions, Terms
from infoflow.pruning.ablation.guess import forced, guess
from infoflow.pruning.ablation.loss_kinds import CHOICES, KINDS, Guess, Kind, Per
from infoflow.pruning.ablation.model_loss import sole_loss
from infoflow.pruning.ablation.other_criteria import FunctionLoss, LossFunction
from infoflow.pruning.ablation.outputs import choice_note
from infoflow.pruning.ablation.seen import Seen, look, target_of
from infoflow.pruning.ablation.target_facts import TargetFacts
from infoflow.pruning.ablation.torch_losses import named_loss, scale_note
from infoflow.pruning.ablation.values import check_nats


class LossWarning(InfoflowWarning):
    """A loss rests on an assumption about the model's output or the target."""


class SampleBits(NamedTuple):
    """What the samples of a batch lose.

    Parameters
    ----------
    bits
        (B,) float64, mean bits per label of each sample; 0 where a sample has no label.
    labels
        (B,) float64, how many labels, pixels, tokens or values each sample has.
    """

    bits: Tensor
    labels: Tensor


@dataclass(frozen=True)
class SampleLoss:
    """Turns a model's output and the target into bits per label, sample by sample.

    Made by :func:`resolve_loss`.

    Parameters
    ----------
    kind
        ``"cross_entropy"``, ``"binary"``, ``"next_token"``, ``"masked"``, ``"regression"``,
        ``"model"`` or ``"function"``.
    per
        What the bits are counted per: ``"label"``, ``"pixel"``, ``"token"``, ``"value"`` (of a
        regression) or ``"sample"``.
    criterion
        How the loss of every label is computed, in nats.
    classes
        Number of classes that a label can have; None where that is not known.
    notes
        What was assumed, in words.

    Notes
    -----
    A regression is a Gaussian prediction, and what a stream is worth is ½ log₂ of the ratio of
    mean squared errors, without it and with it: the bits by which a normal distribution of the
    residuals gets wider. That is no mean over samples, so ``bits`` of a sample is its mean squared
    error over ``2 ln 2`` times a fixed variance (the whole net's on the first batch). The rise of
    these bits, divided by the whole net's, is the ratio less 1, whatever the variance:
    :func:`~infoflow.pruning.ablation.bounds.paired` weights samples that way, and turns an
    interval of the ratio into one of ½ log₂ of it, which keeps its level since the logarithm rises.
    """

    kind: str
    per: Per
    criterion: Criterion
    classes: int | None = None
    notes: tuple[str, ...] = ()

    @property
    def is_ratio(self) -> bool:
        """Whether what counts is ½ log₂ of a ratio, and no difference: in a regression."""
        return self.kind == "regression"

    def __call__(self, output: Any, target: Any, call: Arguments | None = None) -> SampleBits:
        """Return the loss of each sample of a batch.

        Parameters
        ----------
        output
            What the model returned, in whatever nesting.
        target
            What the loader gives, or None where ``call`` holds the labels or the tokens.
        call
            The model's arguments.

        Raises
        ------
        TargetError
            If labels are missing, or are no labels of this net.
        ArgumentError
            If a loss is not finite.
        """
        with torch.no_grad():
            return _bits_of(self._terms(output, target, call))

    def total(self, output: Any, target: Any, call: Arguments | None = None) -> Tensor:
        """Return the sum of nats over a batch, a scalar through which gradients flow."""
        return self._terms(output, target, call).nats.sum()

    def _terms(self, output: Any, target: Any, call: Arguments | None) -> Terms:
        return self.criterion.terms(output, target_of(target, call, self.kind), call)

    def constant_totals(self, target: Any, call: Arguments | None = None) -> Tensor | None:
        """Return sums over a batch, to be added up, that tell the best constant prediction.

        None where there is none: of the model's own loss, or of a function.
        """
        return self.criterion.totals(target_of(target, call, self.kind), self.classes or 0)

    def constant_bits(
        self, totals: Tensor, target: Any, call: Arguments | None = None
    ) -> SampleBits:
        """Return what the samples of a batch lose with the best constant prediction."""
        return _bits_of(self.criterion.constant(totals, target_of(target, call, self.kind)))

    def draw_labels(self, output: Any, generator: torch.Generator | None = None) -> Tensor:
        """Return a target drawn from the net's own prediction, for the Fisher information.

        Class numbers, zeros and ones, or values with normal noise of the whole net's residual
        variance; shaped so that :meth:`total` takes them (of next tokens, the first is not used).

        Raises
        ------
        ArgumentError
            If the loss is a function of the caller's or the model's own.
        """
        return self.criterion.draw(output, generator)

    def decisions(self, output: Any, target: Any) -> Decisions:
        """Return what the net decides for every label, and what is true, (B, L).

        Raises
        ------
        ArgumentError
            If the net predicts no classes.
        """
        return self.criterion.decisions(output, target)


def _bits_of(terms: Terms) -> SampleBits:
    labels = terms.counted.sum(1).double()
    bits = terms.nats.sum(1) / labels.clamp_min(1.0) / math.log(2)
    return SampleBits(check_nats(bits.cpu()), labels.cpu())


def resolve_loss(
    loss: str | SampleLoss | LossFunction,
    *,
    output: Any,
    target: Any,
    call: Arguments | None = None,
    graph: LayerGraph | None = None,
    ignore_index: int | None = None,
    facts: TargetFacts | None = None,
) -> SampleLoss:
    """Return the loss that ``loss`` stands for, told by one batch of the whole net.

    Parameters
    ----------
    loss
        ``"auto"``, which guesses; ``"cross_entropy"``, ``"binary"``, ``"next_token"``,
        ``"masked"``, ``"regression"`` or ``"model"`` (the loss that the model returns, one per
        sample); a loss of ``torch.nn`` such as ``CrossEntropyLoss``, whose ``ignore_index`` counts;
        or a function from (output, target) to the loss of each sample, (B,) in nats.
    output
        What the whole net returned for a batch.
    target
        Its target, or None where ``call`` holds labels or tokens.
    call
        The arguments that the net was called with: they hold tokens, and labels of models that
        return their own loss.
    graph
        The net's graph, which tells whether it ends in a softmax or sigmoid. Without it the values
        tell, and a note says so.
    ignore_index
        The number that marks what has no label. None takes -100 and 255 for it where the net has
        fewer classes, with a warning.
    facts
        What the targets of all batches show together; None for what this one shows.

    Returns
    -------
    SampleLoss
        Called with (output, target, call) it returns bits per label and numbers of labels.

    Raises
    ------
    ArgumentError
        If the loss cannot be guessed or does not fit, with the choices.
    TargetError
        If there is no target, or its labels are not those of the net.

    Warns
    -----
    LossWarning
        If something had to be assumed.

    Examples
    --------
    >>> import torch
    >>> logits, labels = torch.zeros(2, 4), torch.tensor([3, 1])
    >>> loss = resolve_loss("auto", output=logits, target=labels)
    >>> loss.kind, loss.per, loss(logits, labels).bits.tolist()
    ('cross_entropy', 'label', [2.0, 2.0])
    """
    if isinstance(loss, SampleLoss):
        return loss
    given: Any = loss
    if isinstance(given, nn.Module):
        given, ignore_index = named_loss(given, ignore_index)
    if callable(given) and not isinstance(given, type):
        function_of("loss", given, 2, "loss(output, target), which returns (B,) nats")
        found = SampleLoss("function", "sample", FunctionLoss(given))
        found(output, target, call)
        return found
    if not isinstance(given, str) or (given != "auto" and given not in KINDS):
        raise ArgumentError(
            f"loss must be 'auto', {CHOICES}, got {shown(given)}.{did_you_mean(given, KINDS)}"
        )
    if given in ("auto", "model"):
        alone = sole_loss(given, output, target, call)
        if alone is not None:
            found = SampleLoss("model", "sample", alone[0], notes=alone[1])
            found(output, target, call)
            _say(found, found.notes)
            return found
    seen = look(output, target_of(target, call, ""), call, graph, ignore_index, facts)
    kind: Kind | None = None if given == "auto" else given  # type: ignore[assignment]
    guessed = guess(seen) if kind is None else forced(seen, kind)
    found = SampleLoss(
        guessed.kind, guessed.per, guessed.criterion, _classes(guessed, seen), guessed.notes
    )
    found(output, target, call)  # what does not fit is said before anything else runs
    choice = () if found.kind == "model" else choice_note(output)
    choice += scale_note(loss, getattr(guessed.criterion, "scale", None))
    _say(found, (*choice, *guessed.notes, *seen.void_notes(found.kind, found.classes or 0)))
    return found


def _say(found: SampleLoss, notes: tuple[str, ...]) -> None:
    """Warn of what was assumed."""
    for note in notes:
        warn(f"loss={found.kind!r}: {note}.", LossWarning)


def _classes(guessed: Guess, seen: Seen) -> int | None:
    if guessed.kind == "binary":
        return 2
    if isinstance(guessed.criterion, CrossEntropy):
        return seen.shape[guessed.criterion.axis]
    return None
