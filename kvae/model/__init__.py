"""The VAE: what it computes, how it meets Keras's own methods, its methods by name, and how it is compiled."""
