"""The Make page: films, pictures and numbers to take away."""
