"""What everybody needs to run a model and leave it as it was."""
