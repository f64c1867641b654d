"""A VAE to and from a `.keras` file.

Keras's own loader builds whatever a file asks for, so a file is never given to it: the settings are read and held to
their bounds, the model they describe is laid out without memory, the file's weights are compared with it, and only then
is the model made and given them.
"""

import os
from pathlib import Path
from typing import Any

import keras

from kvae.files.archive import Archive
from kvae.files.refusal import Refused, sentence, shown
from kvae.model.compiling import optimizer_maker
from kvae.model.vae import VAE
from kvae.saving.abstract_build import UNEQUAL, laid_out, stored, variables
from kvae.saving.card import NEEDS_TRUST, NOT_OURS, Description, opened
from kvae.saving.writer import SUFFIX as SUFFIX


class BadModelFile(ValueError):
    """A file that is not a model kvae can open; the message is one line that says why and what to do."""


def save(model: VAE, path: str | os.PathLike[str], *, compact: bool = False) -> Path:
    """Write `model` to `path`, which ends in `.keras`: the complete new file, or the untouched old one.

    A `compact` file has weights of float16 and no optimizer, a sixth of the size.

    Raises:
        ValueError: another ending, or a model or card that `load` would refuse.
        OSError: the folder cannot be written to.

    Example:
        >>> import kvae
        >>> vae = kvae.VAE(image_shape=(16, 16, 3), network="conv", widths=(8, 8), latent_dim=4)
        >>> kvae.save(vae, "art.keras").name
        'art.keras'
    """
    if not isinstance(model, VAE):
        raise ValueError(
            f"save: `model` must be a kvae.VAE; others have model.save(path). Received: {type(model).__name__}."
        )
    model.save(path, compact=compact)
    return Path(path)


def load(path: str | os.PathLike[str], *, trust: bool = False, custom_objects: dict[str, Any] | None = None) -> VAE:
    """Open a model that kvae saved, with its optimizer's state and its card.

    Args:
        path: a `.keras` file.
        trust: also open a model that holds layers or an optimizer which are not kvae's. Such a file can run any code:
            only do so when you know where it comes from.
        custom_objects: classes of such parts by name, as `keras.models.load_model` takes them.

    Raises:
        FileNotFoundError, BadModelFile: no such file, or one that is not a kvae model; one line.

    Example:
        >>> import kvae
        >>> vae = kvae.VAE(image_shape=(16, 16, 3), network="conv", widths=(8, 8), latent_dim=4, kl_weight=0.5)
        >>> vae.save("art.keras")
        >>> kvae.load("art.keras").beta
        0.5
    """
    try:
        if Path(path).is_dir():
            raise FileNotFoundError
        with opened(path, trust=trust) as (description, archive):
            if not description.custom:
                return _made(description, archive)
        if not trust:
            raise Refused(NEEDS_TRUST)
        return _made_by_keras(Path(path), description.owner, custom_objects)
    except FileNotFoundError:
        named = str(path) if len(str(path)) <= 72 and str(path).isprintable() else shown(path)
        raise FileNotFoundError(
            f"There is no model file {named}. Check the spelling, or train one with kvae-train."
        ) from None
    except Refused as error:
        raise BadModelFile(sentence(path, error)) from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "its name cannot be"
        raise BadModelFile(sentence(path, f"cannot be opened: {reason}. Check its name and its rights.")) from error
    except MemoryError as error:
        raise BadModelFile(sentence(path, "needs more memory than is free. Close programs and try again.")) from error


def _made(description: Description, archive: Archive) -> VAE:
    """The model of a description with the weights in its archive;
    nothing of its size is made before they are known to fit."""
    _, kept = laid_out(VAE, description)
    values = dict(stored(kept, description, archive))
    model = VAE(**description.config)
    maker = optimizer_maker(description.optimizer)
    if maker is not None:
        model.compile(maker())
    made = variables(model)
    if made.keys() != values.keys():
        raise Refused(UNEQUAL)
    for path, variable in made.items():
        variable.assign(values.pop(path))
    model.card = description.card
    return model


def _made_by_keras(path: Path, owner: str, custom_objects: dict[str, Any] | None) -> VAE:
    """What Keras's own loader makes of a file that is trusted,
    whose model is of the class that Keras knows as `owner`."""
    names = (owner, owner.rpartition(">")[2])
    found = [keras.saving.get_registered_object(name, custom_objects) for name in names]
    kind = next((one for one in found if one is not None), None)
    if kind is None:
        raise Refused(
            f"holds a model of a class {names[1][:40]!r}, unknown here. Import it, or name it in custom_objects."
        )
    if not (isinstance(kind, type) and issubclass(kind, VAE)):
        raise Refused(NOT_OURS)
    try:
        return keras.models.load_model(path, custom_objects={owner: kind, **(custom_objects or {})}, safe_mode=False)
    except (ValueError, TypeError, KeyError, OSError) as error:
        reason = str(error).strip().split("\n")[0]
        raise Refused(f"cannot be opened: {reason}") from error
