"""Verbs: thin wiring between the command line and the rooms."""
