"""What a step of training costs: trained parameters, and what XLA counts of it, for the cost model of docs/scale.md.

    KERAS_BACKEND=jax python benchmarks/cost.py [--size 64 128] [--batch-size 32 256]

Nothing is computed: the step is traced and counted, so it takes seconds and no GPU.
"""

import argparse
import math

import jax
import keras

import kvae
from kvae.training.muon import fitting_optimizer


def counted(network: str, size: int, batch: int) -> tuple[int, float]:
    """Trained parameters, and floating point operations for each picture of a step, its update included."""
    model = kvae.VAE(image_shape=(size, size, 3), network=network)
    model._start_known = True  # what the closed form starts from does not matter here
    model.compile(fitting_optimizer(model, 1e-3))
    parts = model.trainable_variables, model.non_trainable_variables, model.optimizer.variables, model.metrics_variables
    state = tuple([jax.ShapeDtypeStruct(one.shape, one.dtype) for one in part] for part in parts)
    pictures = jax.ShapeDtypeStruct((batch, size, size, 3), "float32")
    found = jax.jit(model.train_step).lower(state, (pictures,)).cost_analysis()
    return sum(math.prod(one.shape) for one in model.trainable_variables), found["flops"] / batch


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, nargs="+", default=[64, 128])
    parser.add_argument("--batch-size", type=int, nargs="+", default=[32, 256])
    arguments = parser.parse_args()
    assert keras.backend.backend() == "jax", "set KERAS_BACKEND=jax"
    for network in ("spectral", "conv"):
        for size in arguments.size:
            for batch in arguments.batch_size:
                parameters, operations = counted(network, size, batch)
                print(f"{network} {size} px, batch {batch}: P {parameters:,}, {operations / 1e9:.3f} GFLOP a picture")


if __name__ == "__main__":
    main()
