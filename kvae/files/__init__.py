"""Safe containers and atomic writing. Nothing here knows what a model is."""
