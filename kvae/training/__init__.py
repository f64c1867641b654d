"""One run, from pictures to a saved model."""
