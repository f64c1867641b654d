"""The Map page: the pictures laid out in latent space."""
