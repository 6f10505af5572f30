"""The way to a Ray cluster, for whatever can be spread over machines."""

from __future__ import annotations

from types import ModuleType

from tlpipe.errors import ConfigError


def connect(address: str | None) -> ModuleType:
    """Ray, connected; ``shutdown`` leaves the cluster.

    Args:
        address: of a running cluster (``auto``, ``HOST:6379``), or None to start one here.

    Raises:
        ConfigError: Ray is not installed, or there is no cluster at ``address``.
    """
    try:
        import ray
    except ImportError:
        raise ConfigError(
            "Ray is not installed.", todo="pip install 'tlpipe[ray]', or leave out --engine ray"
        ) from None
    try:
        ray.init(address=address, log_to_driver=False, logging_level="error")
    except (ConnectionError, ValueError) as error:
        raise ConfigError(
            f"There is no Ray cluster at '{address}'.",
            cause=str(error).splitlines()[0],
            todo="start one with `ray start --head`, then use --address auto",
        ) from None
    return ray
