"""Trackers inside other libraries' trainings; each module is imported only when it is used."""
