"""The room: losses."""
