"""Every setting, declared once: its default, bound, unit and one sentence.

Command-line flags, the checks in constructors, the model card and the explorer's forms all read this table.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypedDict

Auto = Literal["auto"]
AUTO: Auto = "auto"  # asks for the value that is worked out
Value = bool | int | float | str | tuple[int, ...] | None


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting. `low` and `high` are inclusive.

    `default=None` means that a sensible value is worked out, which the word "auto" asks for too. `older` choices are
    those of models that were made when they were offered: such a model opens, decodes and trains on.
    """

    default: Value
    help: str
    kind: type = str  # of one value
    group: str = "training"
    low: float | None = None
    high: float | None = None
    unit: str = ""
    choices: tuple[str, ...] = ()
    older: tuple[str, ...] = ()
    many: bool = False  # holds a tuple of values
    span: bool = False  # may be a range of values, (low, high)


METHODS: dict[str, dict[str, str]] = {  # every method by its name, and where in kvae its class is
    "weighting": {
        "constant": "weighting.base.Constant",
        "warm-up": "weighting.warm_up.WarmUp",
        "cyclical": "weighting.cyclical.Cyclical",
        "capacity": "weighting.capacity.Capacity",
        "free-bits": "weighting.free_bits.FreeBits",
        "pi": "weighting.pi.ProportionalIntegral",
        "geco": "weighting.geco.Geco",
        "calibrated": "weighting.calibrated.Calibrated",
        "learned": "weighting.calibrated.Learned",
    },
    "rate": {
        "diagonal": "objectives.base.Diagonal",
        "full": "objectives.full.FullCovariance",
        "tc": "objectives.total_correlation.TotalCorrelation",
        "mmd": "objectives.mmd.InfoVae",
        "dip-i": "objectives.dip.DipOne",
        "dip-ii": "objectives.dip.DipTwo",
        "bn": "objectives.batch_norm.BatchNormalised",
        "delta": "objectives.delta.CommittedRate",
    },
}
NETWORK_HOMES = {  # every network by its name, and where in kvae it is described
    "spectral": "networks.spectral.SPECTRAL",
    "conv": "networks.conv.CONV",
    "residual": "networks.conv.RESIDUAL",
    "linear": "networks.spectral.LINEAR",
    "hybrid": "networks.hybrid.HYBRID",
    "principal": "networks.principal.PRINCIPAL",
}
OLDER_NETWORKS = ("hybrid", "principal")  # of models that were made when these were offered
SETTINGS: dict[str, Setting] = {
    # pictures
    "data": Setting(
        "paintings",
        "what to train on: a folder of pictures, an HDF5 file with `images`, a .npy or .npz file, "
        "or `paintings`, the built-in ones",
        group="pictures",
    ),
    "size": Setting(64, "height and width of a picture", int, "pictures", 16, 512, "pixels"),
    "crop": Setting(
        "square",
        "how a picture becomes square: cut the centre out, pad the short side, or stretch",
        group="pictures",
        choices=("square", "pad", "stretch"),
    ),
    "follow_links": Setting(
        False, "follow links in the folder to pictures and folders outside it, too", bool, "pictures"
    ),
    "augment": Setting(True, "show flipped, cropped and gently recoloured variants of the pictures", bool, "pictures"),
    "validation": Setting(0.1, "share of the pictures that is held out to measure on", float, "pictures", 0.01, 0.5),
    # model
    "kl_weight": Setting(
        0.1,
        "the weight beta in L = D + beta R: how strongly to smooth the latent space. "
        "It is the decoder's noise: beta = 2 sigma squared. A range such as 0.01..1 trains one model for every weight "
        "in it",
        float,
        "model",
        0.0,
        1e6,
        "squared error per nat",
        span=True,
    ),
    "latent_dim": Setting(
        None,
        "number of latent dimensions; by default as many as the lowest weight keeps in use in the networks spectral "
        "and linear, where they cost nothing, at most 12292, and 128 in the others",
        int,
        "model",
        1,
        16384,
    ),
    "network": Setting(
        "spectral",
        "spectral: the closed-form linear VAE over frequencies, put right by two small convolutional networks that "
        "know the weight, sharp from the first step; conv: plain stride-2 convolutions; residual: the same with "
        "residual blocks; linear: the closed form alone, fitted in seconds",
        group="model",
        choices=tuple(name for name in NETWORK_HOMES if name not in OLDER_NETWORKS),
        older=OLDER_NETWORKS,
    ),
    "widths": Setting(
        None,
        "channels of each level; each level halves the picture. By default 32 64 128 256 ... until it is 4 pixels "
        "small, in spectral 32 64 128",
        int,
        "model",
        1,
        2048,
        many=True,
    ),
    "depth": Setting(
        None,
        "residual blocks a level; by default 1",
        int,
        "model",
        0,
        8,
    ),
    "autoencoder": Setting(
        False,
        "the control of the question: the same layers as a plain autoencoder, no sampling and no KL",
        bool,
        "model",
    ),
    # weighting: how the KL weight is set over time
    "weighting": Setting(
        "constant",
        "how the KL weight is set over time: constant; warm-up and cyclical let it rise; capacity and pi hold the "
        "rate, geco the distortion; free-bits leaves each latent a little for nothing; calibrated and learned follow "
        "the error",
        group="weighting",
        choices=tuple(METHODS["weighting"]),
    ),
    "ramp": Setting("linear", "how warm-up rises", group="weighting", choices=("linear", "logistic")),
    "ramp_steps": Setting(
        None,
        "steps until warm-up has risen, all cycles are over, or the capacity is whole; "
        "by default 5000, 20000 and 100000, or what fits into the run where that is shorter",
        int,
        "weighting",
        1,
        10**7,
        "steps",
    ),
    "cycles": Setting(4, "how many times cyclical rises", int, "weighting", 1, 10**4),
    "cycle_ramp": Setting(0.5, "share of a cycle in which cyclical rises", float, "weighting", 0.01, 1.0),
    "capacity": Setting(25.0, "the rate that capacity leads to", float, "weighting", 0.0, 1e5, "nats"),
    "capacity_weight": Setting(
        1000.0,
        "how hard capacity holds the rate: the gamma of gamma |R - C|",
        float,
        "weighting",
        1e-6,
        1e9,
        "squared error per nat",
    ),
    "free_bits": Setting(
        0.25, "what free-bits leaves each latent for nothing", float, "weighting", 0.0, 100.0, "nats per latent"
    ),
    "target_rate": Setting(200.0, "the rate that pi holds", float, "weighting", 0.0, 1e5, "nats"),
    "proportional_gain": Setting(
        0.01, "how pi answers to the present error, K_p", float, "weighting", 0.0, 1e6, "squared error per nat"
    ),
    "integral_gain": Setting(
        1e-4, "how pi answers to the sum of errors, K_i", float, "weighting", 0.0, 1e6, "squared error per squared nat"
    ),
    "lowest_weight": Setting(
        0.0, "pi goes no lower than this weight", float, "weighting", 0.0, 1e6, "squared error per nat"
    ),
    "highest_weight": Setting(
        1.0, "pi goes no higher than this weight", float, "weighting", 1e-9, 1e6, "squared error per nat"
    ),
    "target_distortion": Setting(
        40.0, "the distortion D that geco holds, summed over a picture", float, "weighting", 1e-6, 1e9, "squared error"
    ),
    "constraint_rate": Setting(
        0.01, "how fast geco turns the weight, per step and per relative error", float, "weighting", 1e-9, 10.0
    ),
    "averaging": Setting(
        0.99, "how much of geco's moving average of the error stays in a step", float, "weighting", 0.0, 0.999999
    ),
    # objective: what the rate and the distortion are
    "rate": Setting(
        "diagonal",
        "the rate: diagonal; full covariance; tc, mmd, dip-i and dip-ii add a term about all latents together; "
        "bn and delta keep the rate from falling to zero",
        group="objective",
        choices=tuple(METHODS["rate"]),
    ),
    "likelihood": Setting(
        "squared-error",
        "what the optimizer sees as distortion: squared-error; laplace, the absolute error; bernoulli, the "
        "cross-entropy. The logged D is the squared error always",
        group="objective",
        choices=("squared-error", "laplace", "bernoulli"),
    ),
    "tc_weight": Setting(6.0, "how tc weights the total correlation within the rate", float, "objective", 0.0, 1e6),
    "information": Setting(
        0.0, "how much of the rate mmd takes away in favour of information, alpha", float, "objective", -100.0, 1.0
    ),
    "mmd_weight": Setting(
        1000.0, "how mmd weights the discrepancy from the prior, lambda", float, "objective", 0.0, 1e9, "nats"
    ),
    "dip_weight": Setting(
        10.0, "how dip-i and dip-ii weight the covariance off the diagonal", float, "objective", 0.0, 1e6, "nats"
    ),
    "bn_scale": Setting(0.6, "deviation of the posterior means that bn holds", float, "objective", 1e-3, 100.0),
    "committed_rate": Setting(
        5.0, "the rate that delta never falls below, over all latents", float, "objective", 1e-6, 1e5, "nats"
    ),
    # training
    "epochs": Setting(
        None, "passes over the pictures; by default as many as make about 2000 steps", int, "training", 1, 10**6
    ),
    "minutes": Setting(
        None, "train for this long instead of for a number of epochs", float, "training", 0.01, 1e5, "minutes"
    ),
    "batch_size": Setting(
        None,
        "pictures in one step; by default 64, in spectral 32, or fewer where there are few pictures, so that an "
        "epoch has several steps",
        int,
        "training",
        1,
        4096,
    ),
    "learning_rate": Setting(
        None,
        "Adam's peak step size; it warms up and falls to zero along a cosine. By default 0.001, in spectral 0.002, of "
        "which convolutions take four times as much with Muon",
        float,
        "training",
        1e-8,
        1.0,
    ),
    "seed": Setting(0, "makes a run repeatable", int, "training", 0, 2**31 - 1),
    "balance_every": Setting(
        None,
        "steps from one measurement of the gradient balance to the next; 0 never measures it. "
        "By default as often as 3% of the time of training allows",
        int,
        "training",
        0,
        10**7,
        "steps",
    ),
    "device": Setting("auto", "where to compute", group="training", choices=("auto", "cpu", "gpu")),
    "devices": Setting(
        None,
        "GPUs of this machine that share every batch; by default all there are, or one CPU",
        int,
        "training",
        1,
        1024,
    ),
    "precision": Setting(
        "auto",
        "arithmetic inside the networks; heads, sampling and losses are float32 always. "
        "auto: mixed_bfloat16 with TensorFlow on a CPU that has instructions for it, where it is a third faster, and "
        "float32 elsewhere",
        group="training",
        choices=("auto", "float32", "mixed_float16", "mixed_bfloat16"),
    ),
}


