"""The terms of the loss, as pure functions of tensors. They speak `keras.ops` and run on every Keras backend."""
