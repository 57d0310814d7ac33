"""Procedural camouflage: scenes with a hidden animal, for demonstrations and tests.

No download, no licence, the same pictures everywhere: a texture from nature, and on it an animal
of the same family of texture, the same colours and the same histogram, that only its grain and a
faint contour betray.
"""

from decamo.data.scenes.compose import Scene, make_scene, write_scenes

__all__ = ["Scene", "make_scene", "write_scenes"]
