"""The desktop program: a window that never imports TensorFlow, and the engine processes that own it."""
