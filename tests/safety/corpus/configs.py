"""Model files whose settings are at fault."""

import json
from collections.abc import Callable
from typing import Any

from corpus.forge import Good

LAMBDA = {
    "module": "keras.layers",
    "class_name": "Lambda",
    "config": {"name": "l", "function": {"class_name": "__lambda__", "config": {"code": "4wAAAAAAAAA="}}},
    "registered_name": None,
}


def _layer(module: str, kind: str, registered: str | None = None, /, **config: Any) -> dict[str, Any]:
    return {"module": module, "class_name": kind, "config": config, "registered_name": registered}


CUSTOM_PARTS = {
    "a Python lambda": LAMBDA,
    "a Lambda of a named function": _layer("keras.layers", "Lambda", function="os.system", name="l"),
    "module os": _layer("os", "system", command="true"),
    "a keras.src class that is no layer": _layer("keras.src.utils.file_utils", "File", path="secret", mode="r"),
    "StringLookup with a path": _layer("keras.layers", "StringLookup", vocabulary="secret.txt"),
    "TFSMLayer": _layer("keras.layers", "TFSMLayer", filepath="secret", call_endpoint="serve"),
    "TorchModuleWrapper": _layer("keras.layers", "TorchModuleWrapper", module="gAR9Lg=="),
    "a custom registered name": _layer("keras.layers", "Dense", "evil>Dense", units=3),
    "a function call in a dead node": _layer(
        "keras", "Functional",
        layers=[_layer("keras.config", "set_dtype_policy") | {"inbound_nodes": [{"args": ["float64"], "kwargs": {}}]}],
        input_layers=[], output_layers=[],
    ),
    "a function": {
        "class_name": "function", "config": "set_dtype_policy", "module": "keras.config", "registered_name": "function",
    },
}  # fmt: skip


def _into(part: str, layer: dict[str, Any]) -> Callable[[dict[str, Any]], None]:
    def change(config: dict[str, Any]) -> None:
        config["config"][part] = layer

    return change


def _optimizer(**changes: Any) -> Callable[[dict[str, Any]], None]:
    def change(config: dict[str, Any]) -> None:
        config["compile_config"]["optimizer"].update(changes)

    return change


def _of_adam(text: str, name: str = "learning_rate") -> Callable[[dict[str, Any]], bytes]:
    def change(config: dict[str, Any]) -> bytes:
        config["compile_config"]["optimizer"]["config"][name] = "HERE"
        return json.dumps(config).replace('"HERE"', text).encode()

    return change


def _fourteen_gigabytes(config: dict[str, Any]) -> None:
    config["config"].update(image_shape=[512, 512, 3], network="residual", widths=[2048] * 7, depth=3)


def _huge_spectrum(config: dict[str, Any]) -> None:
    config["config"].update(image_shape=[4096, 4096, 3], network="spectral", latent_dim=300, depth=1)


def _setting(name: str, text: str) -> Callable[[Good, Any], Any]:
    return lambda good, folder: good.setting(folder, name, text)


def _changed(change: Callable[[dict[str, Any]], Any]) -> Callable[[Good, Any], Any]:
    return lambda good, folder: good.config(folder, change)


def _text(make: Callable[[bytes], bytes]) -> Callable[[Good, Any], Any]:
    return lambda good, folder: good.zipped(folder, config=make(good.members["config.json"]))


def _newer(config: dict[str, Any]) -> None:
    config["config"].update(format=99, palette="a setting of the future")


