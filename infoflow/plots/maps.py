"""What the layers make of one image: their channels as pictures."""

from __future__ import annotations

import math
from collections.abc import Sequence

import matplotlib.pyplot as plt
import torch
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from torch import Tensor, nn

from infoflow.graph import LayerGraph, trace
from infoflow.graph.reduce import channels_first
from infoflow.graph.running.members import parameters_in
from infoflow.graph.selection import LayerChoice
from infoflow.interface import ActivationError, ArgumentError, Layer
from infoflow.plots.style import MERGE_COLOUR, QUIET

#: Between two channels, as a share of a channel's width.
_GAP = 0.06
#: More strips than this stand in two columns.
_MOST_ROWS = 8
_TILE_INCHES = 0.72
#: Share of a channel's places that may be darker, or brighter, than its colours tell.
_CUT = 0.02
#: A channel that is the same everywhere.
_FLAT = ListedColormap(["#d5d7db"])


def feature_maps(
    model: nn.Module | LayerGraph,
    image: Tensor,
    *,
    layers: LayerChoice = "all",
    channels: int | Sequence[int] = 8,
) -> dict[str, Axes]:
    """Draw channels of each layer's value for one image, a strip of pictures for each layer.

    Each channel has its number above it and its own scale, from the 2nd (dark) to the 98th
    percentile (bright) of its values; one that is the same everywhere is grey. Strips are titled
    with the layer's index, name and shape, in colour where streams have met. The image comes first,
    from its lowest value in black to its highest in white.

    Parameters
    ----------
    model
        A net, or its graph from :func:`infoflow.trace`; left as it was.
    image
        One image, shape (C, H, W) or (1, C, H, W).
    layers
        ``"all"``, ``"merges"``, or names, patterns and indices. Of several, those without maps are
        left out.
    channels
        How many of each layer's channels to draw, those that vary most over the image, in their
        order; or the numbers of channels.

    Returns
    -------
    dict of str to Axes
        Layer name to axes of a new figure, and ``"image"`` to that of the image.

    Raises
    ------
    ArgumentError
        If the model or the image is none, or a channel does not exist.
    ActivationError
        If no chosen layer has maps, or values are not finite.

    Examples
    --------
    >>> import torch
    >>> from infoflow.testing import UNet, blob_images
    >>> image = blob_images(1, size=32)[0]
    >>> axes = feature_maps(UNet(base_channels=4), image, layers=[0, 8, 22])
    >>> list(axes), axes["encoder.4.0"].get_title(loc="left")
    (['image', 'encoder.0.0', 'encoder.4.0', 'output'], '8  encoder.4.0  64×2×2')
    """
    batch = _as_batch(image)
    if not isinstance(model, nn.Module | LayerGraph):
        raise ArgumentError(
            "model must be an nn.Module or its graph from infoflow.trace, got "
            f"{type(model).__name__}."
        )
    graph = model if isinstance(model, LayerGraph) else trace(model, batch.to(_home(model)))
    drawn = [layer for layer in graph.select(layers) if len(layer.positions) == 2]
    if not drawn:
        first = graph.select(layers)[0]
        raise ActivationError(
            f"No layer of {graph.model} that layers={layers!r} chooses has maps, of shape "
            f"(channels, height, width) or (height, width, channels): {first.name} has shape "
            f"{first.shape}. Choose convolutions or what merges them."
        )
    values = graph.values(batch.to(_home(graph.source.model)))
    maps = {layer.name: _maps(layer, values[layer.name]) for layer in drawn}
    chosen = {layer.name: _chosen(layer, maps[layer.name], channels) for layer in drawn}
    wide = max(map(len, chosen.values()))
    aspect = batch.shape[-2] / batch.shape[-1]
    axes = dict(zip(["image", *maps], _new_axes(1 + len(drawn), wide, aspect), strict=True))
    _draw_image(axes["image"], batch[0].detach().float().cpu())
    for layer in drawn:
        _draw_strip(axes[layer.name], layer, maps[layer.name], chosen[layer.name])
    for ax in axes.values():
        # the same for all, so that channels are as large in every strip
        ax.set_xlim(0.0, wide * (1 + _GAP) - _GAP)
    return axes


def _maps(layer: Layer, value: Tensor) -> Tensor:
    """Return the maps of the one image, (channels, height, width)."""
    maps = channels_first(value.detach().float().cpu(), layer.positions)[0]
    if not bool(torch.isfinite(maps).all()):
        raise ActivationError(
            f"Layer {layer.name} ({layer.index}) has NaN or infinite values for this image. "
            "Expected finite activations: check the weights and the image."
        )
    return maps


