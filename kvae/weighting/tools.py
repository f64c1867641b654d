"""Weights of other tools as ours, one line of data each: `kvae-weight`, `kvae.kl_weight_from` and docs/weights.md.

N is the number of values of a picture (height·width·channels), C of its channels, k of latents; w is the tool's weight,
SE the squared error summed over a picture with pixels in [0, 1], KL the divergence summed over the latents, in nats. A
tool's loss, multiplied until SE stands alone, is our D + β·R.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

Sizes = Mapping[str, int]  # by name: values, channels, latents; examples, batch, weights


@dataclass(frozen=True)
class Tool:
    """A tool, or a way to reduce a loss.

    `weight` is what it calls its weight, `loss` what it minimises, `factor` our β in its terms; `convert` computes it
    from the weight and the sizes that it `needs`. Where `likelihood` is bernoulli the result is the weight of that
    likelihood, since no factor turns cross-entropy into squared error. Without `convert`, pictures are needed too. In
    `BAYESIAN` the result is λ, of which 1 is Bayes.
    """

    weight: str
    loss: str
    factor: str
    convert: Callable[[float, Sizes], float] | None
    needs: tuple[str, ...] = ()
    likelihood: str = "squared-error"
    remark: str = ""
    source: str = ""


TOOLS: dict[str, Tool] = {
    "sum": Tool("w", "SE + w·KL", "w", lambda w, size: w, source="kvae itself"),
    "half-sum": Tool("w", "½·SE + w·KL", "2w", lambda w, size: 2.0 * w, source="half-SSE; a Gaussian of variance 1"),
    "mean": Tool("w", "SE/N + w·KL", "w·N", lambda w, size: w * size["values"], ("values",), source="mean and sum"),
    "mean-mean": Tool(
        "w",
        "SE/N + w·KL/k",
        "w·N/k",
        lambda w, size: w * size["values"] / size["latents"],
        ("values", "latents"),
        source="mean and mean",
    ),
    "mean-channels": Tool(
        "w",
        "SE/C + w·KL",
        "w·C",
        lambda w, size: w * size["channels"],
        ("channels",),
        source="Keras's mean over the last axis, summed over height and width",
    ),
    "bce": Tool(
        "w",
        "BCE + w·KL",
        "none; w under --likelihood bernoulli",
        lambda w, size: w,
        likelihood="bernoulli",
        source="cross-entropy summed over a picture",
    ),
    "sigma": Tool(
        "σ", "SE/(2σ²) + KL", "2σ²", lambda w, size: 2.0 * w * w, source="the noise of a Gaussian decoder, σ-VAE"
    ),
    "bits-per-dim": Tool(
        "rate",
        "a rate of KL/(N·ln 2) bits",
        "where the Gaussian limit has that rate",
        None,
        source="a target; asks --data",
    ),
    "pytorch-vae": Tool(
        "kld_weight",
        "SE/N + w·KL",
        "w·N",
        lambda w, size: w * size["values"],
        ("values",),
        remark="Its validation uses weight 1, another objective: {values:,} in ours. Versions with pixels from -1 to 1 "
        "have a quarter of it.",
        source="AntixK/PyTorch-VAE, models/vanilla_vae.py",
    ),
    "pythae": Tool(
        "beta",
        "½·SE + w·KL",
        "2w",
        lambda w, size: 2.0 * w,
        remark="Versions without the ½ before the squared error are `sum`.",
        source="clementchadebec/benchmark_VAE, models/beta_vae",
    ),
    "disent": Tool(
        "beta",
        "SE/N + w·KL/k",
        "w·N/k",
        lambda w, size: w * size["values"] / size["latents"],
        ("values", "latents"),
        remark="With its loss_reduction='mean_sum' it is `sum`.",
        source="nmichlo/disent, frameworks/vae",
    ),
    "keras-example": Tool(
        "1",
        "BCE/C + w·KL",
        "none; w·C under --likelihood bernoulli",
        lambda w, size: w * size["channels"],
        ("channels",),
        likelihood="bernoulli",
        source="keras.io, examples/generative/vae.py",
    ),
    "keras-book": Tool(
        "5e-4",
        "BCE/N + 2w·KL/k",
        "none; 2w·N/k under --likelihood bernoulli",
        lambda w, size: 2.0 * w * size["values"] / size["latents"],
        ("values", "latents"),
        likelihood="bernoulli",
        remark="Its -5e-4·mean(1 + log_var - ...) lacks the half of the KL and has its mean.",
        source="Chollet, Deep Learning with Python, first edition",
    ),
    "keras-book-mse": Tool(
        "5e-4",
        "SE/N + 2w·KL/k",
        "2w·N/k",
        lambda w, size: 2.0 * w * size["values"] / size["latents"],
        ("values", "latents"),
        source="the same with mean_squared_error in place of cross-entropy",
    ),
    "compressai": Tool(
        "λ",
        "λ·255²·SE/N + bits/(pixel)",
        "C/(λ·255²·ln 2)",
        lambda w, size: size["channels"] / (w * 255.0**2 * math.log(2.0)),
        ("channels",),
        remark="Here a larger weight is a smaller β.",
        source="InterDigitalInc/CompressAI, losses/rate_distortion.py",
    ),
    "qarv": Tool(
        "λ",
        "KL/N + λ·4·SE/N",
        "1/(4λ)",
        lambda w, size: 1.0 / (4.0 * w),
        remark="Here a larger weight is a smaller β; its pixels run from -1 to 1, hence the 4.",
        source="duanzhiihao/lossy-vae, models/qarv",
    ),
}


# M is the number of examples, B of those in a batch, P of the weights of one layer; NLL is the mean over a batch
BAYESIAN: dict[str, Tool] = {
    "tfp": Tool(
        "the factor of the KL",
        "NLL + w·KL",
        "w·M",
        lambda w, size: w * size["examples"],
        ("examples",),
        remark="Its layers add the whole KL unless kernel_divergence_fn divides it by the number of examples.",
        source="TensorFlow Probability, DenseReparameterization and DenseFlipout",
    ),
    "blitz": Tool(
        "complexity_cost_weight",
        "NLL + w·KL",
        "w·M",
        lambda w, size: w * size["examples"],
        ("examples",),
        remark="Its default of 1 counts the KL once for every example.",
        source="piEsposito/blitz-bayesian-deep-learning, sample_elbo",
    ),
    "torchbnn": Tool(
        "the factor before BKLLoss",
        "NLL + w·KL/P",
        "w·M/P",
        lambda w, size: w * size["examples"] / size["weights"],
        ("examples", "weights"),
        remark="With reduction='mean' P counts the weights of the whole network; with 'sum' it is `tfp`.",
        source="Harry24k/bayesian-neural-network-pytorch, BKLLoss",
    ),
    "bayesian-torch": Tool(
        "the factor before get_kl_loss",
        "NLL + w·Σ KL of a layer/(B·P)",
        "w·M/(B·P), another for each layer",
        lambda w, size: w * size["examples"] / (size["batch"] * size["weights"]),
        ("examples", "batch", "weights"),
        remark="Each layer's KL is a mean over its own weights: one with ten times the weights has a tenth of λ.",
        source="IntelLabs/bayesian-torch, layers/base_variational_layer.py",
    ),
    "laplace-torch": Tool(
        "temperature",
        "a Gaussian around the best weights, of the likelihood to the power 1/w",
        "w",
        lambda w, size: w,
        source="aleximmer/Laplace, temperature",
    ),
}


def markdown(tools: Mapping[str, Tool] = TOOLS, ours: str = "β") -> str:
    """The tables of docs/weights.md."""
    rows = [f"| `--from` | its weight w | it minimises | our {ours} | source |", "|---|---|---|---|---|"]
    for name, tool in tools.items():
        rows.append(f"| `{name}` | {tool.weight} | {tool.loss} | {tool.factor} | {tool.source} |")
    return "\n".join(rows)
