"""Works on a Ray cluster: restores a plan, makes a degraded set, or measures an evaluation.

Ray is imported when a cluster is used.
"""

from magn_cli.batch.cluster.address import check_address
from magn_cli.batch.cluster.pipeline import started
from magn_cli.batch.cluster.room import check_device
from magn_cli.batch.cluster.staff import ClusterSettings

__all__ = ["ClusterSettings", "check_address", "check_device", "started"]
