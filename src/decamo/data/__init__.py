"""The room: data."""
