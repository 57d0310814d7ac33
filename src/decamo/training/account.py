"""What a run says of itself in plain values: the journal's line for it, and what came of it."""

from typing import Any

from decamo.settings import TrainSettings
from decamo.settings.plain import to_plain
from decamo.training.prepare import Prepared

__all__ = ["run_line", "run_outcome"]


def run_line(settings: TrainSettings, prepared: Prepared) -> dict[str, Any]:
    """The journal's line for a start or a resume."""
    word, reason = prepared.resumption.told
    return {
        "word": word,
        "reason": reason,
        "settings": to_plain(settings),
        "ledger": prepared.resumption.ledger.to_plain(),
        "train_images": len(prepared.supply.train),
        "val_images": len(prepared.supply.val),
        "unreadable": {str(bad.path): bad.reason for bad in prepared.supply.bad},
        "orphans": [str(path) for path in prepared.supply.orphans],
        "device": str(prepared.trainer.runtime.device),
        "dtype": str(prepared.trainer.runtime.dtype or "torch.float32"),
    }


def run_outcome(prepared: Prepared, stopped: str) -> dict[str, Any]:
    """What came of a run, for ``--json``.

    Args:
        prepared: with the trainer after it has run.
        stopped: why before its end; empty for none.
    """
    state = prepared.trainer.state
    word, reason = prepared.resumption.told
    best = prepared.trainer.folder.best
    return {
        "word": word,
        "reason": reason,
        "epoch": state.position.epoch,
        "step": state.position.step,
        "stopped": stopped,
        "best_iou": state.best.iou if state.best.epoch else None,
        "best_epoch": state.best.epoch or None,
        "best_model": str(best) if best.exists() else None,
        "epochs": [record.to_plain() for record in state.history],
    }
