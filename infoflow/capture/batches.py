"""A loader as several equal passes over the same samples in the same order."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import default_collate

from infoflow.capture.loaders import batches_of, check_loader, sized_samples, undivided
from infoflow.capture.order import Order, order_of
from infoflow.capture.raw_targets import TargetReader
from infoflow.capture.unpack import Unpack
from infoflow.capture.unpacking import SampleShapes, Unpacker
from infoflow.graph.reduce import Reduce
from infoflow.graph.running.arguments import Arguments, holds_samples
from infoflow.graph.running.pytree import first_tensor, tensors_in
from infoflow.graph.running.ragged import blocks_of, is_ragged
from infoflow.graph.running.ranks import ALONE, Ranks
from infoflow.graph.running.undisturbed import seed_everything
from infoflow.interface import LoaderError
from infoflow.interface.devices import home_of_float64


@dataclass(frozen=True)
class Batch:
    """One batch: the model's arguments, Y as the loader gives it, and the rows that it fills.

    The checksum is of the arguments.
    """

    call: Arguments
    target: Tensor | None
    start: int
    size: int
    checksum: int = 0


class Samples:
    """The samples of a loader, for as many passes as it takes.

    Every pass starts from the same seed, so that loaders that shuffle or augment repeat
    themselves; a checksum of every batch proves it.

    Parameters
    ----------
    loader
        Any iterable of batches that can be iterated again.
    unpack
        What to make of a batch; None for tensors, ``(x, y)`` pairs and dictionaries with the usual
        keys.
    model
        What the inputs are for: the names of its arguments tell what a dictionary holds.
    device
        Where the inputs are sent.
    seed
        Seed of every pass.
    reduce
        What of values with positions is measured. Where that is not all of them, samples may have
        several lengths.
    ranks
        The processes that measure these samples together. Each reads all of them.
    """

    def __init__(
        self,
        loader: Iterable[Any],
        *,
        unpack: Unpack | None = None,
        model: nn.Module | None = None,
        device: torch.device | None = None,
        seed: int = 0,
        reduce: Reduce = "flatten",
        ranks: Ranks = ALONE,
    ) -> None:
        check_loader(loader)
        self.loader = loader if ranks.number == 1 else undivided(loader)
        self.ranks = ranks
        self.device = device or torch.device("cpu")
        # what torch collates is a column per argument, whatever it looks like
        is_collated = getattr(loader, "collate_fn", None) is default_collate
        self._unpacker = Unpacker(nn.Identity() if model is None else model, unpack, is_collated)
        self._reader = TargetReader()
        self._shapes = SampleShapes(reduce)
        self._seed = seed
        self._checksums: list[int] = []
        self._count: int | None = None
        self._targets: list[Tensor | None] = []
        self._passes = 0

    @property
    def home(self) -> torch.device:
        """Where statistics are kept: with the inputs, or on the CPU where those lack float64."""
        return home_of_float64(self.device)

    @property
    def count(self) -> int:
        """Number of samples; found by a pass over the loader where it cannot be looked up."""
        if self._count is None:
            self._count = sized_samples(self.loader)
        if self._count is None:
            self._count = sum(batch.size for batch in self.batches())
        return self._count

    @property
    def targets(self) -> Tensor | None:
        """Y as the loader gives it, (N, ...), or None; kept from the first pass."""
        self.read_once()
        given = [target for target in self._targets if target is not None]
        if not given:
            return None
        if self.odd_target is not None:
            raise LoaderError(
                f"The targets of a batch are {self.odd_target}, and others are not; expected one "
                "class, or one tensor, for each sample. Leave such samples out."
            )
        if len(given) < len(self._targets):
            raise LoaderError(
                f"{len(self._targets) - len(given)} of {len(self._targets)} batches have no "
                "target; expected one in each batch or in none."
            )
        if len({tuple(target.shape[1:]) for target in given}) > 1:
            shapes = sorted({str(tuple(target.shape[1:])) for target in given})
            raise LoaderError(
                f"Targets must all have one shape, got {' and '.join(shapes)}. Resize them in the "
                "dataset."
            )
        return torch.cat(given)

    @property
    def odd_target(self) -> str | None:
        """What targets are that no tensor could be made of, such as ``"a dict"``, or None."""
        return self._reader.odd

    def read_once(self) -> None:
        """Read all samples if no pass over them was made, so that their targets are known."""
        if not self._passes:
            for _ in self.batches():
                pass

    def drop_targets(self) -> None:
        """Let go of what the loader gave as target, once it is reduced."""
        self._targets = []

    @property
    def checksums(self) -> tuple[int, ...]:
        """A checksum of each batch's inputs; empty before the first pass."""
        return tuple(self._checksums)

    @property
    def names(self) -> Mapping[int, str]:
        """Where targets are names of classes: the names behind the codes, which are in no order."""
        return self._reader.names

    @property
    def batch_labels(self) -> list[Tensor] | None:
        """What the loader gives, by batch, where it is one number for each sample; else None."""
        given = [target for target in self._targets if target is not None]
        is_label = all(target.numel() == len(target) for target in given)
        return given if given and is_label and len(given) == len(self._targets) else None

    def order(self) -> Order:
        """Tell which order the loader gives the samples in; see :func:`order_of`."""
        return order_of(
            self.loader,
            self._seed,
            lambda seed: [batch.checksum for batch in self._raw_batches(seed)],
        )

    @property
    def batches_per_pass(self) -> int | None:
        """Number of batches, where the loader knows it."""
        try:
            return len(self.loader)  # type: ignore[arg-type]
        except TypeError:
            return None  # also a DataLoader, whose dataset or sampler need not know

    def example(self) -> Batch:
        """Return the first two samples."""
        batch = next(iter(self._raw_batches()))
        target = None if batch.target is None else batch.target[:2]
        return Batch(batch.call.select(slice(0, 2)), target, 0, min(2, batch.size))

    def batches(self) -> Iterator[Batch]:
        """Go through all samples once; a LoaderError where they differ from the first pass."""
        checksums: list[int] = []
        targets: list[Tensor | None] = []
        total = 0
        for number, batch in enumerate(self._raw_batches()):
            checksums.append(batch.checksum)
            if self._passes and checksums[-1:] != self._checksums[number : number + 1]:
                raise self._order_error(number)
            total += batch.size
            if not self._passes:
                targets.append(batch.target)
            yield batch
        if self._passes and len(checksums) != len(self._checksums):
            raise self._order_error(len(checksums))
        if not self._passes:
            self._checksums, self._targets = checksums, targets
        self._passes += 1
        self._check_count(total)

    def is_own(self, batch: Batch) -> bool:
        """Tell whether a batch is of this process's share: a run of batches, in their order."""
        return batch.start * self.ranks.number // self.count == self.ranks.mine

    def add_up(self, step: str, tensors: Sequence[Tensor]) -> None:
        """Put into tensors, in place, their sums over the shares of all processes.

        Raises
        ------
        InfoflowError
            If another process has failed, or has read other samples.
        """
        if self.ranks.number > 1:
            self.ranks.agree({"samples": f"{self.count}, checksum {hash(self.checksums):x}"})
            self.ranks.add_up(step, tensors)

    def _raw_batches(self, seed: int | None = None) -> Iterator[Batch]:
        seed_everything(self._seed if seed is None else seed, self.loader)
        start = 0
        for number, raw in enumerate(batches_of(self.loader)):
            call, target = self._unpacker.read(number, raw)
            first, size = first_tensor(call.first), call.samples
            if first is None or size == 0:
                raise LoaderError(
                    f"Batch {number} holds no input tensor with a batch dimension, got "
                    f"{type(raw).__name__}. Pass unpack=, a function from a batch to "
                    "(inputs, target)."
                )
            if not is_ragged(call.first):
                self._shapes.check(number, tuple(first.shape[not holds_samples(call.first) :]))
            checksum = _checksum(call)
            call = call.map(lambda tensor: tensor.to(self.device))
            target = self._reader.read(target, size, start)
            yield Batch(call, target, start, size, checksum)
            start += size
        if start == 0:
            raise LoaderError(
                "The loader gives no batches; expected at least 2 samples. Check the dataset, its "
                "filters and drop_last."
            )

    def _check_count(self, total: int) -> None:
        if self._count is not None and total != self._count:
            raise LoaderError(
                f"The loader gave {total} samples where its length promised {self._count}. Check "
                "the dataset's __len__, or pass a list of batches."
            )
        if total < 2:
            raise LoaderError(
                f"The loader gives {total} sample; expected at least 2, since information is "
                "measured by telling samples apart."
            )

    def _order_error(self, number: int) -> LoaderError:
        return LoaderError(
            f"The loader gave other samples, or another order, in pass {self._passes + 1} than in "
            f"the first (seen in batch {number}). Expected the same each time. Switch off "
            "shuffling and random augmentation, or raise memory_budget so that one pass is enough."
        )


def _checksum(call: Arguments) -> int:
    code = 0
    for leaf in tensors_in((call.args, dict(call.kwargs))):
        for block in blocks_of(leaf.detach()):
            plain = block.cpu().resolve_conj().resolve_neg().contiguous()
            code = zlib.crc32(plain.view(-1).view(torch.uint8).numpy().data, code)
    return code
