"""What is measured on pictures and on a trained model."""
