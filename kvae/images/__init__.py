"""Where pictures come from: folders, HDF5 files, arrays and the built-in paintings.

`collection.open_collection` turns any of them into a `Collection` of decoded pictures on disk, and
`pipeline.training_batches` turns that into batches. Only `pipeline` imports TensorFlow, and nothing else here
imports `pipeline`; this file imports nothing, because every decoding process passes through it.
"""
