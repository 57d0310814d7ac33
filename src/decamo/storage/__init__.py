"""The room: storage."""
