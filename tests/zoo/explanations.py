"""Why the counts of a model differ from those of its exported graph, where they do."""

from __future__ import annotations

from fnmatch import fnmatchcase

#: By pattern of the model's key; the first that fits.
EXPLANATIONS: dict[str, str] = {
    "transformers:sam3_lite_text": "export drops merges that lead to no output",
    "transformers:vits": "export drops merges that lead to no output",
}


def explanation(key: str) -> str:
    """Return what is known of a model's difference; empty where nothing is."""
    return next((text for glob, text in EXPLANATIONS.items() if fnmatchcase(key, glob)), "")
