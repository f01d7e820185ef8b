"""Nets with and without streams, trained from scratch side by side."""
