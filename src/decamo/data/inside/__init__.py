"""Images and masks that are no files of their own: in a zip, an annotation, a table."""

from decamo.data.inside.inner_path import (
    FolderEntry,
    InnerPath,
    entries_of,
    located,
    same_content,
    title_of,
)
from decamo.data.inside.notation import Notation

__all__ = [
    "FolderEntry",
    "InnerPath",
    "Notation",
    "entries_of",
    "located",
    "same_content",
    "title_of",
]
