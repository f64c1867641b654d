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
from kvae.images.pipeline import Order, steps_per_epoch
from kvae.images.spectrum import Spectrum, default_lead, fit_spectrum, refine_spectrum
from kvae.images.texture import Statistics, fit_texture
from kvae.images.variation import AUGMENTATION, drawn, varied
from kvae.measures.gaussian_limit import HeldOut
from kvae.networks import NETWORKS, widths_of
from kvae.networks.blocks import DENSE_LATENTS
from kvae.networks.spectral import most_turned
from kvae.training.device import choose_device, choose_precision
from kvae.training.evaluation import MOST_PICTURES
from kvae.training.listener import Listener
from kvae.training.prepared import Prepared

VERSION = 4  # of what is kept in the cache; raise it when the same inputs give another one
SEEN_PICTURES = 8192  # of more, so many at random tell the colours, which directions to turn, and whether to vary
# The values of all pictures that are looked at for their limit: those of 1.4 million of 64x64, some five minutes of a
# core. Of more, so many at random. Varied copies no longer help from 16,384 pictures on, where mirror images do.
SEEN_VALUES = 1 << 34
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
    Of many pictures a sample tells that; then all are measured.
    """
    seed = settings["seed"]

    def held_by(found: Statistics) -> tuple[HeldOut, float]:
        held = HeldOut(found.spectrum.eigenvalues, *found.spectrum.moments(collection.blocks(validation)))
        return held, held.at(_lowest(settings), held.directions).loss

    sample, vary = _sample(training, SEEN_PICTURES, seed), settings["augment"]
    found = collection_statistics(collection, sample, seed, listener, vary=vary)
    held, loss = held_by(found)
    if vary:
        plain = collection_statistics(collection, sample, seed, listener, vary=False)
        held_plain, plain_loss = held_by(plain)
        if plain_loss <= UNLIKE * loss:
            listener.on_message(
                f"varied copies, mirrored and cropped, are unlike these pictures: the best linear model has L "
                f"{plain_loss:.1f} without them and {loss:.1f} with. Switch them off with --no-augment"
            )
            found, held, vary = plain, held_plain, False
    if len(sample) == len(training):
        return found, held
    mirrored = vary and AUGMENTATION.flip
    found = whole_statistics(collection, training, found, seed, listener, mirrored=mirrored)
    held, loss = held_by(found)
    if found.spectrum.pictures < len(training):
        listener.on_message(_of_some(found.spectrum, len(training), _lowest(settings), loss, mirrored))
    return found, held


def _of_some(spectrum: Spectrum, pictures: int, kl_weight: float, loss: float, mirrored: bool) -> str:
    """By how much a limit of some of `pictures` is above that of all.

    The k numbers of a model that is fitted to n pictures cost k/2n nats on others (Akaike, 1974, "A new look at the
    statistical model identification"). Of p directions that are turned and in use these are p (p + 1) / 2 covariances,
    half of which mirror images make zero.
    """
    used = min(len(spectrum.rotation), int(np.sum(spectrum.eigenvalues > kl_weight / 2.0)))
    covariances = used * (used + 1) / (4.0 if mirrored else 2.0)
    nats = covariances / 2.0 * (1.0 / spectrum.pictures - 1.0 / pictures)
    return (
        f"the Gaussian limit is measured on {spectrum.pictures:,} of the {pictures:,} training pictures, at random: "
        f"its L is some {100.0 * kl_weight * nats / loss:.1g}% above that of all"
    )


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
    """The spectrum and texture of the pictures at `indices`, with the correlations of varied copies where `vary`.

    Measured on 1,078 paintings at 64x64 with all latents, before any training: varied copies and mirror images lower
    the held-out loss by 2.4% at weight 1 and 0.3% at 0.01.
    """
    values = int(np.prod(collection.shape))
    copies = max(1, min(COPIES, 2 * SEEN_PICTURES // len(indices)))
    batch = min(LARGEST_BATCH, len(indices))
    steps = copies * steps_per_epoch(len(indices), batch)
    plain_blocks = -(-len(indices) // BLOCK)
    progress = _progress(listener, plain_blocks + (steps if vary else plain_blocks))

    def varied_copies() -> Iterable[np.ndarray]:  # those that training would show, with no more of them in memory
        order = Order(indices, batch_size=batch, seed=seed)
        for step in range(steps):
            pictures = collection.read(order.batch(step))
            yield varied(pictures, drawn(AUGMENTATION, len(pictures), collection.shape, seed=seed, step=step))

    def plain() -> Iterable[np.ndarray]:
        return collection.blocks(indices, BLOCK)

    def measure() -> Statistics:
        spectrum = fit_spectrum(
            plain,
            varied=varied_copies if vary else None,
            mirrored=vary and AUGMENTATION.flip,
            lead=min(default_lead(len(indices), values), most_turned(values)),
            progress=progress,
        )
        return Statistics(spectrum, fit_texture(spectrum, plain))

    kind = f"spectrum {f'varied {copies} {seed} {AUGMENTATION}' if vary else 'plain'}"
    return _cached(collection, indices, kind, listener, measure)


def whole_statistics(
    collection: Collection, indices: np.ndarray, found: Statistics, seed: int, listener: Listener, *, mirrored: bool
) -> Statistics:
    """`found`, the statistics of some of the pictures at `indices`, measured anew on all in one pass; on so many of
    them, at random, as have `SEEN_VALUES` values, where these are more. `mirrored` counts their mirror images too."""
    seen = _sample(indices, max(SEEN_PICTURES, SEEN_VALUES // int(np.prod(collection.shape))), seed)
    progress = _progress(listener, -(-len(seen) // BLOCK))

    def measure() -> Statistics:
        spectrum = refine_spectrum(found.spectrum, collection.blocks(seen, BLOCK), mirrored=mirrored, progress=progress)
        few = seen[:: -(-len(seen) // SEEN_PICTURES)]  # a texture is a few numbers
        return Statistics(spectrum, fit_texture(spectrum, lambda: collection.blocks(few, BLOCK)))

    # what was found before depends on the seed
    return _cached(collection, seen, f"whole {seed} {'mirrored' if mirrored else 'plain'}", listener, measure)


def _progress(listener: Listener, total: int) -> Callable[[], None]:
    seen = itertools.count(1)
    return lambda: listener.on_progress(next(seen), total, "measuring the Gaussian limit")


def _cached(
    collection: Collection, indices: np.ndarray, kind: str, listener: Listener, measure: Callable[[], Statistics]
) -> Statistics:
    # which collection it is says which picture every row is
    chosen = hashlib.sha256(indices.astype(np.int64).tobytes()).hexdigest()
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
