"""Where NetVLAD starts: centres of the local features, and how hard they are assigned."""

from __future__ import annotations

import warnings
from collections.abc import Iterable

import numpy as np
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits

from tlpipe.errors import ConfigError

# The wanted ratio of a feature's two largest assignments (NetVLAD, appendix A).
RATIO = 100


def local_features(maps: Iterable[np.ndarray], *, per_picture: int, seed: int) -> np.ndarray:
    """Features at random places of each picture, scaled to length 1: float32 (n, c).

    Args:
        maps: batches of feature maps, float (b, h, w, c).
        per_picture: places taken of a picture; all where the map has no more.
        seed: of the choice of places.
    """
    random = np.random.default_rng(seed)
    found = []
    for batch in maps:
        flat = batch.reshape(len(batch), -1, batch.shape[-1])
        places = random.permutation(flat.shape[1])[:per_picture]
        found.append(flat[:, places].reshape(-1, flat.shape[-1]))
    features = np.concatenate(found).astype("float32")
    return features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-6)


def find_clusters(features: np.ndarray, clusters: int, *, seed: int) -> tuple[np.ndarray, float]:
    """k-means centres of ``features``, and the alpha that makes assignments neither soft nor hard.

    With squared distances d1 and d2 to the two nearest centres, the ratio of the two assignments
    is exp(alpha (d2 - d1)); alpha makes its (geometric) mean 100.

    Args:
        features: float32 (n, c), each of length 1.
        clusters: how many; fewer than there are different features.
        seed: of the first centres.

    Returns:
        Centres, float32 (clusters, c), and alpha.

    Raises:
        ConfigError: there are too few different features.
    """
    if len(features) <= clusters:
        raise _too_few(clusters, f"there are {len(features)} local features in all")
    # With several threads the order of the sums, and so the last bit, is a matter of luck.
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        try:
            found = KMeans(clusters, n_init=1, random_state=seed).fit(features)
        except ConvergenceWarning as warning:
            raise _too_few(clusters, str(warning)) from None
        nearest = np.sort(found.transform(features) ** 2, axis=1)[:, :2]
    alpha = np.log(RATIO) / np.mean(nearest[:, 1] - nearest[:, 0])
    return found.cluster_centers_.astype("float32"), float(alpha)


def _too_few(clusters: int, cause: str) -> ConfigError:
    return ConfigError(
        f"NetVLAD can't start from {clusters} clusters of these pictures.",
        cause=cause,
        todo=f"ask for fewer, for example --set head.clusters={max(2, clusters // 2)}, "
        "or choose another --pool",
    )
