"""A VAE to and from a `.keras` file: the card, the abstract build, the reader and the writer."""
