"""Models by the names that libraries give them, with random weights."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from infoflow.cli.imports import call_factory, import_library, nearest_names
from infoflow.cli.spec import Spec
from infoflow.interface import ArgumentError


def from_torchvision(spec: Spec) -> Any:
    """Build a model of ``torchvision.models``."""
    models = import_library("torchvision", "torchvision", spec).models
    _check_name(spec, models.list_models(), "torchvision")
    builder = models.get_model_builder(spec.name)
    usual: dict[str, Any] = {"weights": None}
    if "weights_backbone" in inspect.signature(builder).parameters:
        usual["weights_backbone"] = None
    if spec.name in ("googlenet", "inception_v3"):
        usual["init_weights"] = False  # theirs takes minutes
    return _build(builder, spec, usual)


def from_timm(spec: Spec) -> Any:
    """Build a model of timm."""
    timm = import_library("timm", "timm", spec)
    _check_name(spec, timm.list_models(), "timm")
    return _build(timm.create_model, spec, {"model_name": spec.name, "pretrained": False})


def from_smp(spec: Spec) -> Any:
    """Build a model of segmentation-models-pytorch."""
    smp = import_library("segmentation_models_pytorch", "segmentation-models-pytorch", spec)
    kinds = {kind.__name__: kind for kind in smp.MODEL_ARCHITECTURES_MAPPING.values()}
    _check_name(spec, kinds, "segmentation-models-pytorch")
    return _build(kinds[spec.name], spec, {"encoder_weights": None})


def from_transformers(spec: Spec) -> Any:
    """Build a model of transformers from the class of a model or of a configuration.

    Arguments are those of the configuration.
    """
    transformers = import_library("transformers", "transformers", spec)
    known = [name for name in dir(transformers) if name[:1].isupper()]
    _check_name(spec, known, "transformers")

    def make(**options: Any) -> Any:
        kind = getattr(transformers, spec.name)
        configuration = getattr(kind, "config_class", None) or kind
        if not isinstance(kind, type) or not hasattr(configuration, "model_type"):
            raise ArgumentError(
                f"{spec.target} is no class of a model or of a configuration. Expected one such "
                "as transformers:ViTModel or transformers:ViTConfig."
            )
        settings = configuration(**options)
        is_model = configuration is not kind
        return kind(settings) if is_model else transformers.AutoModel.from_config(settings)

    return call_factory(make, spec)


#: Libraries by the name that a spec starts with.
LIBRARIES: dict[str, Callable[[Spec], Any]] = {
    "torchvision": from_torchvision,
    "timm": from_timm,
    "smp": from_smp,
    "transformers": from_transformers,
}


def _check_name(spec: Spec, known: Any, library: str) -> None:
    if spec.name not in known:
        raise ArgumentError(
            f"{library} has no model {spec.name!r}.{nearest_names(spec.name, known)}"
        )


def _build(factory: Callable[..., Any], spec: Spec, usual: dict[str, Any]) -> Any:
    """Call ``factory`` with the usual arguments and those of the spec, which win."""
    full = Spec(spec.text, spec.place, spec.name, spec.args, {**usual, **spec.kwargs})
    return call_factory(factory, full)
