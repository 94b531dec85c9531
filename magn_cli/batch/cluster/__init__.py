"""Restores a plan on the workers of a Ray cluster. Ray is imported when a cluster is used."""

from magn_cli.batch.cluster.address import check_address
from magn_cli.batch.cluster.pipeline import ClusterSettings, started

__all__ = ["ClusterSettings", "check_address", "started"]
