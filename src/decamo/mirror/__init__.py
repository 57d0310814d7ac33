"""A run copied to an address while it goes on, and fetched from there: docs/decisions/0034."""

from decamo.mirror.local_copy import local_checkpoint, local_log

__all__ = ["local_checkpoint", "local_log"]
