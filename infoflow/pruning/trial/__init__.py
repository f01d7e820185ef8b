"""Trying removals on the net itself: what they cost, and which reading foretold it."""
