"""What a `.keras` file of kvae says of its model, read as a stranger's: settings within their bounds, and nothing else.

Nothing here builds a model or imports Keras, so that a program can look at a file before either is there.
"""

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from kvae.files.archive import MOST_BYTES, Archive, as_path, open_regular
from kvae.files.refusal import Refused
from kvae.files.strict_json import parse
from kvae.settings import SETTINGS, check

STARTER = Path(__file__).resolve().parent.parent.joinpath("starter.keras").resolve()  # the model in the box
FORMAT = 2  # of the settings in a file, said by those above 1 as "format"; for what an older kvae would misread
CONFIG, METADATA, WEIGHTS, CARD = "config.json", "metadata.json", "model.weights.h5", "assets/card.json"
MOST_CONFIG, MOST_CARD = 4 << 20, 12 << 20
CONFIG_NODES, CARD_NODES = 100_000, 800_000
MOST_TIMES, SLACK = 4, 1 << 20  # that deflated weights unpack to, of the size of their file
MOST_STEPS = 2**31 - 1  # of a run: years of the fastest
MOST_SIDE = 4096  # pixels
MOST_LEVELS = 12  # 4096 halved to one pixel
REGISTERED, BAYESIAN = "kvae>VAE", "kvae>BayesianModel"
CUSTOM_PARTS = ("encoder", "decoder")  # in a model with custom networks, these are their configs
CUSTOM_METHODS = ("weighting", "rate", "likelihood")  # and these a name, or the config of a custom method
CURE = "Open a file that kvae saved."
NOT_OURS = "was not made by kvae. kvae reads the .keras files that it saved; train one with kvae-train."
NEEDS_TRUST = "holds parts that are not kvae's own and can run any code. If you trust it: kvae.load(path, trust=True)."

_ALLOWED = {CONFIG: MOST_CONFIG, METADATA: MOST_CONFIG, WEIGHTS: MOST_BYTES, CARD: MOST_CARD}
_TOP = {"module", "class_name", "config", "registered_name", "compile_config", "build_config", "shared_object_id"}
_NAME = re.compile(r"[^\x00-\x1f/\\\x7f]{1,64}")
_REQUIRED = {"latent_dim", "kl_weight"}  # of every model; one of kvae's own networks says its image_shape too
_NOT_OF_A_MODEL = ("pictures", "training")  # groups of settings; of the second only the seed is one
_MUCH = 1e12
# name of each setting of Adam: kind, bounds, and whether it may be absent
Bounds = dict[str, tuple[type, float, float, bool]]
_ADAM: Bounds = {
    "learning_rate": (float, 0.0, 1e3, False),
    "weight_decay": (float, 0.0, 1.0, True),
    "clipnorm": (float, 0.0, _MUCH, True),
    "global_clipnorm": (float, 0.0, _MUCH, True),
    "clipvalue": (float, 0.0, _MUCH, True),
    "use_ema": (bool, 0, 1, False),
    "ema_momentum": (float, 0.0, 1.0, False),
    "ema_overwrite_frequency": (int, 1, 10**9, True),
    "loss_scale_factor": (float, 1e-30, 1e30, True),
    "gradient_accumulation_steps": (int, 2, 10**6, True),
    "beta_1": (float, 0.0, 0.9999999, False),
    "beta_2": (float, 0.0, 0.9999999, False),
    "epsilon": (float, 0.0, 1.0, False),
    "amsgrad": (bool, 0, 1, False),
}
_SCALING: Bounds = {
    "initial_scale": (float, 1e-30, 1e30, False),
    "dynamic_growth_steps": (int, 1, 10**9, False),
}
_RATE, _STEPS = (float, 0.0, 1e3, False), (float, 1e-9, _MUCH, False)
# the schedules of Keras for a learning rate, with their settings as above; lists are read by `_schedule`
_SCHEDULES: dict[str, Bounds] = {
    "CosineDecay": {
        "initial_learning_rate": _RATE,
        "decay_steps": _STEPS,
        "alpha": _RATE,
        "warmup_target": (float, 0.0, 1e3, True),
        "warmup_steps": (float, 0.0, _MUCH, False),
    },
    "CosineDecayRestarts": {
        "initial_learning_rate": _RATE,
        "first_decay_steps": _STEPS,
        "t_mul": (float, 1e-3, 1e3, False),
        "m_mul": _RATE,
        "alpha": _RATE,
    },
    "ExponentialDecay": {
        "initial_learning_rate": _RATE,
        "decay_steps": _STEPS,
        "decay_rate": _RATE,
        "staircase": (bool, 0, 1, False),
    },
    "InverseTimeDecay": {
        "initial_learning_rate": _RATE,
        "decay_steps": _STEPS,
        "decay_rate": _RATE,
        "staircase": (bool, 0, 1, False),
    },
    "PiecewiseConstantDecay": {},
    "PolynomialDecay": {
        "initial_learning_rate": _RATE,
        "decay_steps": _STEPS,
        "end_learning_rate": _RATE,
        "power": _RATE,
        "cycle": (bool, 0, 1, False),
    },
}
MOST_PIECES = 1000  # of a piecewise constant learning rate
MOST_FROZEN = 10_000  # layers, each by a path of so many characters at most:
MOST_OF_PATH = 1000


