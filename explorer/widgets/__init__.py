"""What several pages use: they draw and emit, and know no page."""
