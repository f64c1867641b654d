"""The Explore page: the picture, a slider for each latent dimension, and what moves all of them."""