@dataclass(frozen=True)
class Schedule:
    """One of Keras's schedules for a learning rate, by the name of its class, and its settings."""

    kind: str
    settings: dict[str, Any]


@dataclass(frozen=True)
class Optimizer:
    """Settings of Adam, whose learning rate may be a `Schedule`,
    and of the loss scaling around it where there is one."""

    adam: dict[str, Any]
    scaling: dict[str, Any] | None = None


@dataclass(frozen=True)
class Description:
    """A model as its file describes it. `custom` says that only Keras's own loader can build it."""

    config: dict[str, Any]
    card: dict[str, Any] | None = None
    optimizer: Optimizer | None = None
    custom: bool = False
    weights_size: int = 0  # bytes of the weights, as declared
    owner: str = REGISTERED  # the name under which Keras knows the class


@contextmanager
def opened(path: str | os.PathLike[str], *, trust: bool = False) -> Iterator[tuple[Description, Archive]]:
    """The description in the file at `path`, and the archive to read the weights from.

    With `trust` a model of another class is given too, `custom`: whoever opens it asks whether the class is a VAE.

    Raises:
        Refused: a file that is no model of kvae, or one outside its bounds.
        OSError: no such file, or it may not be read.
    """
    with open_regular(as_path(path)) as file:
        yield _read(file, trust)


def _read(file: BinaryIO, trust: bool) -> tuple[Description, Archive]:
    archive = Archive(file, allowed=_ALLOWED, most_bytes=MOST_BYTES, most_members=100)
    config = parse(archive.read(CONFIG), most_nodes=CONFIG_NODES)
    owner = _owner(config, trust)
    if METADATA in archive.sizes:
        parse(archive.read(METADATA), most_nodes=100)
    card = parse(archive.read(CARD), most_nodes=CARD_NODES) if CARD in archive.sizes else None
    if card is not None and not isinstance(card, dict):
        raise Refused(f"holds a card that is no table. {CURE}")
    size = archive.sizes.get(WEIGHTS, 0)
    if size > MOST_TIMES * os.fstat(file.fileno()).st_size + SLACK:
        raise Refused(
            f"holds weights that unpack to over {MOST_TIMES} times its size. Save it again without compression."
        )
    given = config.get("config")
    if isinstance(given, dict) and (owner != REGISTERED or _has_custom_parts(given)):
        _check_format(given)
        return Description(given, card, custom=True, weights_size=size, owner=owner), archive
    optimizer = read_optimizer(config.get("compile_config"))
    custom = optimizer == "custom"
    return (
        Description(
            read_settings(given), card, None if isinstance(optimizer, str) else optimizer, custom, weights_size=size
        ),
        archive,
    )


def _has_custom_parts(given: dict[str, Any]) -> bool:
    """Whether a model with the settings `given` holds networks or methods that are not kvae's own."""
    networks = any(part in given for part in CUSTOM_PARTS)
    return networks or any(isinstance(given.get(part), dict) for part in CUSTOM_METHODS)


