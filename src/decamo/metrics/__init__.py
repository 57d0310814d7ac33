"""The room: metrics."""
