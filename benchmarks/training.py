"""Training speed of the plain convolutional VAE against other tools, as ratios in one run.

    python benchmarks/training.py --torch-python PATH

Each contender trains the same layers (`conv`, 64x64, 128 latents, batch 64, widths 32-64-128-256, Adam) on the same
4,096 built-in paintings in a process of its own; the contenders take turns, and the median of the repeats counts.
kvae runs with everything switched on that is on by default: augmentation, the cached pipeline, live terms of every
batch, the schedule. PATH is a Python that has torch and pythae; without it only plain Keras is compared.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

WIDTHS, LATENTS, BATCH = (32, 64, 128, 256), 128, 64
WARM_UP, STEPS = 15, 96


def measure_kvae(pictures: str) -> float:
    import kvae
    from kvae.training.listener import Listener

    class Clock(Listener):
        def __init__(self):
            self.times = []

        def on_step(self, step):
            self.times.append(time.perf_counter())

        def should_stop(self):
            return len(self.times) >= WARM_UP + STEPS

    clock = Clock()
    with tempfile.TemporaryDirectory() as folder:
        kvae.train(
            pictures, output=f"{folder}/a", listener=clock, network="conv", widths=WIDTHS, latent_dim=LATENTS,
            batch_size=BATCH, kl_weight=0.1, epochs=10,
        )  # fmt: skip
    # single steps, so that the measurements between epochs do not count: the other loops have none
    steps = [b - a for a, b in zip(clock.times[WARM_UP:], clock.times[WARM_UP + 1 :], strict=False)]
    usual = statistics.median(steps)
    return BATCH / statistics.mean(step for step in steps if step < 4 * usual)


def _keras_layers():
    from keras import Input, Model, layers

    images = x = Input((64, 64, 3))
    for width in WIDTHS:
        x = layers.Conv2D(width, 4, 2, "same", activation="relu")(x)
    x = layers.Flatten()(x)
    encoder = Model(images, [layers.Dense(LATENTS)(x), layers.Dense(LATENTS)(x)])
    latents = Input((LATENTS,))
    x = layers.Reshape((4, 4, WIDTHS[-1]))(layers.Dense(16 * WIDTHS[-1], activation="relu")(latents))
    for width in WIDTHS[-2::-1]:
        x = layers.Conv2DTranspose(width, 4, 2, "same", activation="relu")(x)
    return encoder, Model(latents, layers.Conv2DTranspose(3, 4, 2, "same", activation="sigmoid")(x))


def measure_keras(pictures: str, jit_compile: bool | str = "auto") -> float:
    """What the Keras documentation leads to: a subclass with add_loss, compile() and fit() as they come."""
    import keras
    import numpy as np
    from keras import ops

    class PlainVAE(keras.Model):
        def __init__(self):
            super().__init__()
            self.encoder, self.decoder = _keras_layers()
            self.noise = keras.random.SeedGenerator(0)

        def call(self, images):
            mean, log_var = self.encoder(images)
            rate = 0.5 * ops.sum(ops.square(mean) + ops.exp(log_var) - 1.0 - log_var, axis=-1)
            self.add_loss(0.1 * ops.mean(rate))
            return self.decoder(mean + ops.exp(0.5 * log_var) * keras.random.normal(ops.shape(mean), seed=self.noise))

    class Clock(keras.callbacks.Callback):
        times: list[float] = []

        def on_train_batch_end(self, batch, logs=None):
            self.times.append(time.perf_counter())
            self.model.stop_training = len(self.times) >= WARM_UP + STEPS

    images = np.load(pictures).astype("float32") / 255.0
    model = PlainVAE()
    model.compile(
        "adam", loss=lambda x, y: ops.mean(ops.sum(ops.square(x - y), axis=(1, 2, 3))), jit_compile=jit_compile
    )
    clock = Clock()
    model.fit(images, images, batch_size=BATCH, epochs=10, verbose=0, callbacks=[clock])
    return BATCH * STEPS / (clock.times[-1] - clock.times[WARM_UP - 1])


def measure_keras_xla(pictures: str) -> float:
    """The same compiled with XLA, which Keras's own choice does on an accelerator only."""
    return measure_keras(pictures, jit_compile=True)


def _torch_layers():
    from torch import nn

    channels, modules = 3, []
    for width in WIDTHS:
        modules += [nn.Conv2d(channels, width, 4, 2, 1), nn.ReLU()]
        channels = width
    trunk = nn.Sequential(*modules, nn.Flatten())
    modules = [nn.Linear(LATENTS, 16 * channels), nn.ReLU(), nn.Unflatten(1, (channels, 4, 4))]
    for width in WIDTHS[-2::-1]:
        modules += [nn.ConvTranspose2d(channels, width, 4, 2, 1), nn.ReLU()]
        channels = width
    decoder = nn.Sequential(*modules, nn.ConvTranspose2d(channels, 3, 4, 2, 1), nn.Sigmoid())
    features = 16 * WIDTHS[-1]
    return trunk, nn.Linear(features, LATENTS), nn.Linear(features, LATENTS), decoder


