"""A Keras VAE of any kind on the bench: its weight is turned, it is trained for some steps, and is put back."""

import logging
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops

from kvae.images.pixels import as_float
from kvae.model.vae import VAE
from kvae.objectives.base import diagonal_kl
from kvae.training.backend import repeated

Terms = Callable[[Any, Any], tuple[Any, Any, Any]]  # (model, pictures) → mean, log-variance, reconstruction
WEIGHTS = ("kl_weight", "beta", "kl_beta", "kld_weight", "kl_loss_weight", "weight_kl", "kl_factor", "kl_coefficient")
MEANS = ("mean", "z_mean", "mu", "means", "latent_mean")
LOG_VARS = ("log_var", "z_log_var", "logvar", "log_variance", "latent_log_var")
OUTPUTS = ("reconstruction", "recon", "reconstructed", "output", "decoded", "x_hat")
FUNCTIONS = ("train_function", "test_function", "predict_function")  # what Keras traces, once
TENSORFLOW = logging.getLogger("tensorflow")
PLAIN = (bool, int, float, str, type(None))


class Bench:
    """`model` and the pictures that it is tried on; inside a `with` everything may be changed, and is put back.

    Every loss is measured from the state at the start. With `anew`, functions are traced again for each weight.
    """

    def __init__(self, model: keras.Model, images: np.ndarray, terms: Terms, weight: str | None) -> None:
        self.model, self.images, self.terms, self.weight = model, images, terms, weight
        self.name = weight or ""
        # what the networks see of them
        self.pixels = as_float(images, model.image_shape) if isinstance(model, VAE) else images.astype("float32")
        self.anew = False
        self.given = 0.0 if weight is None else _value(getattr(model, weight))
        self._targets = {"y": images} if getattr(model, "loss", None) is not None else {}

    def __enter__(self) -> "Bench":
        model = self.model
        self.parts()  # builds what was never called
        if not model.optimizer.built:
            model.optimizer.build(model.trainable_variables)
        self._plain = {name: value for name, value in vars(model).items() if isinstance(value, PLAIN)}
        self._functions = {name: getattr(model, name, None) for name in (*FUNCTIONS, "history")}
        self._before = self._kept = self._values()
        if isinstance(model, VAE) and model.linear_path is not None:
            model.adapt(self.images)  # else `fit` would start it anew each time, and `evaluate` never
            self._kept = self._values()
        self._forget()
        # functions that are traced for each weight are what a frozen weight asks for, and no matter for the user
        self._told = TENSORFLOW.level
        TENSORFLOW.setLevel("ERROR")
        return self

    def __exit__(self, *error: object) -> None:
        TENSORFLOW.setLevel(self._told)
        self._kept = self._before
        self._back()
        for name, value in self._functions.items():
            _put(self.model, name, value)
        self.model.reset_metrics()

    def _values(self) -> list[tuple[keras.Variable, np.ndarray]]:
        variables = (*self.model.variables, *self.model.optimizer.variables)
        return [(one, np.array(ops.convert_to_numpy(one.value))) for one in variables]  # copies: JAX gives views

    def _back(self) -> None:
        for variable, value in self._kept:
            variable.assign(value)
        now = vars(self.model)
        for name, plain in self._plain.items():
            if name not in (*FUNCTIONS, "history") and now.get(name, plain) is not plain:
                _put(self.model, name, plain)
        for name in [name for name, value in now.items() if isinstance(value, PLAIN) and name not in self._plain]:
            if hasattr(type(self.model), name):  # the class's own value shows again
                del now[name]

    def _forget(self) -> None:
        for name in FUNCTIONS:
            _put(self.model, name, None)

    def at(self, weight: float, measure: Callable[[], float]) -> float:
        """What `measure` gives with the weight turned to `weight`, from the state at the start."""
        assert self.weight is not None
        self._back()
        if self.anew:
            self._forget()
        held = getattr(self.model, self.weight)
        if hasattr(held, "assign"):
            held.assign(weight)
        else:
            _put(self.model, self.weight, weight)
        try:
            return measure()
        finally:
            self._back()

    def parts(self) -> tuple[Any, Any, Any]:
        """Mean, log-variance and reconstruction of the pictures."""
        mean, log_var, output = self.terms(self.model, ops.convert_to_tensor(self.pixels))
        return mean, log_var, output

    def loss(self) -> float:
        """The loss of the pictures in training."""
        return _loss_of(self._fit(1))

    def rate_after(self, steps: int) -> float:
        """R in nats after so many steps."""
        self._fit(steps)
        return self.rate()

    def rate(self) -> float:
        """R of the pictures in nats."""
        mean, log_var, _ = self.parts()
        return float(np.mean(np.sum(ops.convert_to_numpy(diagonal_kl(mean, log_var)), axis=1)))

    def validation_loss(self) -> float:
        """The loss of the pictures in validation."""
        options = {"batch_size": len(self.images), "verbose": 0, "return_dict": True}
        return _loss_of(self.model.evaluate(self.images, **self._targets, **options))

    def _fit(self, steps: int) -> dict[str, float]:
        """The logs of so many steps on all of the pictures."""
        batch = (self.images, self.images) if self._targets else (self.images,)
        history = self.model.fit(repeated(batch, steps), steps_per_epoch=steps, shuffle=False, verbose=0).history
        return {name: values[-1] for name, values in history.items()}


