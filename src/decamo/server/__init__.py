"""A network as a local page and a REST endpoint."""

from decamo.server.answers import Answer
from decamo.server.app import Limits, create_app
from decamo.server.decoder import Decoder, Undecodable

__all__ = ["Answer", "Decoder", "Limits", "Undecodable", "create_app"]
