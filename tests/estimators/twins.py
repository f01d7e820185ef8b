"""Slow and plain twins of the estimators, in float64 and with loops, to test against."""

import math
from collections import Counter

import numpy as np


def squared_distances(values):
    values = np.asarray(values, dtype=np.float64).reshape(len(values), -1)
    return np.array([[np.sum((a - b) ** 2) for b in values] for a in values])


def kde_information(distances, variance, factor):
    """Kolchinsky and Tracey's bound in nats: factor 2 for the upper one, 8 for the lower one."""
    n = len(distances)
    total = 0.0
    for i in range(n):
        kernel = [math.exp(-distances[i][j] / (factor * variance)) for j in range(n)]
        total += math.log(math.fsum(kernel) / n)
    return -total / n


def kde(values, labels, variance, factor=2):
    distances = squared_distances(values)
    ixm = kde_information(distances, variance, factor)
    within = 0.0
    for label in set(labels):
        members = [i for i, other in enumerate(labels) if other == label]
        block = distances[np.ix_(members, members)]
        within += len(members) / len(labels) * kde_information(block, variance, factor)
    return ixm, ixm - within


def entropy(items):
    counts = Counter(items).values()
    total = sum(counts)
    return -sum(c / total * math.log(c / total) for c in counts)


def binning(values, labels, bin_size):
    values = np.asarray(values, dtype=np.float64).reshape(len(values), -1)
    codes = [tuple(math.floor(v / bin_size) for v in row) for row in values]
    within = 0.0
    for label in set(labels):
        members = [code for code, other in zip(codes, labels, strict=True) if other == label]
        within += len(members) / len(labels) * entropy(members)
    return entropy(codes), entropy(codes) - within


def renyi_entropy(kernel, alpha):
    shares = np.linalg.eigvalsh(np.asarray(kernel) / np.trace(kernel))
    shares = [share for share in shares if share > 1e-15]
    if alpha == 1:
        return -sum(share * math.log(share) for share in shares)
    return math.log(sum(share**alpha for share in shares)) / (1 - alpha)


def renyi(values, labels, alpha, width):
    """I(X;M) with the identity as kernel of X, and I(Y;M), from whole Hadamard products."""
    n = len(values)
    kernel = np.exp(squared_distances(values) / (-2 * width**2))
    classes = np.array([[float(a == b) for b in labels] for a in labels])
    of_values, of_classes = renyi_entropy(kernel, alpha), renyi_entropy(classes, alpha)
    ixm = renyi_entropy(np.eye(n), alpha) + of_values - renyi_entropy(kernel * np.eye(n), alpha)
    return ixm, of_classes + of_values - renyi_entropy(kernel * classes, alpha)


def _digamma(number):
    """ψ of a whole number."""
    return -0.5772156649015329 + sum(1 / i for i in range(1, number))


def ksg(x, y, k):
    n = len(x)

    def gap(values, i, j):
        return max(abs(a - b) for a, b in zip(values[i], values[j], strict=True))

    total = 0.0
    for i in range(n):
        others = [j for j in range(n) if j != i]
        radius = sorted(max(gap(x, i, j), gap(y, i, j)) for j in others)[k - 1]
        near_x = sum(gap(x, i, j) < radius for j in others)
        near_y = sum(gap(y, i, j) < radius for j in others)
        total += _digamma(near_x + 1) + _digamma(near_y + 1)
    return _digamma(k) + _digamma(n) - total / n


def ross(values, labels, k):
    kept = [i for i, label in enumerate(labels) if list(labels).count(label) > 1]
    total = 0.0
    for i in kept:
        same = [j for j in kept if labels[j] == labels[i]]
        gaps = {j: math.dist(values[i], values[j]) for j in kept if j != i}
        near = min(k, len(same) - 1)
        radius = sorted(gaps[j] for j in same if j != i)[near - 1]
        around = sum(gap <= radius for gap in gaps.values())
        total += _digamma(near) - _digamma(len(same)) - _digamma(around)
    return _digamma(len(kept)) + total / len(kept)


def equal_mass(values, labels, bins):
    ordered = sorted(value for row in values for value in row)
    edges = [ordered[len(ordered) * i // bins] for i in range(1, bins)]
    codes = [tuple(sum(value >= edge for edge in set(edges)) for value in row) for row in values]
    within = 0.0
    for label in set(labels):
        members = [code for code, other in zip(codes, labels, strict=True) if other == label]
        within += len(members) / len(labels) * entropy(members)
    return entropy(codes), entropy(codes) - within


def unit_entropies(values, bin_size):
    columns = np.asarray(values, dtype=np.float64).T
    return [entropy([math.floor(v / bin_size) for v in unit]) / math.log(2) for unit in columns]
