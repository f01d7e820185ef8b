"""``infoflow demo``: the whole path, on images made here."""

from __future__ import annotations

import json
from pathlib import Path

import torch
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset
from tqdm import trange

from infoflow.capture.targets import KMeans
from infoflow.cli.figures import check_folder, check_new, save_figures
from infoflow.flow import FlowResult, Tracker
from infoflow.pruning import suggest_pruning
from infoflow.testing import UNet, blob_images

_SAMPLES = 128
_SIZE = 64
_LEARNING_RATE = 0.002


def run_demo(out: Path, *, epochs: int, seed: int, overwrite: bool, as_json: bool) -> None:
    """Train, track, print the layers and the advice, and write figures and the result."""
    path = out / "result.nc"
    check_folder(out, overwrite)
    check_new([path], overwrite)
    path.unlink(missing_ok=True)  # of another run
    result = train_and_track(epochs=epochs, seed=seed, path=path)
    saved = [path, *save_figures(result, out)]
    advice = suggest_pruning(result)
    if as_json:
        both = {
            "result": result.to_dict(),
            "audit": result.audit().to_dict(),
            "advice": advice.to_dict(),
        }
        print(json.dumps(both, indent=2, ensure_ascii=False))
        return
    print(result.graph, result, result.audit(), advice, sep="\n\n\n")
    print("\nWritten:", *saved, sep="\n  ")
    print(f"\nRead it again with: infoflow prune-suggest {saved[0]}")


def train_and_track(*, epochs: int, seed: int, path: Path) -> FlowResult:
    """Train a U-Net of 8 base channels on made-up nuclei, measuring at epochs 0, 1, 2, 5, 10, ….

    After each measurement the result is saved to ``path``.
    """
    torch.manual_seed(seed)
    images, masks = blob_images(_SAMPLES, size=_SIZE, seed=seed)
    loader = DataLoader(TensorDataset(images, masks), batch_size=16, shuffle=True)
    model = UNet(base_channels=8)
    schedule = [0, *(d * 10**power for power in range(6) for d in (1, 2, 5)), epochs]
    tracker = Tracker(
        model,
        loader,
        schedule=schedule,
        target=KMeans(8, seed=seed),
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
