"""What a run works on: its pictures, split and ready, and their statistics, which give the Gaussian limit and the
linear solution to set out from."""

import hashlib
import itertools
import json
import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from kvae.images.cache import cache_folder, writing
from kvae.images.collection import Collection, open_collection
from kvae.images.pipeline import steps_per_epoch, training_batches
from kvae.images.spectrum import default_lead, fit_spectrum
from kvae.images.texture import Statistics, fit_texture
from kvae.images.variation import AUGMENTATION
from kvae.measures.gaussian_limit import HeldOut
from kvae.networks import NETWORKS, widths_of
from kvae.networks.blocks import DENSE_LATENTS
from kvae.networks.spectral import most_turned
from kvae.training.device import choose_device, choose_precision
from kvae.training.evaluation import MOST_PICTURES
from kvae.training.listener import Listener
from kvae.training.prepared import Prepared

VERSION = 3  # of what is kept in the cache; raise it when the same inputs give another one
# What a spectrum looks at, at random: so many pictures, or so many values where these are more pictures (32,768 of
# 64x64). The limit of 8,192 pictures was .6 to 1.3% above that of 131,072, and that of 32,768 .1 to .3%.
SEEN_PICTURES, SEEN_VALUES = 8192, 3 << 27
BLOCK = 256  # pictures that it looks at together
COPIES = 5  # varied copies of each picture in a small collection, for the correlations of a spectrum
UNLIKE = 0.97  # of the loss with varied copies; without them it is at most that where they are unlike the pictures
FEWEST = 8  # usable pictures that can be learned from
FEW = 200  # below, it is said what to expect
LARGEST_BATCH, STEPS = 64, 4  # of a batch that is worked out: its pictures at most, and its steps in an epoch at least
SPECTRAL_BATCH = 32  # pictures at most in the spectral network, whose optimizer learns more from many small steps
LEARNING_RATE, SPECTRAL_RATE = 1e-3, 2e-3  # at the peak


def prepare(
    data: Any, settings: Mapping[str, Any], listener: Listener, encoder: Any = None, like: Prepared | None = None
) -> Prepared:
    """Choose the device, find and decode the pictures, split them, and measure their Gaussian limit.

    Where the settings differ from those of `like` in nothing that these depend on, they are taken from there.

    Raises:
        ValueError, OSError: one sentence about what is missing or wrong.
    """
    settings = dict(settings)
    spectral = encoder is None and settings["network"] == "spectral"
    if encoder is None:  # before the pictures are decoded
        widths_of(settings["network"], (settings["size"], settings["size"], 3), settings["widths"])
    device = choose_device(settings["device"])
    settings["precision"] = choose_precision(settings["precision"], device)
    sides: tuple = tuple(getattr(encoder, "input_shape", None) or ())
    if len(sides) == 4 and sides[1]:  # otherwise the VAE says what it needs
        settings["size"] = sides[1]
    if like is None:
        collection = open_collection(
            data,
            size=settings["size"],
            crop=settings["crop"],
            follow_links=settings["follow_links"],
            seed=0,
            progress=lambda done, total, what: listener.on_progress(done, total, what),
        )
        listener.on_message(f"{collection.name}: {collection.summary}")
        training, validation = _split(collection, settings["validation"], listener)
    else:
        collection, training, validation = like.collection, like.training, like.validation
    largest = SPECTRAL_BATCH if spectral else LARGEST_BATCH
    settings["batch_size"] = fitting_batch(settings["batch_size"], len(training), listener, largest)
    if settings["learning_rate"] is None:
        settings["learning_rate"] = SPECTRAL_RATE if spectral else LEARNING_RATE
    if like is None:
        statistics, held = _best(collection, training, validation[:MOST_PICTURES], settings, listener)
    else:
        statistics, held = like.statistics, like.held
    fitting = NETWORKS[settings["network"]].fitting if encoder is None else None
    if fitting is None:
        settings["latent_dim"] = settings["latent_dim"] or DENSE_LATENTS
    else:
        settings["latent_dim"] = _latents(settings, held.eigenvalues, fitting, listener)
    return Prepared(collection, training, validation, statistics, held, device, settings)


def _best(
    collection: Collection,
    training: np.ndarray,
    validation: np.ndarray,
    settings: Mapping[str, Any],
    listener: Listener,
) -> tuple[Statistics, HeldOut]:
    """The statistics of the training pictures, and how the linear VAE of these does on those held out.

    Varied copies tell more of few pictures than the pictures alone; but digits and letters are not like their mirror
    images. So where the pictures as they are serve those held out better, by more than chance, it is said, and done.
    """

    def fitted(vary: bool) -> tuple[Statistics, HeldOut, float]:
        found = collection_statistics(collection, training, settings["seed"], listener, vary=vary)
        held = HeldOut(found.spectrum.eigenvalues, *found.spectrum.moments(collection.blocks(validation)))
        return found, held, held.at(_lowest(settings), held.directions).loss

    statistics, held, loss = fitted(settings["augment"])
    if not settings["augment"]:
        return statistics, held
    plain, held_plain, plain_loss = fitted(False)
    if plain_loss > UNLIKE * loss:
        return statistics, held
    listener.on_message(
        f"varied copies, mirrored and cropped, are unlike these pictures: the best linear model has L {plain_loss:.1f} "
        f"without them and {loss:.1f} with. Switch them off with --no-augment"
    )
    return plain, held_plain


