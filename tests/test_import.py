"""`import kvae` costs nothing, and every public name is there when it is asked for."""

import ast
import json
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import explorer
import kvae

HEAVY = {"keras", "tensorflow", "jax", "torch", "numpy", "h5py", "PIL", "matplotlib", "PyQt6"}
HEAVY |= {"scipy", "sklearn", "skimage"}

LIGHT = """
import sys, json
import kvae
before = sorted({name.split(".")[0] for name in sys.modules})
dir(kvae), kvae.__version__, kvae.__all__
listed = sorted({name.split(".")[0] for name in sys.modules})
kvae.kl_weight_from(0.5, reduction="half-sum", image_shape=(4, 4, 1), latent_dim=2)
print(json.dumps([before, listed, "keras" in sys.modules, "kl_weight_from" in vars(kvae)]))
"""


def test_import_brings_in_nothing_heavy_until_a_name_is_used(python):
    before, listed, has_keras, is_kept = json.loads(python(LIGHT))
    assert HEAVY & set(before) == set()
    assert listed == before
    # arithmetic on weights needs no Keras either
    assert not has_keras and is_kept


def test_dir_is_complete_and_star_import_is_what_dir_says():
    assert set(dir(kvae)) == set(kvae.__all__) == {"__version__", *kvae._HOMES}
    assert {"VAE", "train", "sweep", "load", "save", "open_collection", "water_filling"} <= set(dir(kvae))
    assert len(set(kvae.__all__)) == len(kvae.__all__)


@pytest.mark.parametrize("name", kvae._HOMES)
def test_a_public_name_resolves_to_a_thing_that_explains_itself(name):
    value = getattr(kvae, name)
    assert value.__name__ == name and value.__doc__
    assert getattr(kvae, name) is value


def test_a_name_that_is_not_public_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'kvae' has no attribute 'WAE'"):
        _ = kvae.WAE


FEW_IMPORTS = """
import sys
from kvae.quiet_imports import SKIPPED_IMPORTS, quiet_imports
with quiet_imports():
    import keras
    import tensorflow
    inside = {*SKIPPED_IMPORTS} & {name for name, module in sys.modules.items() if module}
import matplotlib.pyplot, sklearn
print(sorted(inside), "jax" in sys.modules, all(map(sys.modules.get, ("matplotlib.pyplot", "sklearn"))))
"""


def test_quiet_imports_leave_out_what_keras_imports_in_passing_and_only_then(python):
    assert python(FEW_IMPORTS).strip() == "[] False True"


def imports_of(path: Path, modules: dict[str, Path]) -> set[str]:
    """The modules of this project that the file at `path` imports anywhere: in functions and for types alone, too."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            parts = {f"{node.module}.{alias.name}" for alias in node.names} & modules.keys()
            found |= parts or {node.module}
    return found & modules.keys()


@pytest.mark.parametrize("package", [kvae, explorer])
def test_no_modules_import_each_other_in_a_circle(package):
    home = Path(package.__file__).parent
    root = home.parent
    paths = [path for path in home.rglob("*.py") if path.name != "__init__.py"]
    modules = {".".join(path.relative_to(root).with_suffix("").parts): path for path in paths}
    arrows = {name: imports_of(path, modules) for name, path in modules.items()}
    assert sum(map(len, arrows.values())) > 100
    try:
        TopologicalSorter(arrows).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))
