"""Circular time: convolutions whose picture wraps from its last column to its first, as a loop does."""

from __future__ import annotations

from types import MethodType

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from riffengine.errors import ModelError


def make_circular(model: nn.Module) -> None:
    """Let every convolution of ``model`` pad its last axis with the other end of the picture; its height keeps zeros.

    Turning the picture then turns the result (attention and norms know no place). Weights and names stay as they are,
    and doing it twice does nothing more. Raises ``ModelError`` where a convolution cannot be turned (it is transposed,
    or pads otherwise than with zeros).
    """
    for name, module in model.named_modules():
        if isinstance(module, nn.ConvTranspose2d) or (
            isinstance(module, nn.Conv2d) and (module.padding_mode != "zeros" or isinstance(module.padding, str))
        ):
            raise ModelError(
                f"the checkpoint's {name} pads in a way that cannot be made circular; another kind of model"
            )
        if isinstance(module, nn.Conv2d) and module.kernel_size[1] > 1:
            module._conv_forward = MethodType(_conv_forward, module)  # type: ignore[method-assign]
        # Downsample2D with padding 0 pads by hand, one column of zeros on the right: its convolution is told instead.
        if type(module).__name__ == "Downsample2D" and getattr(module, "use_conv", False) and module.padding == 0:
            module.padding = -1
            module.conv.lopsided = True


def _conv_forward(self: nn.Conv2d, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    if getattr(self, "lopsided", False):
        x = F.pad(torch.cat([x, x[..., :1]], dim=-1), (0, 0, 0, 1))
        return F.conv2d(x, weight, bias, self.stride, 0, self.dilation, self.groups)
    side = int(self.padding[1])
    if side:
        x = torch.cat([x[..., -side:], x, x[..., :side]], dim=-1)
    return F.conv2d(x, weight, bias, self.stride, (int(self.padding[0]), 0), self.dilation, self.groups)
