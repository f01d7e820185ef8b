"""Refitting the layers of a net without streams, in place."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from torch import fx, nn

from infoflow.graph import LayerGraph
from infoflow.interface import ActivationError, PruningError
from infoflow.pruning.mending.calibration import Calibration, choose_rows, share_of_rows
from infoflow.pruning.mending.lockstep import Lane, Route, lanes
from infoflow.pruning.mending.mending_record import Mending
from infoflow.pruning.mending.moments import Moments, Sums
from infoflow.pruning.mending.plan import MenderName, make_plan
from infoflow.pruning.mending.sites import Site
from infoflow.pruning.rewriting.model import PrunedModel
from infoflow.pruning.variants import Footprint, Variant, ready, variant_of

#: Strength of the ridge regression where nothing else is said.
RIDGE = 0.01
#: A regression may use this share of the memory budget; the values of batches use the rest.
_SHARE_OF_GRAM = 0.25


@dataclass(frozen=True, eq=False)
class Mender:
    """Refits nets without streams to the values of the whole net.

    Parameters
    ----------
    graph
        The whole net's graph, with its program.
    footprint
        How its values lie in memory, from :func:`~infoflow.pruning.variants.observe`.
    calibration
        The samples that mend.
    ridge
        Strength of the ridge regression: the penalty is this share of the mean diagonal of a
        layer's centred Gram matrix, and shrinks towards the weights that the layer has.
    budget
        Bytes that values and regressions may take.
    seed
        Decides which positions a regression sees, where it does not see all.
    """

    graph: LayerGraph
    footprint: Footprint
    calibration: Calibration
    ridge: float = RIDGE
    budget: int = 2 * 10**9
    seed: int = 0

    def __call__(self, slim: PrunedModel, mender: MenderName) -> Mending:
        """Refit a net in place, and return what was done.

        Parameters
        ----------
        slim
            The net without streams, as :func:`infoflow.prune` made it of this graph.
        mender
            ``"reader"`` refits the layers that read the merges that streams left, and refreshes
            batch norms behind them. ``"cascade"`` refits every linear layer and convolution
            behind the cut, in the order of computation.

        Raises
        ------
        ActivationError
            If values are not finite; names the layer. The net is left as it was.
        PruningError
            If the net cannot be aligned with the graph, or draws random numbers.
        """
        before = {name: value.clone() for name, value in slim.state_dict().items()}
        try:
            return self._mend(slim, mender)
        except BaseException:
            slim.load_state_dict(before)
            raise

    def _mend(self, slim: PrunedModel, mender: MenderName) -> Mending:
        if self.footprint.random:
            raise PruningError(
                f"{self.graph.model} draws random numbers in evaluation mode, so that two runs "
                "cannot be compared; expected a net that gives the same twice. Use mend=None."
            )
        whole = self.graph.program
        first = variant_of(slim, self.graph, self.footprint)
        layers = {draft.node for draft in self.graph.anatomy.streams.layers}
        limit = int(self.budget * _SHARE_OF_GRAM)
        plan = make_plan(first, whole, self.footprint, layers, mender, limit)
        lineage = slim.lineage
        assert lineage is not None
        variant = Variant(first.program, lineage, whole, self.footprint, also=plan.changed)
        route = Route(variant, whole, self.footprint, plan.sites)
        few = self._refit_all(slim, route)
        return Mending(
            mender=mender,
            ridge=self.ridge,
            samples=self.calibration.count,
            fingerprint=self.calibration.fingerprint,
            seed=self.seed,
            refitted=tuple(site.name for site in plan.sites),
            left=plan.left,
            notes=tuple(few),
        )

    def _refit_all(self, slim: PrunedModel, route: Route) -> list[str]:
        """Refit site after site; return which had fewer rows than unknowns."""
        few: list[str] = []
        kept: list[Lane | None] = []
        budget = self.budget * (1 - _SHARE_OF_GRAM)
        with ready(self.graph.program.model), evaluating(slim):
            for place, site in enumerate(route.steps):
                if isinstance(site, fx.Node):
                    continue
                sums = Sums()
                for lane in lanes(route, self.calibration.batches, place, kept, budget):
                    self._add(sums, site, lane, place)
                found = sums.moments()
                _check_finite(found, site)
                if found.count <= site.unknowns:
                    few.append(
                        f"{site.name} was refitted with {found.count} positions for "
                        f"{site.unknowns} unknowns; pass more samples in calibrate="
                    )
                site.apply(slim, found, self.ridge)
        return few

    def _add(self, sums: Sums, site: Site, lane: Lane, place: int) -> None:
        """Add the rows of a batch that a regression sees."""
        count = site.count(lane.look, lane.look_whole)
        per_sample = count / lane.size
        share = share_of_rows(site.unknowns, round(per_sample * self.calibration.count))
        first = round(per_sample * lane.first)
        chosen = choose_rows(count, first, share, self.seed * 1_000_003 + place)
        for features, targets in site.pairs(lane.look, lane.look_whole, chosen):
            sums.add(features, targets)


@contextmanager
def evaluating(net: nn.Module) -> Iterator[None]:
    """Put a net in evaluation mode and its modules back into theirs; its buffers may change."""
    modes = [(module, module.training) for module in net.modules()]
    net.eval()
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode


def _check_finite(found: Moments, site: Site) -> None:
    sums = (found.gram, found.cross, found.feature_mean, found.target_mean)
    if not all(bool(one.isfinite().all()) for one in sums):
        raise ActivationError(
            f"Layer {site.name} reads or gives NaN or infinite values on the samples that mend; "
            "expected finite ones. Check calibrate=, the weights and the inputs."
        )
