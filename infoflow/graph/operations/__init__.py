"""What every operation means for a layer graph: one record each, in tables by family."""