class MethodSettings(TypedDict, total=False):
    """The settings of weightings and rates as keywords, so that type checkers know them; held to SETTINGS by a test."""

    ramp: str
    ramp_steps: int | Auto | None
    cycles: int
    cycle_ramp: float
    capacity: float
    capacity_weight: float
    free_bits: float
    target_rate: float
    proportional_gain: float
    integral_gain: float
    lowest_weight: float
    highest_weight: float
    target_distortion: float
    constraint_rate: float
    averaging: float
    tc_weight: float
    information: float
    mmd_weight: float
    dip_weight: float
    bn_scale: float
    committed_rate: float


class SweepSettings(MethodSettings, total=False):
    """The keywords of a sweep, whose runs differ in their `kl_weight`."""

    size: int
    crop: str
    follow_links: bool
    augment: bool
    validation: float
    latent_dim: int | Auto | None
    network: str
    widths: tuple[int, ...] | None
    depth: int | Auto | None
    epochs: int | Auto | None
    minutes: float | Auto | None
    batch_size: int | Auto | None
    learning_rate: float | Auto | None
    seed: int
    balance_every: int | Auto | None
    device: str
    devices: int | Auto | None
    precision: str


class RunSettings(SweepSettings, total=False):
    """The keywords of a run."""

    kl_weight: float | tuple[float, float] | str
    autoencoder: bool


