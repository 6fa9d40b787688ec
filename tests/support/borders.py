"""A network whose maps have borders, windows and layouts of many kinds."""

import torch
import torch.nn.functional as F
from torch import nn

__all__ = ["Borders"]


class Borders(nn.Module):
    """Windows of several sizes, borders of other numbers, a linear layer over the channels of each
    pixel, maps beside each other."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(3, 6, 3, padding=1, bias=False), nn.BatchNorm2d(6),
                                   nn.ReLU())
        self.second = nn.Conv2d(6, 8, 3, 2)
        self.linear, self.last = nn.Linear(8, 9), nn.Linear(9 * 4 * 6, 5)

    def forward(self, image):
        x = F.pad(self.first(F.pad(image, (1, 0), value=0.4)), (2, 1), value=0.1)
        x = F.avg_pool2d(x, 3, 1, 1, count_include_pad=False)
        x = F.avg_pool2d(self.second(x), 2, ceil_mode=True)
        x = self.linear(x.permute(0, 2, 3, 1)).relu().permute(0, 3, 1, 2)
        x = F.adaptive_avg_pool2d(x, (4, 3))
        return self.last(torch.cat([x, 0.5 * x], 3).flatten(1))
