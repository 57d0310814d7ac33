"""decamo: train, rescue, measure and ship models that segment camouflaged objects.

The package is a ladder of rooms; a room imports only from rooms below it (see
``tests/test_ladder.py`` and the tree in ``README.md``).
"""

__all__ = ["__version__"]

__version__ = "0.1.0"
