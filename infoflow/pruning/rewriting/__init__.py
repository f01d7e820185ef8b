"""Taking streams out of a copy of a traced net."""
