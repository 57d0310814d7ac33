"""The room: evaluation."""
