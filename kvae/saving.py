"""A VAE to and from a `.keras` file."""

import json
import os
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import keras

from kvae.files.atomic import move_into_place
from kvae.model import TRUSTED, VAE

SUFFIX = ".keras"
FOREIGN = ("encoder", "decoder")


class BadModelFile(ValueError):
    """A file that is not a model kvae can open; the message is one sentence that says why and what to do."""


def save(model: VAE, path: str | os.PathLike[str]) -> Path:
    """Write `model` to `path`, which ends in `.keras`: the complete new file, or the untouched old one.

    Raises:
        ValueError: another ending.
        OSError: the folder cannot be written to.
    """
    target = Path(path)
    if target.suffix != SUFFIX:
        raise ValueError(f"save: `path` must end in {SUFFIX}. Received: path={str(path)!r}.")
    with tempfile.TemporaryDirectory(prefix=".kvae-", dir=target.parent) as folder:
        temporary = Path(folder, target.name)
        model.save(temporary)
        move_into_place(temporary, target)
    return target


def load(path: str | os.PathLike[str], *, trust: bool = False, custom_objects: dict[str, Any] | None = None) -> VAE:
    """Open a model that kvae saved, with its optimizer's state and its card.

    Args:
        path: a `.keras` file.
        trust: also open a model that holds layers which are not kvae's. Such a file can run any code: only do so when
            you know where it comes from.
        custom_objects: classes of such layers by name, as `keras.models.load_model` takes them.

    Raises:
        FileNotFoundError, BadModelFile: no such file, or one that is not a kvae model; one sentence.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"There is no model file {path}. Check the spelling, or train one with kvae-train.")
    config = _config(path)
    foreign = any(part in config.get("config", {}) for part in FOREIGN)
    if foreign and not trust:
        raise BadModelFile(
            f"{path.name} holds layers that are not kvae's own, which can run any code. "
            "If you know where it comes from, open it with kvae.load(path, trust=True)."
        )
    token = TRUSTED.set(trust)
    try:
        return keras.models.load_model(path, custom_objects=custom_objects, safe_mode=not trust)
    except (ValueError, TypeError, KeyError, OSError, zipfile.BadZipFile) as error:
        reason = str(error).strip().split("\n")[0]
        raise BadModelFile(f"{path.name} cannot be opened: {reason[:160]}") from error
    finally:
        TRUSTED.reset(token)


def _config(path: Path) -> dict[str, Any]:
    try:
        with zipfile.ZipFile(path) as archive:
            config = json.loads(archive.read("config.json"))
    except (zipfile.BadZipFile, KeyError, ValueError, EOFError):
        raise BadModelFile(
            f"{path.name} is damaged or no model file. kvae reads the .keras files that it saved; train a new one."
        ) from None
    if not isinstance(config, dict) or config.get("registered_name") != "kvae>VAE":
        raise BadModelFile(
            f"{path.name} was not made by kvae. kvae reads the .keras files that it saved; train one with kvae-train."
        )
    return config


def free_path(path: str | os.PathLike[str], *beside: str) -> Path:
    """`path`, or where it exists the next free name: art.keras, art-2.keras, art-3.keras ...

    A name is free when nothing has it with one of the endings `beside` either.
    """
    path = Path(path)
    candidate, number = path, 2
    while candidate.exists() or any(candidate.with_suffix(ending).exists() for ending in beside):
        candidate = path.with_name(f"{path.stem}-{number}{path.suffix}")
        number += 1
    return candidate