def _owner(config: Any, trust: bool) -> str:
    """The name under which Keras knows the class of the model in `config`: kvae's, or with `trust` that of another."""
    if not isinstance(config, dict) or set(config) - _TOP:
        raise Refused(NOT_OURS)
    owner, module, kind = (str(config.get(key)) for key in ("registered_name", "module", "class_name"))
    if owner == REGISTERED:
        if kind != "VAE" or not module.startswith("kvae."):
            raise Refused(NOT_OURS)
        return owner
    if owner == BAYESIAN:
        raise Refused("is a network of kvae.bayes, with layers of its user's. keras.models.load_model opens it.")
    given = config.get("config")
    settings = isinstance(given, dict) and set(given) >= _REQUIRED
    if trust and isinstance(given, dict):
        return owner if config.get("registered_name") else kind
    raise Refused(NEEDS_TRUST if settings and not module.startswith("keras") else NOT_OURS)


def read_settings(given: Any) -> dict[str, Any]:
    """The settings that a file gives, each within its bounds.

    Raises:
        Refused: an unknown one, or one outside its bounds.
    """
    if not isinstance(given, dict):
        raise Refused(f"has no settings. {CURE}")
    _check_format(given)
    given = in_this_format(given)
    known = {name for name, setting in SETTINGS.items() if setting.group not in _NOT_OF_A_MODEL} | {"seed"}
    unknown = sorted(set(given) - known - {"image_shape", "dtype", "name", "trainable"})
    if unknown:
        raise Refused(f"has a setting that this kvae does not know, {unknown[0][:20]!r}. Update kvae. {CURE}")
    missing = sorted(name for name in {"image_shape"} | _REQUIRED if given.get(name) is None)
    if missing:
        raise Refused(f"lacks the setting {missing[0]}. {CURE}")
    settings = {name: hold_setting(name, value) for name, value in given.items() if name in known}
    settings["image_shape"] = _image_shape(given["image_shape"])
    settings["name"] = _name(given.get("name", "vae"))
    settings["dtype"] = given.get("dtype", "float32")
    if settings["dtype"] == "auto" or settings["dtype"] not in SETTINGS["precision"].choices:
        raise Refused(f"wants an arithmetic that kvae does not use. {CURE}")
    if "trainable" in given:
        settings["trainable"] = _trainable(given["trainable"])
    return settings


def _trainable(value: Any) -> dict[str, bool]:
    """Which layers are trained, by their paths; that the model has them is found out when it is laid out."""
    table = value if isinstance(value, dict) else {}
    fits = all(len(path) <= MOST_OF_PATH and type(state) is bool for path, state in table.items())
    if not fits or not 0 < len(table) <= MOST_FROZEN:
        raise Refused(f"does not say which of its layers are frozen. {CURE}")
    return table


def in_this_format(given: Mapping[str, Any]) -> dict[str, Any]:
    """Settings of any format as this kvae reads them: what the first calls `linear` is the network `principal` now."""
    settings = {name: value for name, value in given.items() if name != "format"}
    if given.get("format", 1) < 2 and given.get("network") == "linear":
        settings["network"] = "principal"
    return settings


def _check_format(given: Mapping[str, Any]) -> None:
    number = given.get("format", 1)
    if type(number) is not int or number < 1:
        raise Refused(f"does not say its format. {CURE}")
    if number > FORMAT:
        raise Refused(f"has format {min(number, 10**6)} and needs a newer kvae. Update kvae and open it again.")


def hold_setting(name: str, value: Any) -> Any:
    """The value that a file gives the setting `name`, within its bounds.

    Raises:
        Refused: it is not.
    """
    many = isinstance(value, list)
    most = MOST_LEVELS if SETTINGS[name].many else 2 if SETTINGS[name].span else 0
    if many and not 0 < len(value) <= most:
        raise Refused(f"gives no value that can be for the setting {name}. {CURE}")
    for one in value if many else [value]:
        if one is not None and type(one) not in (bool, int, float, str):
            raise Refused(f"gives no value that can be for the setting {name}. {CURE}")
    try:
        return check(name, value)
    except (ValueError, TypeError, OverflowError):
        setting = SETTINGS[name]
        bounds = "" if setting.low is None or setting.high is None else f", {setting.low:g} to {setting.high:g}"
        raise Refused(f"gives the setting {name} a value outside its bounds{bounds}. {CURE}") from None


