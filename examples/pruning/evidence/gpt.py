"""A small decoder-only transformer that predicts the next character."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class Attention(nn.Module):
    """Causal self-attention of several heads."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, value: Tensor) -> Tensor:
        """Return (N, positions, width)."""
        count, positions, width = value.shape
        parts = self.qkv(value).view(count, positions, 3, self.heads, width // self.heads)
        query, key, content = parts.permute(2, 0, 3, 1, 4).unbind(0)
        mixed = functional.scaled_dot_product_attention(query, key, content, is_causal=True)
        return self.proj(mixed.transpose(1, 2).reshape(count, positions, width))


class Block(nn.Module):
    """Attention and a two-layer perceptron, each beside an identity."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.attention = Attention(width, heads)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        )

    def forward(self, value: Tensor) -> Tensor:
        """Return (N, positions, width)."""
        value = value + self.attention(self.norm1(value))
        return value + self.mlp(self.norm2(value))


class GPT(nn.Module):
    """Blocks between an embedding of characters and positions and a linear head."""

    def __init__(
        self, symbols: int, context: int, blocks: int = 6, width: int = 96, heads: int = 4
    ) -> None:
        super().__init__()
        self.embedding = nn.Embedding(symbols, width)
        self.positions = nn.Parameter(torch.randn(context, width) * 0.02)
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(blocks))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, symbols)

    def forward(self, characters: Tensor) -> Tensor:
        """Return logits of the next characters, (N, positions, symbols)."""
        value = self.embedding(characters) + self.positions[: characters.shape[1]]
        for block in self.blocks:
            value = block(value)
        return self.head(self.norm(value))