def found_weight(model: keras.Model, name: str | None) -> str | None:
    """The attribute of `model` that holds its KL weight: `name`, or one of the usual ones.

    Raises:
        ValueError: a name that is no number and no variable of the model.
    """
    for one in [name] if name is not None else WEIGHTS:
        held = getattr(model, one, None)
        if (isinstance(held, (int, float)) and not isinstance(held, bool)) or hasattr(held, "assign"):
            return one
    if name is not None:
        raise ValueError(f"audit: `weight` must name a number or a variable of the model. Received: weight={name!r}.")
    return None


def found_terms(model: keras.Model, images: np.ndarray) -> Terms:
    """How to get mean, log-variance and reconstruction out of `model`.

    Raises:
        ValueError: a model that yields them in no usual way.
    """
    if isinstance(model, VAE):
        return _of_vae
    encoder, decoder = getattr(model, "encoder", None), getattr(model, "decoder", None)
    if callable(encoder) and callable(decoder):
        coded = encoder(ops.convert_to_tensor(images[:1].astype("float32")))
        if isinstance(coded, dict) or (isinstance(coded, (list, tuple)) and len(coded) >= 2):
            return _of_parts
    given = model(ops.convert_to_tensor(images[:1].astype("float32")))
    if _sorted(given, images.shape[1:]) is not None:
        return lambda model, pictures: _sorted(model(pictures), images.shape[1:])  # type: ignore[return-value]
    raise ValueError(
        "audit: mean, log-variance and reconstruction are not found in this model. Say how to get them: "
        "audit(model, pictures, terms=lambda model, pictures: (mean, log_var, reconstruction))."
    )


def _of_vae(model: VAE, pictures: Any) -> tuple[Any, Any, Any]:
    posterior = model.posterior_of(pictures)
    noise = np.random.default_rng(0).standard_normal(posterior.mean.shape).astype("float32")
    return posterior.mean, posterior.marginal_log_var, model.generate(model.methods.rate.sample(posterior, noise))


def _of_parts(model: Any, pictures: Any) -> tuple[Any, Any, Any]:
    """As in Keras's example: the encoder gives mean, log-variance and maybe a latent; the decoder takes the latent."""
    coded = model.encoder(pictures)
    if isinstance(coded, dict):
        mean, log_var = (next(coded[name] for name in names if name in coded) for names in (MEANS, LOG_VARS))
        drawn: list[Any] = []
    else:
        mean, log_var, *drawn = coded
    if not drawn:
        noise = np.random.default_rng(0).standard_normal(mean.shape).astype("float32")
        drawn = [mean + ops.exp(0.5 * log_var) * noise]
    return mean, log_var, model.decoder(drawn[0])


def _sorted(given: Any, shape: tuple[int, ...]) -> tuple[Any, Any, Any] | None:
    """Mean, log-variance and reconstruction among what a model returned, by name or by shape."""
    if isinstance(given, dict):
        found = [next((given[name] for name in names if name in given), None) for names in (MEANS, LOG_VARS, OUTPUTS)]
        return None if any(one is None for one in found) else (found[0], found[1], found[2])
    if not isinstance(given, (list, tuple)):
        return None
    outputs = [one for one in given if tuple(one.shape[1:]) == tuple(shape)]
    flat = [one for one in given if len(one.shape) == 2]
    return (flat[0], flat[1], outputs[0]) if outputs and len(flat) >= 2 else None


def _value(held: Any) -> float:
    return float(ops.convert_to_numpy(held.value)) if hasattr(held, "value") else float(held)


def _put(model: Any, name: str, value: Any) -> None:
    """Set an attribute past whatever a model's own `__setattr__` refuses."""
    object.__setattr__(model, name, value)


def _loss_of(logs: dict[str, float]) -> float:
    """The loss among the metrics of a step, by its usual names."""
    for name in ("loss", "total_loss"):
        if name in logs:
            return float(logs[name])
    raise KeyError(f"audit: the model reports no `loss`, but {', '.join(logs) or 'nothing'}.")
