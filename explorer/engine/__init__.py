"""The processes that own TensorFlow: one that decodes and encodes, and one per training run."""
