"""The room: history."""
