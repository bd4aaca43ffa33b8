"""Where the process goes: a box that it leaves with negligible probability."""

from itertools import product

import numpy as np
from scipy.sparse import csr_matrix

_CELLS = {1: 1500, 2: 100}
_TAIL = {1: 1e-14, 2: 1e-10}
_CORE = {1: 0.64, 2: 0.6}


def checked_domain(domain, start, name="domain"):
    """A box around the start as an array of shape `(d, 2)`, or None.

    Args:
        domain: what was given.
        start: shape `(d,)`.
        name: of the argument.

    Raises:
        ValueError: another shape, limits that are not finite or not increasing, a start outside, or more than two
            components.
    """
    if domain is None:
        return None
    if len(start) not in _CELLS:
        raise ValueError(f"a box serves one or two components, not {len(start)}: leave `{name}` out.")
    box = np.asarray(domain)
    if box.shape != (len(start), 2) or box.dtype.kind not in "iuf":
        raise ValueError(
            f"`{name}` must hold the two limits of each component, shape {(len(start), 2)}, got {domain!r}."
        )
    low, high = box.astype(float).T
    if not (np.all(np.isfinite(box)) and np.all(low < high)):
        raise ValueError(f"`{name}` must hold finite limits, the lower one first, got {domain!r}.")
    if not np.all((low <= start) & (start <= high)):
        raise ValueError(f"`{name}` must hold the start {start.tolist()}, got {domain!r}: widen it, or leave it out.")
    return box.astype(float)


def find_domain(step, noise, start, steps):
    """Box whose core holds the process up to the tail probability at every one of its steps.

    The law is pushed forward on a uniform histogram, each image shared among its neighboring cells; the histogram's
    window doubles until nothing reaches its faces, then shrinks to what was visited.

    Args:
        step: `step(x, noise_point)`, with x of shape `(d, N)`.
        noise: a `NoiseLaw`.
        start: shape `(d,)`.
        steps: number of steps.

    Returns:
        Box of shape `(d, 2)`, or None when no window up to a scale of 10¹² holds the process: it diverges.
    """
    images = np.stack([step(start[:, None], point)[:, 0] for point in noise.points])
    reach = 4 * np.abs(images - start).max(axis=0) * np.sqrt(steps) + 1e-6 * (1 + np.abs(start))
    low, high = start - reach, start + reach
    for _ in range(40):
        visited = _visited(step, noise, start, steps, low, high)
        if visited is None:
            low, high = low - (high - low) / 2, high + (high - low) / 2
            if np.abs(high).max() > 1e12:
                return None
            continue
        margin = 2 * (high - low) / _CELLS[len(start)]
        tight = visited[0] - margin, visited[1] + margin
        if np.all(tight[1] - tight[0] > 0.4 * (high - low)):
            center, half = (tight[0] + tight[1]) / 2, (tight[1] - tight[0]) / 2 / _CORE[len(start)]
            box = np.stack([center - half, center + half], axis=1)
            return _toward_inflow(step, noise, box, tight) if len(start) == 1 else box
        low, high = tight
    return None


def _toward_inflow(step, noise, box, visited):
    """Move each face of an interval on to where the drift points inward, if that is not too far.

    A face with outward drift needs the grid's collar to hold the flow back, which bends functions sharply. What was
    visited stays within the core of the wider interval.
    """
    faces, width = box[0].copy(), box[0, 1] - box[0, 0]
    for face, side in enumerate((-1, 1)):
        for stretch in np.linspace(0, 2, 21):
            at = np.array([[box[0, face] + side * stretch * width]])
            drift = sum(w * step(at, point) for point, w in zip(noise.points, noise.weights, strict=True)) - at
            if side * drift[0, 0] < 0:
                faces[face] = at[0, 0] + (side * 0.15 * width if stretch > 0 else 0)
                break
    share = (1 + _CORE[1]) / 2
    low = min(faces[0], (visited[0][0] - (1 - share) * faces[1]) / share)
    high = max(faces[1], (visited[1][0] - (1 - share) * faces[0]) / share)
    return np.array([[low, high]])


def _visited(step, noise, start, steps, low, high):
    """Bounds of the cells that were ever visited, or None when the window's faces were."""
    dimension = len(start)
    cells = _CELLS[dimension]
    axes = [np.linspace(a, b, cells) for a, b in zip(low, high, strict=True)]
    points = np.stack([part.ravel() for part in np.meshgrid(*axes, indexing="ij")])
    push = _push_forward(step, noise, points, low, high, cells)
    mass = _deposit(start[:, None], low, high, cells, np.ones(1))
    density = np.bincount(mass[0].ravel(), mass[1].ravel(), minlength=points.shape[1])
    occupied = density.copy()
    for _ in range(steps):
        density = push @ density
        np.maximum(occupied, density, out=occupied)
    reached = (occupied > _TAIL[dimension]).reshape((cells,) * dimension)
    bounds = []
    for axis in range(dimension):
        hit = np.flatnonzero(reached.any(axis=tuple(k for k in range(dimension) if k != axis)))
        if hit[0] == 0 or hit[-1] == cells - 1:
            return None
        bounds.append((axes[axis][hit[0]], axes[axis][hit[-1]]))
    return np.array(bounds).T


def _push_forward(step, noise, points, low, high, cells):
    total = points.shape[1]
    rows, values = [], []
    for point, weight in zip(noise.points, noise.weights, strict=True):
        index, share = _deposit(step(points, point), low, high, cells, np.full(total, weight))
        rows.append(index)
        values.append(share)
    rows, values = np.concatenate(rows), np.concatenate(values)
    columns = np.broadcast_to(np.arange(total), rows.shape)
    return csr_matrix((values.ravel(), (rows.ravel(), columns.ravel())), shape=(total, total))


def _deposit(points, low, high, cells, weight):
    """Cell indices and shares of each point among its 2^d neighbors; what is not finite goes to a face."""
    dimension = len(points)
    local = (points - low[:, None]) / (high - low)[:, None] * (cells - 1)
    local = np.clip(np.nan_to_num(local, nan=cells, posinf=cells, neginf=-1), 0, cells - 1)
    base = np.minimum(local.astype(int), cells - 2)
    fraction = local - base
    index, share = [], []
    for corner in product((0, 1), repeat=dimension):
        offset = np.array(corner)[:, None]
        index.append(np.ravel_multi_index(tuple(base + offset), (cells,) * dimension))
        share.append(weight * np.prod(np.where(offset == 1, fraction, 1 - fraction), axis=0))
    return np.stack(index), np.stack(share)
