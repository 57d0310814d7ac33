"""The room: commands."""
