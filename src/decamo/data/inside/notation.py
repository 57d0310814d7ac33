"""How masks are written down where they are no files."""

from enum import StrEnum

__all__ = ["TABLE", "Notation"]

TABLE = ".parquet"


class Notation(StrEnum):
    """A format of annotations or tables."""

    COCO = "coco"
    YOLO = "yolo"
    LABELME = "labelme"
    PARQUET = "parquet"

    @property
    def label(self) -> str:
        """As its makers write it."""
        return {"coco": "COCO", "yolo": "YOLO", "labelme": "LabelMe", "parquet": "Parquet"}[self]
