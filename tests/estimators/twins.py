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