def measure_pytorch(pictures: str) -> float:
    import numpy as np
    import torch

    trunk, to_mean, to_log_var, decoder = _torch_layers()
    weights = [weight for part in (trunk, to_mean, to_log_var, decoder) for weight in part.parameters()]
    optimizer = torch.optim.Adam(weights, 1e-3)
    images = torch.from_numpy(np.load(pictures)).permute(0, 3, 1, 2).float().div(255).contiguous()
    order = torch.randperm(len(images))
    for step in range(WARM_UP + STEPS):
        if step == WARM_UP:
            started = time.perf_counter()
        first = step * BATCH % (len(images) - BATCH)
        batch = images[order[first : first + BATCH]]
        features = trunk(batch)
        mean, log_var = to_mean(features), to_log_var(features)
        out = decoder(mean + torch.exp(0.5 * log_var) * torch.randn_like(mean))
        rate = 0.5 * (mean**2 + log_var.exp() - 1 - log_var).sum(1).mean()
        loss = ((batch - out) ** 2).sum((1, 2, 3)).mean() + 0.1 * rate
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        loss.item()
    return BATCH * STEPS / (time.perf_counter() - started)


def measure_pythae(pictures: str) -> float:
    import numpy as np
    from pythae.models import VAE, VAEConfig
    from pythae.models.base.base_utils import ModelOutput
    from pythae.models.nn import BaseDecoder, BaseEncoder
    from pythae.trainers import BaseTrainer, BaseTrainerConfig
    from pythae.trainers.training_callbacks import TrainingCallback

    trunk, to_mean, to_log_var, layers = _torch_layers()

    class Encoder(BaseEncoder):
        def __init__(self):
            super().__init__()
            self.trunk, self.mean, self.log_var = trunk, to_mean, to_log_var

        def forward(self, images):
            features = self.trunk(images)
            return ModelOutput(embedding=self.mean(features), log_covariance=self.log_var(features))

    class Decoder(BaseDecoder):
        def __init__(self):
            super().__init__()
            self.layers = layers

        def forward(self, latents):
            return ModelOutput(reconstruction=self.layers(latents))

    class Clock(TrainingCallback):
        times: list[float] = []

        def on_train_step_end(self, training_config, **options):
            self.times.append(time.perf_counter())

    images = np.load(pictures).transpose(0, 3, 1, 2).astype("float32") / 255.0
    with tempfile.TemporaryDirectory() as folder:
        config = BaseTrainerConfig(
            output_dir=folder, num_epochs=2, per_device_train_batch_size=BATCH, learning_rate=1e-3, no_cuda=True
        )
        model = VAE(VAEConfig(input_dim=(3, 64, 64), latent_dim=LATENTS), Encoder(), Decoder())
        trainer = BaseTrainer(model, _dataset(images), training_config=config, callbacks=[Clock()])
        trainer.train()
    times = Clock.times[WARM_UP - 1 : WARM_UP + STEPS]
    steps = [b - a for a, b in zip(times, times[1:], strict=False)]
    usual = statistics.median(steps)
    return BATCH / statistics.mean(step for step in steps if step < 4 * usual)


def _dataset(images):
    import torch
    from pythae.data.datasets import BaseDataset

    return BaseDataset(torch.from_numpy(images), torch.zeros(len(images)))


CONTENDERS = {
    "kvae": measure_kvae,
    "keras": measure_keras,
    "keras-xla": measure_keras_xla,
    "pytorch": measure_pytorch,
    "pythae": measure_pythae,
}


def main() -> None:
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--torch-python", help="a Python that has torch and pythae")
    made.add_argument("--repeats", type=int, default=3)
    made.add_argument("--only", choices=CONTENDERS, help=argparse.SUPPRESS)
    made.add_argument("--pictures", help=argparse.SUPPRESS)
    options = made.parse_args()
    if options.only:
        print(json.dumps(CONTENDERS[options.only](options.pictures)))
        return

    from kvae import open_collection

    collection = open_collection("paintings", size=64)
    pythons = dict.fromkeys(("kvae", "keras", "keras-xla"), sys.executable)
    if options.torch_python:
        pythons |= {"pytorch": options.torch_python, "pythae": options.torch_python}
    speeds: dict[str, list[float]] = {name: [] for name in pythons}
    with tempfile.TemporaryDirectory() as folder:
        import numpy as np

        pictures = Path(folder, "pictures.npy")
        np.save(pictures, collection.read(range(len(collection))))
        for _ in range(options.repeats):
            for name, python in pythons.items():
                command = [python, __file__, "--only", name, "--pictures", str(pictures)]
                environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
                done = subprocess.run(command, capture_output=True, text=True, env=environment)
                if done.returncode:
                    sys.exit(f"{name}: {done.stderr[-2000:]}")
                speeds[name].append(float(done.stdout.strip().splitlines()[-1]))
                print(f"{name:9} {speeds[name][-1]:6.0f} images/s", flush=True)
    middle = {name: statistics.median(values) for name, values in speeds.items()}
    for name, values in speeds.items():
        spread = f"{min(values):.0f} to {max(values):.0f}"
        print(
            f"{name:9} median {middle[name]:6.0f} images/s ({spread}); kvae is {middle['kvae'] / middle[name]:.2f} "
            "times"
        )


if __name__ == "__main__":
    main()