def _lowest(settings: Mapping[str, Any]) -> float:
    """The lowest weight that a model is to serve."""
    weight = settings["kl_weight"]
    return 0.0 if settings["autoencoder"] else weight[0] if isinstance(weight, tuple) else weight


def _latents(
    settings: Mapping[str, Any],
    eigenvalues: np.ndarray,
    fitting: Callable[[np.ndarray, float], int],
    listener: Listener,
) -> int:
    """The latents of a network to which they cost nothing: as stated, or all that carry something at the lowest
    weight."""
    lowest = _lowest(settings)
    found = settings["latent_dim"] or fitting(eigenvalues, lowest)
    carrying = int(np.sum(eigenvalues > lowest / 2.0))
    listener.on_message(
        f"{carrying:,} of {len(eigenvalues):,} directions carry something at weight {lowest:g}; "
        f"the model has {found:,} latents"
    )
    return found


def _split(collection: Collection, share: float, listener: Listener) -> tuple[np.ndarray, np.ndarray]:
    """The indices of the training pictures and of those held out, once it is known that there are enough of both."""
    count = collection.count
    if count < FEWEST:
        found = f"is {count} picture" if count == 1 else f"are {count} pictures"
        raise ValueError(
            f"{collection.name}: there {found} to learn from, and at least {FEWEST} are needed. Add pictures."
        )
    training, validation = collection.split(share)
    if len(training) < len(validation) and len(training) < FEWEST // 2:
        raise ValueError(
            f"{collection.name}: holding out {len(validation)} of {count} pictures leaves too few to learn from. "
            "Hold out a smaller share, such as --validation 0.01."
        )
    if count < FEW:
        listener.on_message(
            f"only {count} pictures: expect a model that remembers these rather than one that invents new ones; "
            f"with some {FEW} or more it finds what they have in common"
        )
    return training, validation


def fitting_batch(wanted: int | None, pictures: int, listener: Listener, largest: int = LARGEST_BATCH) -> int:
    """The pictures in a step: `wanted` where there are as many, or by itself `largest`, and fewer for fewer pictures.

    By itself it is a power of two, of which an epoch has at least 4: many small steps learn more from few pictures.
    """
    if wanted is None:
        fitting = max(2, 2 ** int(math.log2(max(pictures, STEPS) / STEPS)))
        return min(largest, fitting, pictures)
    if wanted > pictures:
        listener.on_message(f"there are {pictures} training pictures, so a batch has {pictures} instead of {wanted}")
    return min(wanted, pictures)


def _sample(indices: np.ndarray, most: int, seed: int) -> np.ndarray:
    if len(indices) <= most:
        return indices
    return np.sort(np.random.default_rng(seed).choice(indices, most, replace=False))


def collection_statistics(
    collection: Collection, indices: np.ndarray, seed: int, listener: Listener, *, vary: bool
) -> Statistics:
    """The spectrum and texture of the pictures at `indices`, of very many of a random sample, with the correlations of
    varied copies where `vary`.

    Measured on 1,078 paintings at 64x64 with all latents, before any training: varied copies and mirror images lower
    the held-out loss by 2.4% at weight 1 and 0.3% at 0.01.
    """
    values = int(np.prod(collection.shape))
    most = max(SEEN_PICTURES, SEEN_VALUES // values)
    sample = _sample(indices, most, seed)
    copies = max(1, min(COPIES, 2 * SEEN_PICTURES // len(sample)))
    batch = min(LARGEST_BATCH, len(sample))
    steps = copies * steps_per_epoch(len(sample), batch)
    seen = itertools.count(1)
    plain_blocks = -(-len(sample) // BLOCK)
    total = plain_blocks + (steps if vary else plain_blocks)

    def progress() -> None:
        listener.on_progress(next(seen), total, "measuring the Gaussian limit")

    def varied() -> Iterable[np.ndarray]:
        batches = training_batches(collection, sample, batch_size=batch, seed=seed, augment=True)
        return map(np.asarray, itertools.islice(batches, steps))

    def plain() -> Iterable[np.ndarray]:
        return collection.blocks(sample, BLOCK)

    def measure() -> Statistics:
        spectrum = fit_spectrum(
            plain,
            varied=varied if vary else None,
            mirrored=vary and AUGMENTATION.flip,
            lead=min(default_lead(len(sample), values), most_turned(values)),
            progress=progress,
        )
        few = sample[:: -(-len(sample) // SEEN_PICTURES)]  # a texture is a few numbers
        return Statistics(spectrum, fit_texture(spectrum, lambda: collection.blocks(few, BLOCK)))

    kind = f"spectrum {f'varied {copies} {seed} {AUGMENTATION}' if vary else 'plain'}"
    return _cached(collection, sample, kind, listener, measure)


def _cached(
    collection: Collection, indices: np.ndarray, kind: str, listener: Listener, measure: Callable[[], Statistics]
) -> Statistics:
    chosen = hashlib.sha256(collection.digests[indices].tobytes()).hexdigest()
    key = json.dumps([VERSION, collection.path.stem, collection.shape, chosen, kind])
    path = cache_folder() / f"{hashlib.sha256(key.encode()).hexdigest()[:40]}.pca"
    try:
        return Statistics.load(path)
    except FileNotFoundError:
        pass
    except (OSError, ValueError):
        listener.on_message("the Gaussian limit in the cache was damaged and is measured anew")
    found = measure()
    with writing():
        found.save(path)
    return found
