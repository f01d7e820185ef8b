"""From sums of kernels to all that the kernel density estimate says of a layer, in nats."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import torch
from torch import Tensor

from infoflow.estimators.classes import NOT_KNOWN, label_entropy, most_about, with_ceilings
from infoflow.estimators.information import (
    Information,
    about_classes,
    about_samples,
    about_shuffled_classes,
    surprise_of_classes,
    surprise_of_samples,
    value_about_classes,
    value_about_samples,
)
from infoflow.estimators.jackknife import deal_groups, jackknife_interval
from infoflow.estimators.kernel import Sums, Totals
from infoflow.estimators.uncertainty import null_of, with_uncertainty
from infoflow.interface import Estimate


def estimate_of(
    sums: Sums,
    others: Totals,
    labels: Tensor | None,
    *,
    bound: Literal["upper", "lower"],
    kind: str,
    scale_changes: Tensor | None = None,
) -> Estimate:
    """Return the estimate that sums of kernels make.

    Where only some samples have a row, the intervals include the choice of the rows, and the
    standard errors are of that choice alone.

    Parameters
    ----------
    sums, others
        For the bound that is the value, and for the other one; of the same rows.
    labels
        (N,) int64 classes, numbered from 0, or None.
    bound
        Which bound ``sums`` are for.
    kind
        What the number is of.
    scale_changes
        (groups,) from :func:`scale_changes` where the noise is relative; needs slopes.
    """
    upper, lower = (sums, others) if bound == "upper" else (others, sums)
    ixm = about_samples(sums)
    estimate = with_ceilings(
        (ixm.value, value_about_samples(lower), value_about_samples(upper)),
        NOT_KNOWN if labels is None else _about_classes(sums, lower, upper, labels),
        sums.rows.samples,
        labels,
        kind,
    )
    about_x = jackknife_interval(
        ixm.value, _replicates(ixm, scale_changes), 0.0, estimate.ixm_ceiling
    )
    if len(sums.rows.numbers) < sums.rows.samples:
        estimate = _with_standard_errors(estimate, sums, labels)
    if labels is None:
        return with_uncertainty(estimate, about_x)
    iym = about_classes(sums, labels)
    about_y = jackknife_interval(
        iym.value, _replicates(iym, scale_changes), 0.0, most_about(labels)
    )
    null = null_of(about_shuffled_classes(sums, labels).clamp(max=most_about(labels)))
    return with_uncertainty(estimate, about_x, about_y, null)


def scale_changes(norms: Tensor) -> Tensor | None:
    """Return by how much the logarithm of a layer's variance changes without each group.

    None for a constant layer.

    Parameters
    ----------
    norms
        (N,) squared distances of the samples from their mean.
    """
    groups = deal_groups(len(norms), norms.device)
    counts = groups.bincount()
    sums = torch.zeros_like(counts, dtype=norms.dtype).index_add_(0, groups, norms)
    whole = float(norms.mean())
    return ((norms.sum() - sums) / (len(norms) - counts) / whole).log() if whole else None


def _replicates(information: Information, changes: Tensor | None) -> Tensor:
    """Let the noise follow the scale of the samples that are left."""
    if changes is None:
        return information.replicates
    return information.replicates + information.slope * changes


def _with_standard_errors(estimate: Estimate, sums: Sums, labels: Tensor | None) -> Estimate:
    estimate = replace(
        estimate, ixm_standard_error=sums.rows.standard_error(surprise_of_samples(sums))
    )
    if labels is None:
        return estimate
    error = sums.rows.standard_error(surprise_of_classes(sums, labels))
    return replace(estimate, iym_standard_error=error)


def _about_classes(
    main: Totals, lower: Totals, upper: Totals, classes: Tensor
) -> tuple[float, float, float]:
    """Return I(Y;M) with its bounds: the worst case of both terms, within 0 and H(Y)."""
    entropy = label_entropy(classes)
    inside_upper, inside_lower = (_within_classes(sums, classes) for sums in (upper, lower))
    least = max(0.0, value_about_samples(lower) - inside_upper)
    most = min(entropy, value_about_samples(upper) - inside_lower)
    return min(value_about_classes(main, classes), entropy), least, most


def _within_classes(sums: Totals, classes: Tensor) -> float:
    """Return Σ_y p(y) of a bound on the information within class y."""
    sizes = classes.bincount()[classes[sums.rows.numbers]].to(torch.float64)
    return float(sums.rows.mean(sizes.log() - sums.within.log()))
