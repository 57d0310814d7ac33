"""The room: nn."""
