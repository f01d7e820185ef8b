"""A smaller net beside the whole one, on samples that nothing else has used."""
