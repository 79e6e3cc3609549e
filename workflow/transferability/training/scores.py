"""Scores of a layer's features that take seconds and do not train a network: kNN, a linear probe,
LogME, and the similarity of two layers.

Features are float N×D with a row for each image, labels int N.
"""

import numpy as np
from sklearn.linear_model import LogisticRegression, LogisticRegressionCV
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

NEIGHBOURS = 20
FOLDS = 3
PENALTIES = tuple(10.0**k for k in range(-4, 3))
"""Values of C, the inverse of the strength of regularisation."""
STEPS = 500
FIXED_POINT_STEPS, CONVERGED = 100, 1e-6


def knn(train: np.ndarray, labels: np.ndarray, test: np.ndarray, right: np.ndarray) -> float:
    """The accuracy on `test` of a vote of the 20 nearest training images by cosine distance."""
    neighbours = min(NEIGHBOURS, len(train))
    model = KNeighborsClassifier(neighbours, metric="cosine", algorithm="brute")
    return model.fit(train, labels).score(test, right)


def linear_probe(
    train: np.ndarray, labels: np.ndarray, test: np.ndarray, right: np.ndarray
) -> float:
    """The accuracy on `test` of a logistic regression on standardised features.

    Its regularisation is chosen by the accuracy in a 3-fold cross-validation on the training
    images; if a class has fewer than 3 of them, it is scikit-learn's default.
    """
    settings = {"max_iter": STEPS, "tol": 1e-3}
    if np.unique(labels, return_counts=True)[1].min() < FOLDS:
        model = LogisticRegression(**settings)
    else:
        model = LogisticRegressionCV(
            Cs=PENALTIES,
            l1_ratios=(0,),
            cv=FOLDS,
            scoring="accuracy",
            use_legacy_attributes=False,
            **settings,
        )
    return make_pipeline(StandardScaler(), model).fit(train, labels).score(test, right)


def logme(features: np.ndarray, labels: np.ndarray) -> float:
    """The log of the maximum evidence, per image, of a Bayesian linear regression from the features
    to each class (1 or 0), averaged over classes.

    The weights have the prior N(0, 1/α), the noise has the variance 1/β. α and β maximise the
    evidence and are found by fixed-point iteration on α/β. Source: You et al. 2021 (ICML), with the
    iteration of You et al. 2022 (JMLR 23); the determinant is of all D weights, even if D > N.
    """
    count, width = features.shape
    u, s, _ = np.linalg.svd(features.astype(np.float64), full_matrices=False)
    kept = s > s[0] * max(count, width) * np.finfo(np.float64).eps
    u, sigma = u[:, kept], s[kept] ** 2
    evidences = []
    for label in np.unique(labels):
        y = (labels == label).astype(np.float64)
        along = (u.T @ y) ** 2
        # The part of the variation that no weights can explain.
        beyond = max(y @ y - along.sum(), 0)
        ratio = 1.0
        for _ in range(FIXED_POINT_STEPS):
            gamma = (sigma / (ratio + sigma)).sum()
            weights = (sigma * along / (ratio + sigma) ** 2).sum()
            residual = (along * (ratio / (ratio + sigma)) ** 2).sum() + beyond
            # Without the limits, alpha or beta would be infinite, e.g. for a class without error.
            alpha, beta = gamma / max(weights, 1e-12), (count - gamma) / max(residual, 1e-12)
            before, ratio = ratio, alpha / beta
            if abs(ratio - before) <= CONVERGED * before:
                break
        # The evidence at these α and β; their ratio has converged to that of the weights.
        log_determinant = np.log(alpha + beta * sigma).sum() - len(sigma) * np.log(alpha)
        fit = count * np.log(beta / (2 * np.pi)) - beta * residual - alpha * weights
        evidences.append((fit - log_determinant) / (2 * count))
    return float(np.mean(evidences))


def cka(x: np.ndarray, y: np.ndarray) -> float:
    """The debiased linear CKA of two layers' features of the same images, N×D and N×E: 1 for
    layers that differ only by a rotation and a factor, 0 on average for independent layers.

    It needs at least 4 images, and is NaN if a layer gives all images the same features. Source:
    Kornblith et al. 2019 (ICML), with the unbiased HSIC of Song et al. 2012 (JMLR 13).
    """
    x, y = (side.astype(np.float64) - side.mean(axis=0) for side in (x, y))
    cross, *own = _hsic(x, y), _hsic(x, x), _hsic(y, y)
    return float(cross / np.sqrt(own[0] * own[1])) if min(own) > 0 else float("nan")


def _hsic(x: np.ndarray, y: np.ndarray) -> float:
    """The unbiased HSIC of two linear kernels, without the N×N matrices, times N (N − 3)."""
    count = len(x)
    # The diagonals of both kernels, and the sums of their rows without the diagonals.
    diagonals = [(side**2).sum(axis=1) for side in (x, y)]
    rows = [
        side @ side.sum(axis=0) - diagonal for side, diagonal in zip((x, y), diagonals, strict=True)
    ]
    trace = ((x.T @ y) ** 2).sum() - diagonals[0] @ diagonals[1]
    means = rows[0].sum() * rows[1].sum() / ((count - 1) * (count - 2))
    return trace + means - 2 * (rows[0] @ rows[1]) / (count - 2)
