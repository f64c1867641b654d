"""Widgets, one per file: they draw and emit, and compute nothing."""
