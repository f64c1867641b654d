"""One run, from pictures to a saved model, and several runs side by side."""
