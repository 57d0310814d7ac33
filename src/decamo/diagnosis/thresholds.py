"""The numbers that opinions rest on, each with its origin; most are the action plan's own."""

from dataclasses import dataclass

from decamo.history import Point

__all__ = ["SITUATION", "TARGET", "Thresholds"]

TARGET = 0.72
"""The action plan's target IoU."""

SITUATION = Point(epoch=86, iou=0.6221)
"""Where the action plan's reader stands. It stands in for a start that a few printed lines of
epochs 87 to 150 (its longest option ends there) do not tell."""


@dataclass(frozen=True)
class Thresholds:
    """Where one word ends and the next begins.

    Attributes:
        plateau_gain: IoU. "Only gained 0.01 IoU in last 17 epochs" is a plateau.
        plateau_epochs: epochs of that sentence.
        moving_gain: IoU in ``moving_epochs`` that the plan calls "slow progress but moving":
            0.6221 at epoch 86, 0.6534 at 106. A plateau must rule this pace out.
        moving_epochs: epochs of that gain.
        healthy_gain: IoU. "After 10 epochs: if IoU improved by +0.02 or more: continue."
        healthy_epochs: epochs of that sentence.
        flat_gain: IoU; "flat or worse" of that sentence: a tenth of what it asks for.
        stuck_epochs: "still stuck after 20 epochs" of a new schedule (there 0.6221 -> 0.6281).
        review_epochs: "evaluate after 30 epochs".
        review_share: 0.66 there is the least good progress: 0.4 of the way from 0.62 to 0.72.
        held_back: times as fast as now that the run rose at rates ten times as high or more (a
            tenth is ``lr_exhausted``) for the rate to hold it back. Our choice: paces that are
            called slow differ among themselves by up to 3.4 (``healthy_pace`` over
            ``plateau_pace``), and this is more.
        near: IoU under the target that is "almost there": 0.70 of 0.72.
        loss_factor: the plan's explosion is x 6.7 (0.2341 -> 1.5678). A doubling is already far
            outside of the noise of an epoch's mean; the IoU must fall too.
        drop: IoU. The plan's explosion falls by 0.51. A fall by 0.1 throws away what 0.62 -> 0.72
            is about.
        lone_drop: IoU; a fall that is an explosion even where no loss was written down: half a
            score of 0.5.
        dip_epochs: "IoU drops slightly for 2-3 epochs before improving. This is normal."
        dip_depth: IoU; what counts as a dip at all; twice a plateau's gain.
        dip_noise: a dip is also this many times the run's noise deep; 4 sigma is one epoch in
            30,000.
        dip_recent: epochs for which a dip is still what there is to talk about.
        fall: IoU that must be lost since the peak to speak of overfitting; the plan's 0.01.
        confidence: one-sided, of every test. Our choice: at 0.9 a slow run is called a plateau
            in one of ten cases at the border and far less away from it.
        lean: probability that the gain is a plateau's from which it is called one. Under a half,
            since ``confidence`` has ruled out a moving run already; set on made-up runs.
        noise: IoU; standard deviation of an epoch's score about its trend, before anything is
            known of a run. Our guess, worth ``noise_weight`` epochs of evidence.
        noise_weight: see ``noise``.
        few: under this many epochs with a score, a log is read with what is known of its start.
        lr_constant: relative spread of a learning rate that counts as none.
        lr_exhausted: share of its peak that is used up; the plan's Option 1 ends at 0.05 and
            stands at 0.075 where it is "ready to finish".
        lr_rise: relative rise that counts; the plan's review uses the same 5 %.
        ema_share: share of initial weights in the average that matters.
        ema_trail: epochs by which the average may trail: the plan's window of normal dips.
        dead_share: an expert under this share of its fair part is dead. Our choice.
        collapse: effective number of experts (exp of the entropy) under this share of all of
            them is a collapse. Our choice.
        sure_wrong: share of wrong pixels with a probability within 0.01 of 0 or 1. Our choice;
            not yet held against many runs.
        one_sided: ratio of predicted to true object area, or its inverse, that counts.
    """

    plateau_gain: float = 0.01
    plateau_epochs: int = 17
    moving_gain: float = 0.6534 - 0.6221
    moving_epochs: int = 20
    healthy_gain: float = 0.02
    healthy_epochs: int = 10
    flat_gain: float = 0.002
    stuck_epochs: int = 20
    review_epochs: int = 30
    review_share: float = 0.4
    held_back: float = 4.0
    near: float = 0.02
    loss_factor: float = 2.0
    drop: float = 0.1
    lone_drop: float = 0.25
    dip_epochs: int = 3
    dip_depth: float = 0.02
    dip_noise: float = 4.0
    dip_recent: int = 6
    fall: float = 0.01
    confidence: float = 0.9
    lean: float = 0.35
    noise: float = 0.004
    noise_weight: float = 4.0
    few: int = 5
    lr_constant: float = 0.01
    lr_exhausted: float = 0.1
    lr_rise: float = 0.05
    ema_share: float = 0.05
    ema_trail: float = 3.0
    dead_share: float = 0.1
    collapse: float = 0.4
    sure_wrong: float = 0.5
    one_sided: float = 2.0

    @property
    def plateau_pace(self) -> float:
        """IoU an epoch up to which a run stands still."""
        return self.plateau_gain / self.plateau_epochs

    @property
    def moving_pace(self) -> float:
        """IoU an epoch of the plan's slow but moving run."""
        return self.moving_gain / self.moving_epochs

    @property
    def healthy_pace(self) -> float:
        """IoU an epoch from which a run is healthy."""
        return self.healthy_gain / self.healthy_epochs