def default(name: str) -> Any:
    """The default of the setting `name`, for whoever takes it as an argument."""
    return SETTINGS[name].default


def check(name: str, value: Any, owner: str = "kvae", *, one: bool = False) -> Any:
    """`value` of the setting `name`, made its kind and held to its bounds.

    A setting that may be a range takes (low, high), or "low..high", unless it is to be `one` value.

    Raises:
        ValueError: one sentence that names the owner, the rule and what was received.
    """
    setting = SETTINGS[name]
    if setting.default is None and (value is None or (isinstance(value, str) and value == AUTO and not setting.many)):
        return None
    if setting.span and not one and (ends := _ends(value)):
        low, high = (_check_one(name, setting, end, owner) for end in ends)
        if not 0.0 < low < high:
            raise ValueError(
                f"{owner}: `{name}` must be a number, or a range from one above 0 to a larger one, such as 0.01..1. "
                f"Received: {name}={value!r}."
            )
        return low, high
    if setting.many:
        values = tuple(value) if isinstance(value, Iterable) and not isinstance(value, str) else (value,)
        if not values:
            raise ValueError(f"{owner}: `{name}` needs at least one value. Received: {name}={value!r}.")
        return tuple(_check_one(name, setting, one, owner) for one in values)
    return _check_one(name, setting, value, owner)


