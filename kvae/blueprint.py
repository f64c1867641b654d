"""What a `.keras` file of kvae says of its model, read as a stranger's: settings within their bounds, and nothing else.

Nothing here builds a model or imports Keras, so that a program can look at a file before either is there.
"""

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, BinaryIO

from kvae.files.archive import MOST_BYTES, Archive, as_path, open_regular
from kvae.files.refusal import Refused
from kvae.files.strict_json import parse
from kvae.settings import SETTINGS, check

FORMAT = 1  # of the settings in a file, said by those above 1 as "format"; for what an older kvae would misread
CONFIG, METADATA, WEIGHTS, CARD = "config.json", "metadata.json", "model.weights.h5", "assets/card.json"
MOST_CONFIG, MOST_CARD = 4 << 20, 12 << 20
CONFIG_NODES, CARD_NODES = 100_000, 800_000
MOST_TIMES, SLACK = 4, 1 << 20  # that deflated weights unpack to, of the size of their file
MOST_STEPS = 2**31 - 1  # of a run: years of the fastest
MOST_SIDE = 4096  # pixels
MOST_LEVELS = 12  # 4096 halved to one pixel
REGISTERED = "kvae>VAE"
FOREIGN = ("encoder", "decoder")  # where a model holds networks that somebody brought, these are their configs
CURE = "Open a file that kvae saved."
NOT_OURS = "was not made by kvae. kvae reads the .keras files that it saved; train one with kvae-train."
NEEDS_TRUST = "holds parts that are not kvae's own and can run any code. If you trust it: kvae.load(path, trust=True)."

_ALLOWED = {CONFIG: MOST_CONFIG, METADATA: MOST_CONFIG, WEIGHTS: MOST_BYTES, CARD: MOST_CARD}
_TOP = {"module", "class_name", "config", "registered_name", "compile_config", "build_config", "shared_object_id"}
_NAME = re.compile(r"[^\x00-\x1f/\\\x7f]{1,64}")
_NOT_OF_A_MODEL = ("pictures", "training")  # groups of settings; of the second only the seed is one
_MUCH = 1e12
# name of each setting of Adam: kind, bounds, and whether it may be absent
_ADAM: dict[str, tuple[type, float, float, bool]] = {
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
_SCALING: dict[str, tuple[type, float, float, bool]] = {
    "initial_scale": (float, 1e-30, 1e30, False),
    "dynamic_growth_steps": (int, 1, 10**9, False),
}


@dataclass(frozen=True)
class Optimizer:
    """Settings of Adam, and of the loss scaling around it where there is one."""

    adam: dict[str, Any]
    scaling: dict[str, Any] | None = None


@dataclass(frozen=True)
class Blueprint:
    """A model as its file describes it. `foreign` says that only Keras's own loader can build it."""

    config: dict[str, Any]
    card: dict[str, Any] | None = None
    optimizer: Optimizer | None = None
    foreign: bool = False
    weights_size: int = 0  # bytes of the weights, as declared


@contextmanager
def opened(path: str | os.PathLike[str]) -> Iterator[tuple[Blueprint, Archive]]:
    """The blueprint in the file at `path`, and the archive to read the weights from.

    Raises:
        Refused: a file that is no model of kvae, or one outside its bounds.
        OSError: no such file, or it may not be read.
    """
    with open_regular(as_path(path)) as file:
        yield _read(file)


def _read(file: BinaryIO) -> tuple[Blueprint, Archive]:
    archive = Archive(file, allowed=_ALLOWED, most_bytes=MOST_BYTES, most_members=100)
    config = parse(archive.read(CONFIG), most_nodes=CONFIG_NODES)
    if not isinstance(config, dict) or config.get("registered_name") != REGISTERED:
        raise Refused(NOT_OURS)
    owner = str(config.get("module"))
    if config.get("class_name") != "VAE" or not owner.startswith("kvae.") or set(config) - _TOP:
        raise Refused(NOT_OURS)
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
    if isinstance(given, dict) and any(part in given for part in FOREIGN):
        _check_format(given)
        return Blueprint(given, card, foreign=True, weights_size=size), archive
    optimizer = read_optimizer(config.get("compile_config"))
    foreign = optimizer == "foreign"
    return (
        Blueprint(
            read_settings(given), card, None if isinstance(optimizer, str) else optimizer, foreign, weights_size=size
        ),
        archive,
    )


def read_settings(given: Any) -> dict[str, Any]:
    """The settings that a file gives, each within its bounds.

    Raises:
        Refused: an unknown one, or one outside its bounds.
    """
    if not isinstance(given, dict):
        raise Refused(f"has no settings. {CURE}")
    _check_format(given)
    known = {name for name, setting in SETTINGS.items() if setting.group not in _NOT_OF_A_MODEL} | {"seed"}
    unknown = sorted(set(given) - known - {"format", "image_shape", "dtype", "name"})
    if unknown:
        raise Refused(f"has a setting that this kvae does not know, {unknown[0][:20]!r}. Update kvae. {CURE}")
    missing = sorted({"image_shape", "latent_dim", "kl_weight"} - set(given))
    if missing:
        raise Refused(f"lacks the setting {missing[0]}. {CURE}")
    settings = {name: hold_setting(name, value) for name, value in given.items() if name in known}
    settings["image_shape"] = _image_shape(given["image_shape"])
    settings["name"] = _name(given.get("name", "vae"))
    settings["dtype"] = given.get("dtype", "float32")
    if settings["dtype"] == "auto" or settings["dtype"] not in SETTINGS["precision"].choices:
        raise Refused(f"wants an arithmetic that kvae does not use. {CURE}")
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
    if many and (not SETTINGS[name].many or not 0 < len(value) <= MOST_LEVELS):
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
    """The optimizer that a file gives: Adam, alone or within loss scaling; "foreign" for any other.

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
        if _kind(inner) != "Adam":
            return "foreign"
        return Optimizer(_bounded(inner["config"], _ADAM), _bounded(config, _SCALING))
    if outer == "Adam":
        return Optimizer(_bounded(given["optimizer"]["config"], _ADAM))
    return "foreign"


def _kind(given: Any) -> str:
    """The class of a serialised optimizer where it is one of Keras's own, else ""."""
    keys = {"module", "class_name", "config", "registered_name", "shared_object_id"}
    if not isinstance(given, dict) or set(given) - keys or not isinstance(given.get("config"), dict):
        raise Refused(f"has an optimizer that cannot be. {CURE}")
    ours = given.get("module") == "keras.optimizers" and given.get("registered_name") is None
    return str(given.get("class_name")) if ours else ""


def _bounded(given: Mapping[str, Any], table: Mapping[str, tuple[type, float, float, bool]]) -> dict[str, Any]:
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
