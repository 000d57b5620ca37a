"""Softmax, with or without a hidden layer, trained at all sites and for all rules at once."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np


@dataclass(frozen=True, slots=True)
class Model:
    """Layer widths (inputs, [hidden,] classes) and how a site trains between two merges.

    `batch` rows are drawn with replacement for each gradient step; None takes all rows of the site.
    """

    widths: tuple[int, ...]
    rounds: int
    steps: int
    batch: int | None
    rate: float

    @property
    def size(self) -> int:
        """How many parameters."""
        return sum((wide + 1) * narrow for wide, narrow in pairwise(self.widths))

    def initial(self, rng: np.random.Generator) -> np.ndarray:
        """float32[size]: zeros without a hidden layer, else He's normal weights and zero biases."""
        parts = []
        for wide, narrow in pairwise(self.widths):
            scale = np.sqrt(2 / wide) if len(self.widths) > 2 else 0.0
            parts += [rng.normal(0, 1, wide * narrow) * scale, np.zeros(narrow)]
        return np.concatenate(parts).astype(np.float32)

    def layers(self, params: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
        """Views of params[..., size] as weights [..., in, out] and biases [..., 1, out]."""
        found, start = [], 0
        for wide, narrow in pairwise(self.widths):
            middle, stop = start + wide * narrow, start + (wide + 1) * narrow
            weights = params[..., start:middle].reshape(*params.shape[:-1], wide, narrow)
            found.append((weights, params[..., np.newaxis, middle:stop]))
            start = stop
        return found

    def scores(self, params: np.ndarray, x: np.ndarray) -> np.ndarray:
        """Log-odds up to a constant, [..., rows, classes]."""
        *hidden, (weights, biases) = self.layers(params)
        for inner, bias in hidden:
            x = np.maximum(x @ inner + bias, 0)
        return x @ weights + biases

    def accuracy(self, params: np.ndarray, x: np.ndarray, y: np.ndarray) -> float:
        """Share of rows whose class is called."""
        with np.errstate(all="ignore"):
            return float((self.scores(params, x).argmax(axis=-1) == y).mean())


@dataclass(frozen=True, slots=True)
class Rows:
    """The sites' training rows, padded: x float32[n, m, F], truth float32[n, m, classes], sizes."""

    x: np.ndarray
    truth: np.ndarray
    sizes: np.ndarray

    def drawn(self, batch: int | None, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
        """(x, truth, weight of each row) of one step."""
        if batch is None:
            inside = np.arange(self.x.shape[1]) < self.sizes[:, np.newaxis]
            return self.x, self.truth, (inside / self.sizes[:, np.newaxis]).astype(np.float32)
        picks = (rng.random((len(self.sizes), batch)) * self.sizes[:, np.newaxis]).astype(int)
        site = np.arange(len(self.sizes))[:, np.newaxis]
        weight = np.full((len(self.sizes), batch), 1 / batch, np.float32)
        return self.x[site, picks], self.truth[site, picks], weight


def pad(parts: list[tuple[np.ndarray, np.ndarray]], classes: int) -> Rows:
    """Stack the rows (x, y) of every site."""
    sizes = np.array([len(y) for _, y in parts])
    x = np.zeros((len(parts), sizes.max(), parts[0][0].shape[1]), np.float32)
    truth = np.zeros((len(parts), sizes.max(), classes), np.float32)
    for site, (values, y) in enumerate(parts):
        x[site, : len(y)] = values
        truth[site, np.arange(len(y)), y] = 1
    return Rows(x, truth, sizes)


def train(model: Model, params: np.ndarray, rows: Rows, rng: np.random.Generator) -> np.ndarray:
    """One round at every site from each of R models: params[R, size] -> updates [R, n, size].

    All R see the same batches. A model that an attack blew up gives updates that are not finite.
    """
    count = len(rows.sizes)
    updates = np.repeat(params[:, np.newaxis], count, axis=1)
    slopes = np.empty_like(updates)
    views = list(zip(model.layers(updates), model.layers(slopes), strict=True))
    with np.errstate(all="ignore"):
        for _ in range(model.steps):
            x, truth, weight = rows.drawn(model.batch, rng)
            _slopes(views, x, truth, weight[..., np.newaxis])
            slopes *= np.float32(model.rate)
            updates -= slopes
    return updates


def _slopes(views: list, x: np.ndarray, truth: np.ndarray, weight: np.ndarray) -> None:
    """Gradient of the mean cross-entropy, written through the views of each layer."""
    seen = [x]
    for (inner, bias), _ in views[:-1]:
        seen.append(np.maximum(seen[-1] @ inner + bias, 0))
    (weights, biases), _ = views[-1]
    odds = seen[-1] @ weights + biases
    odds -= odds.max(axis=-1, keepdims=True)
    np.exp(odds, out=odds)
    odds /= odds.sum(axis=-1, keepdims=True)
    error = (odds - truth) * weight
    for place in reversed(range(len(views))):
        (weights, _), (slope, bias_slope) = views[place]
        slope[:] = np.swapaxes(seen[place], -1, -2) @ error
        bias_slope[:] = error.sum(axis=-2, keepdims=True)
        if place:
            error = (error @ np.swapaxes(weights, -1, -2)) * (seen[place] > 0)
