"""The room: inference."""
