"""The critics' gradient step, written out by hand.

A round takes it `utd` times on small matrices. There autograd's own work (a node per operation,
gradients allocated and accumulated again) costs several times the arithmetic, and at the sizes of a
robot every fresh gradient is tens of megabytes of pages to fault in. Written out, the backward pass
puts each gradient where it stays for good.
"""

import torch
from torch import Tensor, nn

from tmrl_learner.algorithms.tmrl.mish import mish_and_slope
from tmrl_learner.algorithms.tmrl.networks import LAYER_NORM_EPSILON, CriticEnsemble
from tmrl_policies.torch_seam import split


def flatten(module: nn.Module) -> nn.Parameter:
    """Moves a module's parameters into one vector, and their gradients into another.

    The parameters become views: whatever is done to the vector (an optimiser's step, an average, a
    copy) is done to all of them in one call.

    Args:
        module: On its final device, with parameters of one dtype.

    Returns:
        The vector of shape (P,), its `grad` allocated.
    """
    parameters = list(module.parameters())
    flat = nn.Parameter(torch.cat([p.detach().flatten() for p in parameters]))
    flat.grad = torch.zeros_like(flat)
    sizes = [p.numel() for p in parameters]
    slices = zip(parameters, split(flat.detach(), sizes), split(flat.grad, sizes), strict=True)
    for parameter, value, grad in slices:
        parameter.data = value.view_as(parameter)
        parameter.grad = grad.view_as(parameter)
    return flat


class CriticGradient:
    """Gradient of the critics' regression (README, Eq. 1).

    Args:
        critic: An ensemble whose parameters have their `grad` allocated (`flatten`).
    """

    def __init__(self, critic: CriticEnsemble) -> None:
        self._critic = critic
        self._layers = [
            tuple((parameter.detach(), parameter.grad) for parameter in layer)
            for layer in critic.later_layers()
        ]

    @torch.no_grad()
    def __call__(self, inputs: Tensor, targets: Tensor) -> Tensor:
        """Overwrites every `grad` with the derivative of the summed losses of the members.

        Args:
            inputs: (B, I), of `critic_inputs`.
            targets: (B,).

        Returns:
            The members' mean loss, shape ().
        """
        x = self._critic.first_layer(inputs)
        width = x.shape[-1:]
        tape: list[tuple[Tensor, ...]] = []
        for (weight, _), (bias, _), (gain, _), (shift, _) in self._layers:
            normal, *moments = torch.native_layer_norm(x, width, None, None, LAYER_NORM_EPSILON)
            value, slope = mish_and_slope(torch.addcmul(shift, normal, gain))
            tape.append((x, *moments, normal, value, slope))
            x = torch.baddbmm(bias, value, weight)
        error = x.squeeze(-1) - targets
        grad = error.mul(2.0 / len(targets)).unsqueeze(-1)
        for layer, saved in zip(reversed(self._layers), reversed(tape), strict=True):
            (weight, d_weight), (_, d_bias), (gain, d_gain), (_, d_shift) = layer
            x, mean, inverse_std, normal, value, slope = saved
            torch.bmm(value.mT, grad, out=d_weight)
            torch.sum(grad, dim=1, keepdim=True, out=d_bias)
            grad = torch.bmm(grad, weight.mT).mul_(slope)
            torch.sum(grad, dim=1, keepdim=True, out=d_shift)
            torch.sum(normal.mul_(grad), dim=1, keepdim=True, out=d_gain)
            grad = torch.ops.aten.native_layer_norm_backward(
                grad.mul_(gain), x, width, mean, inverse_std, None, None, [True, False, False]
            )[0]
        side_by_side = grad.transpose(0, 1).flatten(1)
        torch.mm(inputs.mT, side_by_side, out=self._critic.first_weight.grad)
        torch.sum(side_by_side, dim=0, out=self._critic.first_bias.grad)
        return error.square().mean()
