"""Closed-form mending: layers behind a cut are refitted to the whole net's own values."""
