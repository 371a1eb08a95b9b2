"""Circular convolutions: pictures wrap around from their last column to their first, because a loop does."""

from __future__ import annotations

from types import MethodType

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from riffengine.errors import ModelError


def make_circular(model: nn.Module) -> None:
    """Make every convolution of ``model`` pad its last axis circularly; the height is still padded with zeros.

    Rotating the picture then rotates the result (attention and norms do not depend on position). Weights and names do
    not change, and calling this twice is harmless. Raises ``ModelError`` for a convolution that cannot be changed
    (transposed, or not padded with zeros).
    """
    for name, module in model.named_modules():
        if isinstance(module, nn.ConvTranspose2d) or (
            isinstance(module, nn.Conv2d) and (module.padding_mode != "zeros" or isinstance(module.padding, str))
        ):
            raise ModelError(
                f"the checkpoint's {name} pads in a way that cannot be made circular; use another kind of model"
            )
        if isinstance(module, nn.Conv2d) and module.kernel_size[1] > 1:
            module._conv_forward = MethodType(_conv_forward, module)  # type: ignore[method-assign]
        # Downsample2D with padding 0 itself pads one column of zeros on the right; here its convolution pads instead.
        if type(module).__name__ == "Downsample2D" and getattr(module, "use_conv", False) and module.padding == 0:
            module.padding = -1
            module.conv.pads_right_and_bottom = True


def _conv_forward(self: nn.Conv2d, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    if getattr(self, "pads_right_and_bottom", False):
        x = F.pad(torch.cat([x, x[..., :1]], dim=-1), (0, 0, 0, 1))
        return F.conv2d(x, weight, bias, self.stride, 0, self.dilation, self.groups)
    side = int(self.padding[1])
    if side:
        x = torch.cat([x[..., -side:], x, x[..., :side]], dim=-1)
    return F.conv2d(x, weight, bias, self.stride, (int(self.padding[0]), 0), self.dilation, self.groups)
