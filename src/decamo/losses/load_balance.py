"""Balance of the experts."""

from torch import Tensor

__all__ = ["balance_loss"]


def balance_loss(gates: Tensor, usage: Tensor) -> Tensor:
    """``E sum_e usage_e P_e``, averaged over levels: 1 where all experts are used alike.

    P is the mean gate of this batch and carries the gradient, which takes probability from the
    experts that were used more than others. In the load-balancing loss of Switch Transformers
    (Fedus et al. 2022) usage is that of the same batch; here it is a running average, so that a
    batch of one image, which may well need one expert only, is judged by its predecessors.

    Args:
        gates: ``[levels,B,E]``, rows sum to 1.
        usage: ``[levels,E]``, rows sum to 1; its gradient is cut.

    Returns:
        Scalar, about 1.
    """
    batch = gates.mean(1)
    return gates.shape[-1] * (usage.detach() * batch).sum(1).mean()