def _as_batch(image: Tensor) -> Tensor:
    shape = tuple(image.shape) if isinstance(image, Tensor) else type(image).__name__
    if not isinstance(image, Tensor) or image.ndim not in (3, 4) or 0 in image.shape:
        raise ArgumentError(
            f"image must be a tensor of shape (C, H, W) or (1, C, H, W), got {shape}."
        )
    if image.ndim == 4 and len(image) != 1:
        raise ArgumentError(f"image must be one image, got {len(image)}: take images[:1].")
    return image if image.ndim == 4 else image[None]


def _home(model: nn.Module) -> torch.device:
    return next((weight.device for weight in parameters_in(model)), torch.device("cpu"))


def _chosen(layer: Layer, maps: Tensor, channels: int | Sequence[int]) -> list[int]:
    """Return the numbers of the channels to draw: those named, or those that vary most."""
    there = len(maps)
    if isinstance(channels, int):
        if channels < 1:
            raise ArgumentError(f"channels must be at least 1, got {channels}.")
        spread = maps.flatten(1).std(dim=1, correction=0)
        return sorted(spread.argsort(descending=True, stable=True)[:channels].tolist())
    if not isinstance(channels, Sequence):
        raise ArgumentError(
            f"channels must be how many to draw, or the numbers of those to draw, got {channels!r}."
        )
    missing = [number for number in channels if number not in range(there)]
    if missing or not channels:
        raise ArgumentError(
            f"channels must be numbers from 0 to {there - 1} for layer {layer.name} "
            f"({layer.index}), which has {there}; got {list(channels)}. Give how many to draw, or "
            "choose other layers=."
        )
    return list(channels)


def _new_axes(strips: int, wide: int, aspect: float) -> list[Axes]:
    """Return axes of a new figure for so many strips, down one column or two.

    ``aspect`` is the height of the maps over their width.
    """
    columns = 1 if strips <= _MOST_ROWS else 2
    rows = math.ceil(strips / columns)
    height = _TILE_INCHES * min(max(aspect, 0.3), 3.0)
    size = (columns * max(3.2, wide * _TILE_INCHES), rows * (height + 0.5))
    grid = plt.subplots(rows, columns, squeeze=False, figsize=size, layout="constrained")[1]
    down = list(grid.T.flatten())
    for ax in down:
        ax.set_axis_off()
    return down[:strips]


def _draw_strip(ax: Axes, layer: Layer, maps: Tensor, chosen: Sequence[int]) -> None:
    """Draw channels side by side, a unit wide each, with their numbers above."""
    height = maps.shape[1] / maps.shape[2]
    for place, number in enumerate(chosen):
        channel = maps[number].numpy()
        left = place * (1 + _GAP)
        extent = (left, left + 1, 0.0, height)
        low, high = _limits(maps[number])
        colours = "viridis" if low < high else _FLAT
        ax.imshow(
            channel, cmap=colours, extent=extent, interpolation="nearest", vmin=low, vmax=high
        )
        ax.text(
            left + 0.5,
            height + 0.02,
            str(number),
            ha="center",
            va="bottom",
            fontsize=6,
            color=QUIET,
        )
    title = f"{layer.index}  {layer.name}  {_times(layer.shape)}"
    _finish(ax, title, MERGE_COLOUR if layer.is_merge else "black")


def _limits(channel: Tensor) -> tuple[float, float]:
    """Return percentiles, between which a few bright places do not hide the rest, or the limits."""
    shares = torch.tensor([_CUT, 1 - _CUT], dtype=torch.float32, device="cpu")
    low, high = (float(limit) for limit in torch.quantile(channel.flatten(), shares))
    return (low, high) if low < high else (float(channel.min()), float(channel.max()))


def _draw_image(ax: Axes, image: Tensor) -> None:
    """Draw the image in colour where it has three channels, else its first channel in grey."""
    scaled = (image - image.min()) / (image.max() - image.min()).clamp(min=1e-12)
    picture = scaled.movedim(0, 2) if len(image) == 3 else scaled[0]
    extent = (0.0, 1.0, 0.0, image.shape[1] / image.shape[2])
    ax.imshow(picture.numpy(), cmap="gray", extent=extent, vmin=0, vmax=1)
    _finish(ax, f"image  {_times(image.shape)}", "black")


def _finish(ax: Axes, title: str, colour: str) -> None:
    ax.set_title(title, loc="left", fontsize=8, color=colour, pad=11)
    ax.set_anchor("W")


def _times(shape: Sequence[int]) -> str:
    return "×".join(map(str, shape))