def _image_shape(value: Any) -> tuple[int, int, int]:
    sides = value if isinstance(value, list) else []
    if len(sides) != 3 or any(type(side) is not int or not 1 <= side <= MOST_SIDE for side in sides):
        raise Refused(f"is for pictures whose sides are not from 1 to {MOST_SIDE} pixels. {CURE}")
    return sides[0], sides[1], sides[2]


def _name(value: Any) -> str:
    if not isinstance(value, str) or not _NAME.fullmatch(value) or ".." in value:
        raise Refused(f"gives its model a name that cannot be. {CURE}")
    return value


def read_optimizer(given: Any) -> Optimizer | str | None:
    """The optimizer that a file gives: Adam, alone or within loss scaling; "custom" for any other.

    Raises:
        Refused: Adam, with settings outside their bounds.
    """
    if given is None:
        return None
    if not isinstance(given, dict) or set(given) != {"optimizer"}:
        raise Refused(f"was compiled in a way that kvae does not use. {CURE}")
    outer = _kind(given["optimizer"])
    if outer == "LossScaleOptimizer":
        config = dict(given["optimizer"]["config"])
        inner = config.pop("inner_optimizer", None)
        adam = _adam(inner["config"]) if _kind(inner) == "Adam" else None
        return "custom" if adam is None else Optimizer(adam, _bounded(config, _SCALING))
    adam = _adam(given["optimizer"]["config"]) if outer == "Adam" else None
    return "custom" if adam is None else Optimizer(adam)


def _adam(config: Mapping[str, Any]) -> dict[str, Any] | None:
    """Adam's settings; None where its learning rate is somebody's own function of the step."""
    rate = config.get("learning_rate")
    if not isinstance(rate, dict):
        return _bounded(config, _ADAM)
    kind = _kind(rate, "keras.optimizers.schedules")
    if kind not in _SCHEDULES:
        return None
    settings = _bounded({name: value for name, value in config.items() if name != "learning_rate"}, _ADAM)
    return {**settings, "learning_rate": _schedule(kind, dict(rate["config"]))}


def _schedule(kind: str, config: dict[str, Any]) -> Schedule:
    lists = {}
    for name in ("boundaries", "values") if kind == "PiecewiseConstantDecay" else ():
        given = config.pop(name, None)
        if not isinstance(given, list) or not 0 < len(given) <= MOST_PIECES:
            raise Refused(f"gives its learning rate pieces that cannot be. {CURE}")
        bounds: Bounds = {str(number): (float, 0.0, _MUCH, False) for number in range(len(given))}
        lists[name] = list(_bounded({str(number): one for number, one in enumerate(given)}, bounds).values())
    return Schedule(kind, {**lists, **_bounded(config, _SCHEDULES[kind])})


def _kind(given: Any, home: str = "keras.optimizers") -> str:
    """The class of a serialised optimizer or schedule where it is one of Keras's own, in `home`, else ""."""
    keys = {"module", "class_name", "config", "registered_name", "shared_object_id"}
    if not isinstance(given, dict) or set(given) - keys:
        raise Refused(f"has an optimizer that cannot be. {CURE}")
    ours = given.get("module") == home and given.get("registered_name") is None
    if not isinstance(given.get("config"), dict):
        if ours:
            raise Refused(f"has an optimizer that cannot be. {CURE}")
        return ""  # a function of somebody's own is written by its name
    return str(given.get("class_name")) if ours else ""


def _bounded(given: Mapping[str, Any], table: Bounds) -> dict[str, Any]:
    found = {}
    for name, value in given.items():
        if name == "name":
            found[name] = _name(value)
            continue
        kind, low, high, optional = table.get(name, (None, 0, 0, False))
        if optional and value is None:
            continue
        fits = type(value) is kind or (kind is float and type(value) is int)
        if not fits or not low <= value <= high:
            raise Refused(f"gives its optimizer a setting that is unknown or out of bounds. {CURE}")
        found[name] = value
    return found
