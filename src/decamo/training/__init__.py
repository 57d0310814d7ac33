"""The room: training."""
