"""Plain Python, no Qt: what the window shows, as values and pure functions."""
