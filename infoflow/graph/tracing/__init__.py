"""From an nn.Module to a program of its operations, and the proof that the two agree."""
