"""On a GPU: training speed of the default network and of `conv` beside PyTorch's of the same layers, and a whole run.

    python benchmarks/gpu.py [--sizes 64 128 256] [--batch 64] [--minutes 5]
    python benchmarks/gpu.py --toy          the same in miniature, on any machine

Prints a line for each network and size: images/s of kvae (Keras on JAX, bfloat16) and of PyTorch (`torch.compile`,
channels last, bfloat16) with Adam on pictures in memory, their ratio, the most memory each took, and how near to the
roofline the step of kvae is: of the time that its convolutions need at the rate of a large matrix product measured in
the same run, or its activations at the bandwidth of a large copy, whichever is more. Each contender runs in a process
of its own, and PyTorch is left out where it is not installed. PyTorch's path has no texture scales, which are next to
nothing.

Then trains one model of all KL weights on 1,445 built-in paintings for so many minutes, and prints L of 200 others at
five weights. It needs no TensorFlow.
"""

import argparse
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PAINTINGS, OTHERS = 1445, 200


def kvae_speed(network: str, size: int, batch: int, steps: int) -> dict[str, float]:
    """Images/s, peak bytes, and what a step computes and moves, of `fit` on pictures in memory."""
    import keras
    import numpy as np

    import kvae

    weight = (0.01, 1.0) if network == "spectral" else 0.1
    model = kvae.VAE(image_shape=(size, size, 3), network=network, kl_weight=weight, dtype="mixed_bfloat16")
    pictures = np.random.default_rng(0).integers(0, 256, (batch * steps, size, size, 3)).astype("uint8")
    if model.linear_path is not None:
        model.adapt(pictures[:256])
    model.compile("adam")

    class Clock(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            self.began = time.perf_counter()

        def on_epoch_end(self, epoch, logs=None):  # the logs are numbers here, so the device is done
            self.seconds = time.perf_counter() - self.began

    clock = Clock()
    model.fit(pictures, batch_size=batch, epochs=2, verbose=0, callbacks=[clock])  # the first epoch compiles
    flops, moved = work_of(model, batch)
    return {"rate": batch * steps / clock.seconds, "memory": peak_memory(), "flops": flops, "moved": moved}


def work_of(model, batch: int) -> tuple[float, float]:
    """FLOPs and bytes of a training step: convolutions and dense layers once forward and twice backward, and each
    layer's output in bfloat16 written and read on the way there and back."""
    import math

    import keras

    flops = moved = 0.0
    for network in (model.encoder, model.decoder):
        for layer in network._flatten_layers():
            if not isinstance(layer, (keras.layers.Conv2D, keras.layers.Conv2DTranspose, keras.layers.Dense)):
                continue
            out, into = (math.prod(shape[1:]) for shape in (layer.output.shape, layer.input.shape))
            kernel = math.prod(layer.kernel.shape)
            places = 1 if isinstance(layer, keras.layers.Dense) else out // layer.output.shape[-1]
            if isinstance(layer, keras.layers.Conv2DTranspose):
                places = into // layer.input.shape[-1]
            flops += 3 * 2.0 * kernel * places * batch
            moved += 3 * 2.0 * (into + out) * batch
    return flops, moved


def peak_memory() -> float:
    """Bytes that were in use at once on the first device; of the process where the device does not tell."""
    import jax

    told = jax.devices()[0].memory_stats() or {}
    if "peak_bytes_in_use" in told:
        return float(told["peak_bytes_in_use"])
    import resource

    return float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)


def roofline(toy: bool) -> dict[str, float]:
    """FLOP/s of a large bfloat16 product, and bytes/s of a large copy, on the first device."""
    import jax
    from jax import numpy as jnp

    side, length = (512, 1 << 20) if toy else (8192, 1 << 29)
    square, line = jnp.ones((side, side), jnp.bfloat16), jnp.ones(length, jnp.bfloat16)

    def best(function, *given) -> float:
        compiled = jax.jit(function)
        compiled(*given).block_until_ready()
        times = []
        for _ in range(10):
            began = time.perf_counter()
            compiled(*given).block_until_ready()
            times.append(time.perf_counter() - began)
        return min(times)

    return {
        "flops": 2.0 * side**3 / best(jnp.matmul, square, square),
        "moved": 2.0 * 2 * length / best(lambda one: one + 1, line),
    }


