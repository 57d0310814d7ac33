"""Programs for those who work on decamo; each runs by itself."""
