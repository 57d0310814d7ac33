"""A network as a local page and a REST endpoint."""

from decamo.server.answers import FoundMap
from decamo.server.app import Limits, create_app
from decamo.server.upload_decoder import Undecodable, UploadDecoder

__all__ = ["FoundMap", "Limits", "Undecodable", "UploadDecoder", "create_app"]
