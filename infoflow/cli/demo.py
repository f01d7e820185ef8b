"""``infoflow demo``: the whole path, on images made here: which skips can go, and at what price."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
from tqdm import trange

from infoflow.capture.targets import KMeans
from infoflow.cli.figures import check_folder, check_new, save_figures
from infoflow.flow import FlowResult, Tracker
from infoflow.graph.text_table import align
from infoflow.pruning import Ablation, NetComparison, ablate, compare_nets, prune, suggest_pruning
from infoflow.pruning.advice_table import WIDTH, advice_parts, right_of
from infoflow.pruning.rewriting.model import PrunedModel
from infoflow.reports import report
from infoflow.testing import UNet, blob_images

_SIZE = 32
_LEARNING_RATE = 0.004
#: Images that train (and mend), that choose and judge in the ablation, and that verify.
_TRAIN, _HELD_OUT, _VERIFY = 128, 384, 256


@dataclass(frozen=True)
class Story:
    """What the demo found.

    Parameters
    ----------
    model
        The trained net.
    result
        Information over its training.
    ablation
        What it loses without each stream.
    slim, comparison
        The net without what can go, and how it does on images that nothing else has used; None
        where nothing can go.
    """

    model: nn.Module
    result: FlowResult
    ablation: Ablation
    slim: PrunedModel | None
    comparison: NetComparison | None


def run_demo(out: Path, *, epochs: int, seed: int, overwrite: bool, as_json: bool) -> None:
    """Train, track, ablate, mend, prune, verify; print the answer, write everything else."""
    path = out / "result.nc"
    check_folder(out, overwrite)
    check_new([path, out / "ablation.nc"], overwrite)
    out.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)  # of another run
    story = tell(epochs=epochs, seed=seed, path=path)
    _write(story, out)
    print(_as_json(story) if as_json else _as_text(story, out, epochs))


def tell(*, epochs: int, seed: int, path: Path) -> Story:
    """Train a U-Net of 8 base channels on made-up nuclei, and find out what can go."""
    torch.manual_seed(seed)
    model = UNet(base_channels=8)
    training = _loader(_TRAIN, seed, shuffle=True)
    result = train_and_track(model, training, epochs=epochs, seed=seed, path=path)
    ablation = ablate(
        model, _loader(_HELD_OUT, seed + 1), calibrate=training, metric="dice", seed=seed
    )
    if not ablation.cuttable:
        return Story(model, result, ablation, None, None)
    slim = prune(model, ablation.cuttable, mend="auto", calibrate=training, seed=seed)
    comparison = compare_nets(model, slim, _loader(_VERIFY, seed + 2), metric="dice")
    return Story(model, result, ablation, slim, comparison)


def train_and_track(
    model: nn.Module,
    loader: DataLoader[tuple[torch.Tensor, ...]],
    *,
    epochs: int,
    seed: int,
    path: Path,
) -> FlowResult:
    """Train, measuring at epochs 0, 1, 2, 5, 10, …; the result is saved to ``path`` each time."""
    schedule = [0, *(d * 10**power for power in range(6) for d in (1, 2, 5)), epochs]
    tracker = Tracker(
        model,
        loader,
        schedule=schedule,
        target=KMeans(8, seed=seed),
        noise="relative",
        path=path,
        seed=seed,
        progress=False,
    )
    optimizer = torch.optim.Adam(model.parameters(), lr=_LEARNING_RATE)
    tracker.record(0)
    bar = trange(1, epochs + 1, desc="training a U-Net", unit="epoch", disable=None)
    for epoch in bar:
        for image, mask in loader:
            optimizer.zero_grad()
            loss = F.binary_cross_entropy(model(image), mask)
            loss.backward()
            optimizer.step()
        bar.set_postfix(loss=f"{loss.item():.3f}")
        tracker.record(epoch)
    return tracker.result


def _loader(
    samples: int, seed: int, *, shuffle: bool = False
) -> DataLoader[tuple[torch.Tensor, ...]]:
    data = TensorDataset(*blob_images(samples, size=_SIZE, seed=seed))
    return DataLoader(data, batch_size=16, shuffle=shuffle)


def _write(story: Story, out: Path) -> None:
    """Write results, figures, the smaller net's weights, and a page about all of it."""
    from infoflow import plots

    story.ablation.save(out / "ablation.nc")
    save_figures(story.result, out)
    if story.ablation.frontier():
        figure = plots.frontier(story.ablation).get_figure(root=True)
        assert figure is not None, "a plot without axes of its own makes a figure"
        figure.savefig(out / "frontier.png", dpi=120)
    if story.slim is not None:
        torch.save(story.slim.state_dict(), out / "slim.pt")
    found = (story.ablation, story.comparison, story.result)
    report([one for one in found if one is not None], out / "report.html")


def _as_text(story: Story, out: Path, epochs: int) -> str:
    """Return the answer, in at most 40 lines."""
    found = story.ablation
    advice = suggest_pruning(found)
    lost = next(advice_parts(advice.to_dict()))
    lines = [
        f"A U-Net with {len(found.rows)} skip connections, trained for {epochs} epochs on "
        f"{_TRAIN} made-up images",
        f"of nuclei. Its Dice on other images is {found.whole_metric:.3f}. Which skips can go?",
        "",
        *textwrap.wrap(advice.conclusion, WIDTH),
        "",
        "Bits a pixel that the net loses without each skip: as it is, and after mending (refitting",
        "the layers that read the merge, or a cascade of all layers behind it):",
        "",
        *align([lost.header, *lost.rows], right=right_of(lost)),
        "",
    ]
    if story.comparison is not None:
        lines += [
            f"The smaller net, mended, on {_VERIFY} new images:",
            *str(story.comparison).splitlines(),
            "",
        ]
    return "\n".join([*lines, *_files(out)])


def _files(out: Path) -> list[str]:
    return [
        f"In {out}/:",
        "  report.html               all of it on one page: open it in a browser",
        "  uplot_*.png               the bits that each layer keeps, over training",
        "  frontier.png              what it costs to leave out more skips",
        "  result.nc, ablation.nc    the numbers, for infoflow.load and infoflow prune-suggest",
        "",
        "Now try your own net: infoflow ablate MODEL --weights FILE --data HELD_OUT",
    ]


def _as_json(story: Story) -> str:
    parts: dict[str, Callable[[], object]] = {
        "result": story.result.to_dict,
        "audit": lambda: story.result.audit().to_dict(),
        "advice": lambda: suggest_pruning(story.ablation).to_dict(),
        "verification": lambda: None if story.comparison is None else story.comparison.to_dict(),
    }
    return json.dumps({name: make() for name, make in parts.items()}, indent=2, ensure_ascii=False)
