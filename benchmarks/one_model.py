"""One model for every weight against the best linear models, on pictures that it never saw.

    python benchmarks/one_model.py FOLDER [--epochs 95] [--size 64] [--choose]

Three quarters of the pictures are for training. The rest is divided by their content into a half to choose settings
on (`--choose`) and a half to report. Prints, for six weights, L of the principal components with 128 latents, of the
spectral closed form with all directions, and of the model after the given passes, and its PSNR and SSIM.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np

import kvae
from kvae.images.pca import fit_pca
from kvae.measures.gaussian_limit import HeldOut, held_out
from kvae.measures.likeness import structural_similarity
from kvae.objectives.likelihoods import psnr

WEIGHTS = (1.0, 0.3, 0.1, 0.04, 0.02, 0.01)


def main() -> None:
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("folder")
    made.add_argument(
        "--epochs", type=int, default=95, help="passes: 95 over 1,078 pictures are ten minutes of two cores"
    )
    made.add_argument("--size", type=int, default=64)
    made.add_argument("--seed", type=int, default=0)
    made.add_argument("--choose", action="store_true", help="measure on the half that settings are chosen on")
    flags = made.parse_args()

    collection = kvae.open_collection(flags.folder, size=flags.size)
    training, others = collection.split(0.25)
    chosen = np.array([bytes(digest)[8] % 2 == 0 for digest in collection.digests[others]])
    pictures = collection.read(others[chosen == flags.choose])
    pca = fit_pca(lambda: collection.blocks(training), 128)
    components = held_out(pca, [pictures])
    with tempfile.TemporaryDirectory() as folder:
        run = kvae.train(
            flags.folder,
            output=Path(folder, "model.keras"),
            kl_weight=(0.01, 1.0),
            size=flags.size,
            validation=0.25,
            epochs=flags.epochs,
            seed=flags.seed,
            balance_every=0,
        )
    model, spectrum = run.model, run.prepared.statistics.spectrum
    closed = HeldOut(spectrum.eigenvalues, *spectrum.moments([pictures]))
    print(f"{len(training)} pictures for training, {len(pictures)} measured; {run.seconds:.0f} s")
    columns = {"weight": 7, "PCA-128": 9, "closed": 9, "model": 9, "/PCA": 6, "/closed": 8, "D": 8, "R": 8}
    print(" ".join(f"{name:>{width}}" for name, width in {**columns, "PSNR": 6, "SSIM": 6}.items()))
    for weight in WEIGHTS:
        model.kl_weight = weight
        found = model.evaluate(pictures, batch_size=50, verbose=0, return_dict=True)
        linear, best = components.at(weight, 128).loss, closed.at(weight, len(spectrum.eigenvalues)).loss
        output, loss = model.reconstruct(pictures), found["loss"]
        decibels = float(np.mean(psnr(pictures / np.float32(255.0), output)))
        likeness = float(np.mean(structural_similarity(pictures / np.float32(255.0), output)))
        print(
            f"{weight:7g} {linear:9.1f} {best:9.1f} {loss:9.1f} {loss / linear:6.3f} {loss / best:8.3f} "
            f"{found['distortion']:8.1f} {found['rate']:8.1f} {decibels:6.2f} {likeness:6.3f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