# ---------------------------------------------------------------------- the same layers in PyTorch


def torch_speed(network: str, size: int, batch: int, steps: int) -> dict[str, float]:
    """Images/s and peak bytes of a compiled loop on pictures in memory."""
    import numpy as np
    import torch

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.manual_seed(0)
    model = (torch_spectral if network == "spectral" else torch_conv)(size).to(
        device, memory_format=torch.channels_last
    )
    optimizer = torch.optim.Adam(model.parameters(), 1e-3, fused=device.type == "cuda")
    pictures = torch.from_numpy(
        np.random.default_rng(0).integers(0, 256, (batch * steps, 3, size, size)).astype("uint8")
    )

    @torch.compile
    def loss_of(images):
        with torch.autocast(device.type, torch.bfloat16):
            return model(images)

    def epoch() -> None:
        order = torch.randperm(len(pictures))
        for step in range(steps):
            rows = pictures[order[step * batch : (step + 1) * batch]]
            images = rows.to(device, non_blocking=True).float().div(255).contiguous(memory_format=torch.channels_last)
            optimizer.zero_grad(set_to_none=True)
            loss = loss_of(images)
            loss.backward()
            optimizer.step()
        loss.item()

    epoch()
    began = time.perf_counter()
    epoch()
    seconds = time.perf_counter() - began
    memory = torch.cuda.max_memory_allocated() if device.type == "cuda" else 0
    return {"rate": batch * steps / seconds, "memory": float(memory)}


def torch_conv(size: int):
    """`conv` as kvae builds it, and its loss at weight .1."""
    import torch
    from torch import nn

    from kvae.networks.blocks import DENSE_LATENTS, default_widths

    widths = default_widths((size, size, 3))
    bottom = size // 2 ** len(widths)

    class Conv(nn.Module):
        def __init__(self):
            super().__init__()
            channels, modules = 3, []
            for width in widths:
                modules += [nn.Conv2d(channels, width, 4, 2, 1), nn.ReLU()]
                channels = width
            self.trunk, features = nn.Sequential(*modules, nn.Flatten()), bottom * bottom * channels
            self.heads = nn.ModuleList(nn.Linear(features, DENSE_LATENTS) for _ in range(2))
            modules = [nn.Linear(DENSE_LATENTS, features), nn.ReLU(), nn.Unflatten(1, (channels, bottom, bottom))]
            for width in widths[-2::-1]:
                modules += [nn.ConvTranspose2d(channels, width, 4, 2, 1), nn.ReLU()]
                channels = width
            self.decoder = nn.Sequential(*modules, nn.ConvTranspose2d(channels, 3, 4, 2, 1))

        def forward(self, images):
            features = self.trunk(images)
            mean, log_var = (head(features).float() for head in self.heads)
            out = self.decoder(mean + torch.exp(0.5 * log_var) * torch.randn_like(mean)).float()
            rate = 0.5 * (mean**2 + log_var.exp() - 1 - log_var).sum(1)
            return (((images - out) ** 2).sum((1, 2, 3)) + 0.1 * rate).mean()

    return Conv()


