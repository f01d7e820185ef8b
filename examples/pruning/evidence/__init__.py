"""The evidence study of pruning advice: its nets, their training, what is measured, its tables."""
