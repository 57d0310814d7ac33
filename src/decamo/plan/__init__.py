"""The room: plan."""