def torch_spectral(size: int):
    """The default network as kvae builds it: a path in a cosine basis, and a conditioned correction on either side."""
    import math

    import torch
    from torch import nn
    from torch.nn import functional

    from kvae.images.spectrum import cosine_matrix, usual_spectrum
    from kvae.networks.blocks import default_widths
    from kvae.networks.spectral import CONDITION, INPUT_GAIN, LEVELS, LIMIT, STRENGTH, most_turned

    usual, widths = usual_spectrum((size, size, 3)), default_widths((size, size, 3), LEVELS)
    lead = most_turned(3 * size * size)

    class Block(nn.Module):
        def __init__(self, width):
            super().__init__()
            self.first, self.second = (nn.Conv2d(width, width, 3, padding=1) for _ in range(2))
            self.film = nn.Linear(CONDITION, 2 * width)
            nn.init.zeros_(self.second.weight)

        def forward(self, x, condition):
            scale, shift = self.film(condition)[:, :, None, None].chunk(2, 1)
            return x + self.second(functional.silu(self.first(x) * (1 + scale) + shift))

    class Correction(nn.Module):
        def __init__(self, widths):
            super().__init__()
            self.condition = nn.Sequential(
                nn.Linear(1, CONDITION), nn.Tanh(), nn.Linear(CONDITION, CONDITION), nn.SiLU()
            )
            sides = list(zip((3, *widths), widths, strict=False))
            self.down = nn.ModuleList(nn.Conv2d(one, other, 4, 2, 1) for one, other in sides)
            self.up = nn.ModuleList(nn.ConvTranspose2d(other, one, 4, 2, 1) for one, other in sides[:0:-1])
            self.blocks = nn.ModuleList(Block(width) for width in (*widths, *widths[-2::-1]))
            self.last = nn.ConvTranspose2d(widths[0], 3, 4, 2, 1)

        def forward(self, images, coordinate):
            condition, x, skips = self.condition(coordinate), INPUT_GAIN * (images - 0.5), []
            blocks = iter(self.blocks)
            for down in self.down:
                x = next(blocks)(functional.silu(down(x)), condition)
                skips.append(x)
            for up, skip in zip(self.up, skips[-2::-1], strict=True):
                x = next(blocks)(functional.silu(up(x) + skip), condition)
            return self.last(x).float()

    class Spectral(nn.Module):
        def __init__(self):
            super().__init__()
            self.encoder = Correction([width // 2 for width in widths])
            self.decoder = Correction(widths)
            constants = {
                "mean": usual.mean.transpose(2, 0, 1), "colours": usual.colours, "values": usual.eigenvalues,
                "cosines": cosine_matrix(size), "turn": torch.eye(lead).numpy(),
            }  # fmt: skip
            for name, value in constants.items():
                self.register_buffer(name, torch.tensor(value, dtype=torch.float32))
            order = torch.tensor(usual.order)[torch.tensor(usual.ranks)]
            self.register_buffer("order", order)
            self.register_buffer("back", torch.argsort(order))
            self.offset = nn.Parameter(torch.zeros(2, len(usual.eigenvalues)))

        def analysis(self, images):
            planes = torch.einsum("bchw,cd->bdhw", images - self.mean, self.colours)
            planes = self.cosines @ planes @ self.cosines.T
            rows = planes.flatten(1).T[self.order]
            return torch.cat([self.turn.T @ rows[:lead], rows[lead:]]).T

        def synthesis(self, coefficients):
            rows = coefficients.T
            rows = torch.cat([self.turn @ rows[:lead], rows[lead:]])[self.back]
            planes = self.cosines.T @ rows.T.reshape(-1, 3, size, size) @ self.cosines
            return torch.einsum("bdhw,cd->bchw", planes, self.colours) + self.mean

        def corrected(self, network, images, weight, level):
            left = torch.sqrt(torch.minimum(self.values, level).sum(1) / len(self.values))[:, None, None, None]
            change = network(images, torch.log10(10 * weight))
            return images + STRENGTH * left * LIMIT * torch.tanh(change / LIMIT)

        def forward(self, images):
            weight = 10 ** (-2 * torch.rand(len(images), 1, device=images.device))
            level = weight / 2
            corrected = self.corrected(self.encoder, images, weight, level)
            with torch.autocast(images.device.type, enabled=False):
                active = self.values > level
                above = torch.where(active, self.values - level, torch.ones_like(level))
                amplitude = torch.where(active, above.sqrt(), torch.zeros_like(level))
                mean = self.analysis(corrected) * amplitude / self.values
                log_var = torch.clamp(torch.log(level / self.values), max=0)
                log_var = log_var + active * 3 * torch.tanh((self.offset[0] + self.offset[1] * torch.log10(weight)) / 3)
                drawn = mean + torch.exp(0.5 * log_var) * torch.randn_like(mean)
                base = self.synthesis(amplitude * drawn)
            out = self.corrected(self.decoder, base, weight, level)
            rate = 0.5 * (mean**2 + log_var.exp() - 1 - log_var).sum(1)
            loss = ((images - out) ** 2).sum((1, 2, 3)) + weight[:, 0] * rate
            return (loss / loss.detach().clamp(min=math.e)).mean()

    return Spectral()


# ---------------------------------------------------------------------- a whole run


def whole_run(minutes: float, size: int, paintings: int, network: str = "spectral") -> None:
    """Train one model of all weights, and print what it reached on paintings that it never saw."""
    import numpy as np

    import kvae

    pictures = kvae.open_collection(count=paintings + OTHERS, size=size).read(range(paintings + OTHERS))
    with tempfile.TemporaryDirectory() as folder:
        run = kvae.train(
            pictures[:paintings],
            output=Path(folder, "model.keras"),
            kl_weight=(0.01, 1.0),
            size=size,
            minutes=minutes,
            network=network,
        )
    model, seen = run.model, pictures[paintings:]
    steps = run.history["step"][-1]
    print(f"{paintings} paintings at {size}x{size}, {minutes:g} minutes, {steps} steps; L of {len(seen)} others:")
    for weight in reversed(model.weight_range.reported):
        loss = float(np.mean(np.asarray(model.terms_at(seen, weight)[2])))
        print(f"{weight:7g} {loss:9.2f}", flush=True)


# ---------------------------------------------------------------------- all of it


def alone(*what: str) -> dict[str, float]:
    """What a process of its own prints as its last line."""
    found = subprocess.run([sys.executable, __file__, "--only", *what], capture_output=True, text=True)
    if found.returncode:
        raise SystemExit(f"gpu.py: {' '.join(what)} failed:\n{found.stderr[-2000:]}")
    return json.loads(found.stdout.splitlines()[-1])


MEASURES = {"kvae": kvae_speed, "torch": torch_speed, "roofline": lambda toy: roofline(toy == "True")}


def measured(what: str, *given: str) -> dict[str, float]:
    """One contender, in this process."""
    return MEASURES[what](*(int(one) if one.isdigit() else one for one in given))


def main(arguments: list[str] | None = None) -> None:
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--sizes", type=int, nargs="+", default=[64, 128, 256])
    made.add_argument("--batch", type=int, default=64)
    made.add_argument("--steps", type=int, default=60)
    made.add_argument("--minutes", type=float, default=5.0)
    made.add_argument("--toy", action="store_true")
    made.add_argument("--only", nargs="+", help=argparse.SUPPRESS)
    flags = made.parse_args(arguments)
    if flags.only:
        print(json.dumps(measured(*flags.only)))
        return
    sizes, batch, steps = ([16], 4, 2) if flags.toy else (flags.sizes, flags.batch, flags.steps)
    ceiling = alone("roofline", str(flags.toy))
    print(f"a product reaches {ceiling['flops'] / 1e12:.2f} TFLOP/s, a copy {ceiling['moved'] / 1e9:.1f} GB/s")
    has_torch = importlib.util.find_spec("torch") is not None
    print(f"{'':18} {'kvae/s':>9} {'torch/s':>9} {'ratio':>6} {'kvae GB':>8} {'torch GB':>9} {'of roofline':>12}")
    for network in ("spectral", "conv"):
        for size in sizes:
            given = (network, str(size), str(batch), str(steps))
            ours = alone("kvae", *given)
            theirs = alone("torch", *given) if has_torch else {"rate": float("nan"), "memory": float("nan")}
            least = max(ours["flops"] / ceiling["flops"], ours["moved"] / ceiling["moved"])
            print(
                f"{network:12} {size:5} {ours['rate']:9.0f} {theirs['rate']:9.0f} {ours['rate'] / theirs['rate']:6.2f} "
                f"{ours['memory'] / 1e9:8.2f} {theirs['memory'] / 1e9:9.2f} {least * ours['rate'] / batch:12.1%}",
                flush=True,
            )
    whole_run(*((0.02, 16, 24, "linear") if flags.toy else (flags.minutes, 64, PAINTINGS)))


if __name__ == "__main__":
    os.environ.setdefault("KERAS_BACKEND", "jax")
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    main()
