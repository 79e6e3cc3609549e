"""Scores of features, each compared with a short independent implementation."""

import itertools

import numpy as np
import pytest
from scipy import optimize, stats
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score

from transferability.training import scores


@pytest.fixture
def random() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.fixture
def clouds(random) -> list[np.ndarray]:
    """Features and labels of 150 training and 90 validation images of three classes."""
    labels = [np.arange(count) % 3 for count in (150, 90)]
    centres = random.normal(size=(3, 6))
    features = [centres[of] + random.normal(size=(len(of), 6)) for of in labels]
    return [features[0], labels[0], features[1], labels[1]]


def test_knn_is_the_vote_of_the_nearest_images_by_cosine(clouds):
    train, labels, test, right = clouds
    unit = [side / np.linalg.norm(side, axis=1, keepdims=True) for side in (test, train)]
    nearest = np.argsort(-(unit[0] @ unit[1].T), axis=1)[:, :20]
    votes = np.array([np.bincount(labels[of], minlength=3) for of in nearest])
    assert scores.knn(*clouds) == (votes.argmax(axis=1) == right).mean()
    assert 0.5 < scores.knn(*clouds) < 1
    # The features of a single image.
    assert scores.knn(train[:1], labels[:1], test, right) == pytest.approx(1 / 3)


def test_the_linear_probe_is_a_logistic_regression_with_the_best_penalty(clouds):
    train, labels, test, right = clouds
    mean, std = train.mean(axis=0), train.std(axis=0)
    train, test = (train - mean) / std, (test - mean) / std
    models = [LogisticRegression(C=penalty) for penalty in scores.PENALTIES]
    accuracies = [cross_val_score(model, train, labels, cv=3).mean() for model in models]
    best = models[int(np.argmax(accuracies))].fit(train, labels)
    assert scores.linear_probe(*clouds) == pytest.approx(best.score(test, right), abs=1.5 / 90)


def test_a_class_of_few_images_is_probed_with_the_default_penalty(clouds):
    train, labels, test, right = clouds
    mean, std = train[:6].mean(axis=0), train[:6].std(axis=0)
    model = LogisticRegression().fit((train[:6] - mean) / std, labels[:6])
    expected = model.score((test - mean) / std, right)
    assert scores.linear_probe(train[:6], labels[:6], test, right) == pytest.approx(expected)


@pytest.mark.parametrize("shape", [(60, 5), (20, 40), (30, 30)], ids=str)
def test_logme_is_the_largest_evidence(random, shape):
    """The evidence of the Gaussian y ~ N(0, 1/β + F F'/α), from a general optimiser."""
    features = random.normal(size=shape)
    labels = np.argmax(features[:, :3] + random.normal(size=(shape[0], 3)), axis=1)

    def least(y: np.ndarray) -> float:
        def negative(logs):
            alpha, beta = np.exp(np.clip(logs, -20, 20))
            covariance = np.eye(len(y)) / beta + features @ features.T / alpha
            return -stats.multivariate_normal.logpdf(y, cov=covariance, allow_singular=True)

        return min(
            optimize.minimize(negative, start, method="Nelder-Mead").fun
            for start in itertools.product((-1, 3), (0, 3))
        )

    expected = -np.mean([least((labels == k).astype(float)) for k in np.unique(labels)]) / len(
        labels
    )
    assert scores.logme(features, labels) == pytest.approx(expected, abs=1e-4)


def test_logme_ignores_rotation_and_scale_and_prefers_better(clouds, random):
    train, labels, *_ = clouds
    turn = stats.ortho_group.rvs(6, random_state=0)
    first = scores.logme(train, labels)
    assert scores.logme(5 * train @ turn, labels) == pytest.approx(first, abs=1e-3)
    assert scores.logme(random.normal(size=train.shape), labels) < first - 0.1
    # Features that explain a class without error, or explain nothing.
    assert np.isfinite(scores.logme(np.eye(3)[labels], labels))
    assert np.isfinite(scores.logme(np.ones((150, 2)), labels))


def u_statistic(x: np.ndarray, y: np.ndarray) -> float:
    """HSIC from its definition, a mean over all quadruples of different images."""
    k, kernel = x @ x.T, y @ y.T
    terms = [
        k[i, j] * (kernel[i, j] + kernel[q, r] - 2 * kernel[i, q])
        for i, j, q, r in itertools.permutations(range(len(x)), 4)
    ]
    return float(np.mean(terms))


def test_cka_is_the_ratio_of_u_statistics(random):
    x, y = random.normal(size=(7, 3)), random.normal(size=(7, 4)) + 2
    y[:, :3] += x
    expected = u_statistic(x, y) / np.sqrt(u_statistic(x, x) * u_statistic(y, y))
    assert scores.cka(x, y) == pytest.approx(expected)


def test_cka_of_a_layer_with_itself_is_one(random):
    x = random.normal(size=(32, 10)) + 3
    turn = stats.ortho_group.rvs(10, random_state=0)
    assert scores.cka(x, x) == pytest.approx(1)
    assert scores.cka(x, 7 * x @ turn + 5) == pytest.approx(1)
    assert np.isnan(scores.cka(x, np.ones((32, 2))))


@pytest.mark.parametrize("width", [16, 256])
def test_cka_of_independent_layers_is_zero_on_average_at_32_images(random, width):
    """A single value differs from zero by chance; the biased CKA is above 0.3."""
    draws = [scores.cka(*random.normal(size=(2, 32, width))) for _ in range(400)]
    assert np.mean(draws) == pytest.approx(0, abs=0.02 / 2)
