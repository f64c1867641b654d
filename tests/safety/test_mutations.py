"""Random mutations of good files are refused or opened; nothing else may come of them, a crash least of all."""

import io
import random

import h5py
import numpy as np
import pytest
from corpus import data
from corpus.forge import CARD, CONFIG, WEIGHTS, Member, archive

from kvae.files.hdf5 import Tensors
from kvae.files.refusal import Refused

CHUNK = 100  # mutations in one test


@pytest.fixture(scope="session")
def small(tmp_path_factory):
    """A model that opens in no time, and where in its weights the structure lies."""
    import keras
    from corpus import forge

    from kvae.model.vae import VAE
    from kvae.saving.reader import save

    model = VAE(image_shape=(4, 4, 1), latent_dim=1, network="linear")
    model.compile(keras.optimizers.Adam(0.003))
    model.card = {"posterior": {"rate": [1.0]}, "latents": [[0.5]]}
    good = forge.read(save(model, tmp_path_factory.mktemp("small") / "art.keras"))
    structure = set(range(len(good.members[WEIGHTS])))

    def leave_out(name, one):
        if isinstance(one, h5py.Dataset):
            structure.difference_update(range(one.id.get_offset(), one.id.get_offset() + one.nbytes))

    with h5py.File(io.BytesIO(good.members[WEIGHTS])) as file:
        file.visititems(leave_out)
    # most of it is unused room, where a mutation is seen by nobody
    told = sorted(place for place in structure if good.members[WEIGHTS][place])
    return good, told


def mutated(content: bytes, chance: random.Random, places: list[int] | None = None) -> bytes:
    """`content` with one to sixteen changes, at `places` where there are any."""
    changed = bytearray(content)
    for _ in range(chance.choice([1, 1, 1, 2, 4, 16])):
        at = chance.choice(places) if places else chance.randrange(len(changed))
        kind = chance.random()
        if kind < 0.4:
            changed[at] ^= 1 << chance.randrange(8)
        elif kind < 0.6:
            changed[at] = chance.choice([0, 1, 127, 128, 255, 0x22, 0x2C, 0x5B, 0x7B])
        elif kind < 0.8:
            number = chance.choice([0, 1, 255, 0xFFFF, 2**31, 2**32 - 1, 2**63, 2**64 - 1, len(content), at])
            width = chance.choice([2, 4, 8])
            changed[at : at + width] = number.to_bytes(8, "little")[:width]
        else:
            other = chance.choice(places) if places else chance.randrange(len(content))
            length = chance.choice([1, 8, 16, 40])
            piece = content[other : other + length]
            changed[at : at + len(piece)] = piece
    return bytes(changed[: len(content)])


def model_file(small, seed: int) -> bytes:
    """A mutation of the container, or of one member whose container then agrees with it."""
    (good, told), chance = small, random.Random(seed)
    kind = chance.choice(["container", CONFIG, CARD, WEIGHTS, WEIGHTS, WEIGHTS])
    if kind == "container":
        return mutated(good.path.read_bytes(), chance)
    members = dict(good.members)
    members[kind] = mutated(members[kind], chance, told if kind == WEIGHTS else None)
    return archive([Member(name, content) for name, content in members.items()])


def pictures_file(seed: int) -> tuple[str, bytes]:
    """A mutation of a file of pictures."""
    chance = random.Random(seed)
    name = chance.choice(sorted(data.IMAGES_LOAD))
    content = data.IMAGES[name]
    assert isinstance(content, bytes)
    places = [place for place in range(len(content)) if content[place]][:1500] if name.endswith("h5") else None
    return name, mutated(content, chance, places)


def try_all(seeds: range, make, server, folder) -> None:
    """Every mutation is refused or opened."""
    bad = {}
    for seed in seeds:
        kind, name, content = make(seed)
        (folder / name).write_bytes(content)
        answer = server.ask(kind, folder / name)
        line = answer.get("says", "")
        told = answer["outcome"] == "LOADS" or (line.isprintable() and len(line) <= 160)
        if answer["outcome"] not in ("REF", "LOADS") or not told or answer["seen"] or answer["growth"] > 64 << 20:
            bad[seed] = (name, answer)
    assert not bad, bad


@pytest.mark.parametrize("start", range(0, 400, CHUNK))
def test_400_mutations_of_a_model_are_refused_or_open(start, small, server, tmp_path):
    make = lambda seed: ("model", "art.keras", model_file(small, seed))  # noqa: E731
    try_all(range(start, start + CHUNK), make, server, tmp_path)


def test_100_mutations_of_pictures_are_refused_or_open(server, tmp_path):
    try_all(range(100), lambda seed: ("pictures", *pictures_file(seed)), server, tmp_path)


@pytest.mark.parametrize("libver", ["earliest", "latest"])
def test_3000_mutations_of_weights_are_refused_or_read(libver):
    """Of their structure, in this process: nothing but a refusal comes of them."""
    memory, chance, refused = io.BytesIO(), random.Random(7), 0
    with h5py.File(memory, "w", libver=libver) as file:
        for number in range(60):
            file[f"{number % 3}/vars/{number}"] = np.full(3, number, np.float32)
    content = memory.getvalue()
    told = [place for place in range(len(content)) if content[place]]
    for _ in range(3000):
        try:
            stored = Tensors(mutated(content, chance, told), most=60)
            values = [stored.read(path, np.dtype(np.float32)) for path in stored.shapes]
            assert np.isfinite([one.sum() for one in values]).all()
        except Refused:
            refused += 1
    assert 1000 < refused < 3000


@pytest.mark.slow
@pytest.mark.timeout(3000)
@pytest.mark.parametrize("start", range(400, 8400, 1000))
def test_8000_more_mutations_of_a_model_are_refused_or_open(start, small, server, tmp_path):
    make = lambda seed: ("model", "art.keras", model_file(small, seed))  # noqa: E731
    try_all(range(start, start + 1000), make, server, tmp_path)


@pytest.mark.slow
@pytest.mark.timeout(3000)
def test_2000_more_mutations_of_pictures_are_refused_or_open(server, tmp_path):
    try_all(range(100, 2100), lambda seed: ("pictures", *pictures_file(seed)), server, tmp_path)
