"""Whether latents stand for the factors that pictures were made from, where these are known: MIG, DCI and SAP.

All are between 0 and 1, 1 is best, and none has a unit. They look at posterior means: of models with many latents at
the `MOST` with the highest rates, since the others tell next to nothing.

MIG: for each factor, the mutual information with its best latent less that with the second best, over the factor's
entropy; the mean over factors. Latents and continuous factors are divided into bins of equal counts.
DCI: random forests predict each factor from all latents. Disentanglement: each latent important for one factor alone;
completeness: each factor predicted by one latent alone; informativeness: R² or, above chance, accuracy on pictures the
forests did not see.
SAP: how much better the best latent by itself predicts a factor than the second best, by R² or a linear classifier.

References: Chen et al., 2018, arXiv:1802.04942 (MIG); Eastwood & Williams, 2018, "A framework for the quantitative
evaluation of disentangled representations" (DCI); Kumar et al., 2018, arXiv:1711.00848 (SAP).
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

MOST = 64  # latents that are looked at
BINS = 20  # of latents and continuous factors, at most; fewer for few pictures
PER_CELL = 5  # pictures for each cell of a table of two binned numbers, on average at least
TREES = 40
HELD = 0.25  # of the pictures, to measure informativeness on
FEWEST = 40  # pictures


@dataclass(frozen=True)
class Disentanglement:
    """The measures by name, each in [0, 1]; of DCI its three parts."""

    mig: float
    disentanglement: float
    completeness: float
    informativeness: float
    sap: float


def disentanglement(
    codes: np.ndarray, rates: np.ndarray, factors: Mapping[str, np.ndarray], seed: int = 0
) -> Disentanglement | None:
    """MIG, DCI and SAP of the posterior means `codes` (pictures, latent), whose dimensions carry `rates` (latent,)
    nats.

    `factors` has a column (pictures,) for each factor: numbers are continuous, strings and whole numbers are names.
    None where there are too few pictures, or no factor varies.
    """
    columns = {name: np.asarray(column) for name, column in factors.items()}
    columns = {name: column for name, column in columns.items() if len(np.unique(column)) > 1}
    if len(codes) < FEWEST or not columns:
        return None
    told = np.where(np.isfinite(rates), rates, 0.0)
    kept = np.sort(np.argsort(-told, kind="stable")[:MOST])
    seen = codes[:, kept].astype("float64")
    parts = dci(seen, columns, seed)
    return Disentanglement(mig(seen, columns), *parts, sap(seen, columns))


def mig(codes: np.ndarray, factors: Mapping[str, np.ndarray]) -> float:
    """The mutual information gap of `codes` (pictures, latent)."""
    from sklearn.metrics import mutual_info_score

    bins = int(min(BINS, max(2, np.sqrt(len(codes) / PER_CELL))))
    binned = [_binned(column, bins) for column in codes.T]
    gaps = []
    for column in factors.values():
        names = _names(column) if _is_named(column) else _binned(column, bins)
        entropy = mutual_info_score(names, names)
        shared = sorted((mutual_info_score(names, latent) for latent in binned), reverse=True)
        gaps.append((shared[0] - (shared[1] if len(shared) > 1 else 0.0)) / entropy)
    return float(np.mean(gaps))


def dci(codes: np.ndarray, factors: Mapping[str, np.ndarray], seed: int = 0) -> tuple[float, float, float]:
    """Disentanglement, completeness and informativeness of `codes` (pictures, latent)."""
    from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
    from sklearn.model_selection import train_test_split

    options = {"n_estimators": TREES, "max_features": None, "min_samples_leaf": 2, "random_state": seed}
    importances, informed = [], []
    for column in factors.values():
        named = _is_named(column)
        target = _names(column) if named else column.astype("float64")
        train, held, target, expected = train_test_split(codes, target, test_size=HELD, random_state=seed)
        forest = (RandomForestClassifier if named else RandomForestRegressor)(**options).fit(train, target)
        score = forest.score(held, expected)
        if named:
            chance = float(np.mean(expected == np.bincount(target).argmax()))
            score = (score - chance) / max(1.0 - chance, 1e-9)
        informed.append(min(max(score, 0.0), 1.0))
        importances.append(forest.feature_importances_)
    table = np.array(importances).T  # (latent, factors)
    share = table.sum(axis=1) / max(float(table.sum()), 1e-12)
    pure = float(np.sum(share * (1.0 - _entropies(table))))
    complete = float(np.mean(1.0 - _entropies(table.T)))
    return pure, complete, float(np.mean(informed))


def sap(codes: np.ndarray, factors: Mapping[str, np.ndarray]) -> float:
    """The separated attribute predictability of `codes` (pictures, latent)."""
    gaps = []
    for column in factors.values():
        scores = _by_classifier(codes, _names(column)) if _is_named(column) else _by_line(codes, column)
        scores = np.sort(scores)[::-1]
        gaps.append(scores[0] - (scores[1] if len(scores) > 1 else 0.0))
    return float(np.mean(gaps))


def _by_line(codes: np.ndarray, column: np.ndarray) -> np.ndarray:
    """R² of the straight line from each latent to a number, (latent,)."""
    centred, target = codes - codes.mean(axis=0), column.astype("float64") - column.mean(dtype="float64")
    power = np.sum(np.square(centred), axis=0) * np.sum(np.square(target))
    return np.square(target @ centred) / np.maximum(power, 1e-30)


def _by_classifier(codes: np.ndarray, names: np.ndarray) -> np.ndarray:
    """Balanced accuracy of a linear classifier of each latent alone, above chance, (latent,)."""
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
    from sklearn.metrics import balanced_accuracy_score

    classes = len(np.unique(names))
    priors = np.full(classes, 1.0 / classes)
    found = np.zeros(codes.shape[1])
    for place, column in enumerate(codes.T):
        if np.ptp(column) > 1e-9:
            column = column[:, None]
            guessed = LinearDiscriminantAnalysis(priors=priors).fit(column, names).predict(column)
            found[place] = (balanced_accuracy_score(names, guessed) - 1.0 / classes) / (1.0 - 1.0 / classes)
    return found


def _is_named(column: np.ndarray) -> bool:
    return column.dtype.kind not in "f"


def _names(column: np.ndarray) -> np.ndarray:
    return np.unique(column, return_inverse=True)[1]


def _binned(column: np.ndarray, bins: int) -> np.ndarray:
    """Which bin of equal counts each number is in; equal numbers share theirs."""
    edges = np.quantile(column, np.linspace(0.0, 1.0, bins + 1)[1:-1])
    return np.searchsorted(np.unique(edges), column, side="right")


def _entropies(table: np.ndarray) -> np.ndarray:
    """Entropy of each row of `table`, as shares of what it could be, in [0, 1]; 1 for a row of nothing."""
    if table.shape[1] < 2:
        return np.zeros(len(table))
    total = table.sum(axis=1, keepdims=True)
    share = np.where(total > 0, table / np.maximum(total, 1e-30), 1.0 / table.shape[1])
    return -np.sum(share * np.log(np.maximum(share, 1e-30)), axis=1) / np.log(table.shape[1])
