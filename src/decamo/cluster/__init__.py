"""Where work runs: in this process, or as tasks of a Ray cluster (`ray_session`, extra ``ray``)."""

from decamo.cluster.where import OnRay, Share, where_of

__all__ = ["OnRay", "Share", "where_of"]
