"""Models by the names that libraries give them, with random weights."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable
from typing import Any

import torch

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
        _check_settings(settings, options, spec)
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
    model = call_factory(factory, full)
    known = _parameters(factory) | {name for kind in type(model).__mro__ for name in _of(kind)}
    strange = [name for name in spec.kwargs if name not in known]
    if strange and _takes_anything(factory, full):
        raise _unknown(spec, strange[0], known)
    return model


def _check_settings(settings: Any, options: dict[str, Any], spec: Spec) -> None:
    """Raise an ArgumentError for settings that a configuration takes, keeps, and never reads."""
    kinds = getattr(settings, "sub_configs", {})
    known = {name for kind in type(settings).__mro__ for name in _settings_of(kind)}
    known |= {*getattr(settings, "attribute_map", {}), *kinds, *_usual_settings(type(settings))}
    for name, value in options.items():
        if name not in known:
            raise _unknown(spec, name, known)
        part = getattr(settings, name, None)
        if isinstance(value, dict) and name in kinds and hasattr(part, "model_type"):
            _check_settings(part, value, spec)


def _usual_settings(kind: type) -> set[str]:
    """Return what a configuration without arguments has; some need arguments."""
    try:
        return {name for name in vars(kind()) if not name.startswith("_")}
    except Exception:  # what it needs is not known
        return set()


def _read_by(kind: type) -> set[str]:
    """Return the older names of settings that a class of transformers looks for itself."""
    try:
        source = inspect.getsource(kind)
    except (OSError, TypeError):
        return set()
    return set(re.findall(r"""kwargs\.(?:pop|get)\(\s*["'](\w+)["']""", source))


def _takes_anything(factory: Callable[..., Any], spec: Spec) -> bool:
    """Tell whether a factory takes settings that mean nothing, so that misspelt ones are lost."""
    nothing = {**spec.kwargs, "no_such_setting_of_any_model": 1}
    try:
        with torch.device("meta"):
            factory(*spec.args, **nothing)
    except Exception:  # whatever it is, the name was not just taken
        return False
    return True


def _unknown(spec: Spec, name: str, known: Iterable[str]) -> ArgumentError:
    near = nearest_names(name, known) or " Its documentation lists what it has."
    return ArgumentError(f"{spec.text}: {spec.target} has no setting {name!r}.{near}")


def _settings_of(kind: type) -> set[str]:
    return _of(kind) | _declared(kind) | _read_by(kind)


def _of(kind: type) -> set[str]:
    own = vars(kind).get("__init__")
    return set() if own is None else _parameters(own)


def _declared(kind: type) -> set[str]:
    """Return the settings that a class declares by their types."""
    return {name for name in vars(kind).get("__annotations__", {}) if not name.startswith("_")}


def _parameters(function: Any) -> set[str]:
    try:
        return set(inspect.signature(function).parameters) - {"self", "args", "kwargs"}
    except (TypeError, ValueError):  # of what is written in C
        return set()