SETTINGS = {
    "2^40 latents": ("latent_dim", str(2**40)),
    "2^62 latents": ("latent_dim", str(2**62)),
    "-3 latents": ("latent_dim", "-3"),
    "1e400 latents": ("latent_dim", "1e400"),
    "NaN latents": ("latent_dim", "NaN"),
    "infinite latents": ("latent_dim", "-Infinity"),
    "5,000 digits": ("latent_dim", "9" * 5000),
    "a word for a number": ("latent_dim", '"many"'),
    "true for a number": ("latent_dim", "true"),
    "a list for a number": ("latent_dim", "[3]"),
    "a table for a number": ("latent_dim", '{"class_name": "__tensor__", "config": {"value": 3}}'),
    "no number at all": ("latent_dim", "null"),
    "other latents": ("latent_dim", "4"),
    "a negative weight": ("kl_weight", "-0.1"),
    "a weight of 1e300": ("kl_weight", "1e300"),
    "a range that falls": ("kl_weight", "[1.0, 0.1]"),
    "a range of three": ("kl_weight", "[0.1, 0.5, 1.0]"),
    "a range of tables": ("kl_weight", "[{}, {}]"),
    "a range for a network of one weight": ("kl_weight", "[0.01, 1.0]"),
    "a huge image shape": ("image_shape", "[1099511627776, 1099511627776, 3]"),
    "a large image shape": ("image_shape", "[4096, 4096, 3]"),
    "no image shape": ("image_shape", "null"),
    "a flat image shape": ("image_shape", "[16]"),
    "a long image shape": ("image_shape", "[" + "16," * 2000 + "16]"),
    "a million widths": ("widths", "[" + "8," * 90_000 + "8]"),
    "wide widths": ("widths", "[2048, 2048]"),
    "no widths": ("widths", "[]"),
    "a nested width": ("widths", "[[8]]"),
    "a depth of a million": ("depth", "1000000"),
    "another network": ("network", '"os.system"'),
    "a layer name above": ("name", '"../../x"'),
    "a long layer name": ("name", json.dumps("x" * 100_000)),
    "an unknown arithmetic": ("dtype", '"float8_e4m3fn"'),
    "an arithmetic of policies": ("dtype", '{"module": "keras", "class_name": "DTypePolicyMap", "config": {}}'),
    "an unknown setting": ("units", "3"),
    "a setting of training": ("data", '"/etc"'),
    "a format of zero": ("format", "0"),
    "a format of words": ("format", '"new"'),
}
CASES = {
    **{name: _setting(*case) for name, case in SETTINGS.items()},
    **{f"{name} as encoder": _changed(_into("encoder", layer)) for name, layer in CUSTOM_PARTS.items()},
    **{f"{name} as setting": _changed(_into("latent_dim", layer)) for name, layer in CUSTOM_PARTS.items()},
    **{f"{name} as model": _changed(lambda config, layer=layer: layer) for name, layer in CUSTOM_PARTS.items()},
    **{f"{name} as optimizer": _changed(_optimizer(**layer)) for name, layer in CUSTOM_PARTS.items()},
    "nesting 200,000": _text(lambda text: b'{"a":' * 200_000 + b"1" + b"}" * 200_000),
    "brackets 50,000": _text(lambda text: b"[" * 49_000 + b"]" * 49_000),
    "an empty table": _text(lambda text: b"{}"),
    "a list": _text(lambda text: b"[]"),
    "UTF-16": _text(lambda text: text.decode().encode("utf-16")),
    "no UTF-8": _text(lambda text: text.replace(b'"vae"', b'"v\xff"')),
    "a duplicate key": _text(lambda text: text.replace(b'"latent_dim": 3', b'"latent_dim": 3, "latent_dim": 3')),
    "no end": _text(lambda text: text[:-1]),
    "half a text": _text(lambda text: b'"' + b"\\" * 300_001),
    "settings are a list": _changed(lambda config: {**config, "config": []}),
    "no settings": _changed(lambda config: {**config, "config": None}),
    "another class of kvae": _changed(lambda config: {**config, "class_name": "LinearPath"}),
    "another module": _changed(lambda config: {**config, "module": "os"}),
    "another registered name": _changed(lambda config: {**config, "registered_name": "evil>VAE"}),
    "an unknown part": _changed(lambda config: {**config, "evil": 1}),
    "layers of 14 GB": _changed(_fourteen_gigabytes),
    "the spectrum of a huge picture": _changed(_huge_spectrum),
    "a newer format": _changed(_newer),
    "another optimizer": _changed(_optimizer(class_name="SGD", config={"learning_rate": 0.1})),
    "an optimizer of os": _changed(_optimizer(module="os", class_name="system")),
    "an optimizer that is none": _changed(_optimizer(config=[1])),
    "a learning rate of NaN": _changed(_of_adam("NaN")),
    "a learning rate of 1e400": _changed(_of_adam("1e400")),
    "a learning rate of words": _changed(_of_adam('"fast"')),
    "a learning rate by class": _changed(_of_adam(json.dumps(LAMBDA))),
    "a beta of 2": _changed(_of_adam("2.0", "beta_1")),
    "an unknown setting of Adam": _changed(_of_adam("1", "evil")),
    "a loss to compile with": _changed(lambda config: config["compile_config"].update(loss=LAMBDA)),
    "an optimizer in the weights alone": _changed(lambda config: {**config, "compile_config": None}),
    "an unchanged config": _text(lambda text: b"  " + text + b"\n"),
}
LOADS = {"an unchanged config"}
SAYS = {"a newer format": "needs a newer kvae", "a Python lambda as encoder": "kvae.load(path, trust=True)"}