def _ends(value: Any) -> tuple[Any, Any] | None:
    """The two ends of a range, or None where `value` is none."""
    parts = value.split("..") if isinstance(value, str) else value
    return tuple(parts) if isinstance(parts, (tuple, list)) and len(parts) == 2 else None


def _check_one(name: str, setting: Setting, value: Any, owner: str) -> Any:
    if setting.choices and value not in (*setting.choices, *setting.older):
        raise ValueError(f"{owner}: `{name}` must be one of {', '.join(setting.choices)}. Received: {name}={value!r}.")
    if setting.kind is bool:
        # any word is true to Python, also "false"
        if value not in (True, False):
            raise ValueError(f"{owner}: `{name}` must be True or False. Received: {name}={value!r}.")
        return bool(value)
    if setting.kind is str:
        return value
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    low, high = setting.low, setting.high
    inside = math.isfinite(number) and (low is None or number >= low) and (high is None or number <= high)
    if isinstance(value, bool) or not inside or (setting.kind is int and number != int(number)):
        what = "a whole number" if setting.kind is int else "a number"
        unit = f" {setting.unit}" if setting.unit else ""
        raise ValueError(
            f"{owner}: `{name}` must be {what} from {low:g} to {high:g}{unit}. Received: {name}={value!r}."
        )
    return setting.kind(number)


def checked(values: Mapping[str, Any], owner: str = "kvae", groups: Iterable[str] = ()) -> dict[str, Any]:
    """Every setting (of `groups`, or all), from `values` where given and from its default elsewhere.

    Raises:
        ValueError: an unknown name, or a value outside its bounds.
    """
    wanted = set(groups)
    names = [name for name, setting in SETTINGS.items() if not wanted or setting.group in wanted]
    unknown = sorted(set(values) - set(names))
    if unknown:
        raise ValueError(f"{owner}: no setting is called `{unknown[0]}`. Known: {', '.join(names)}.")
    return {name: check(name, values.get(name, SETTINGS[name].default), owner) for name in names}
