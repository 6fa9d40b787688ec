"""The three networks of MTCNN as their paper has them, the scores alone: PReLU by channel, pooling
that goes over the map's end, and columns before rows where a map is flattened."""

import torch
from torch import nn

__all__ = ["ONet", "PNet", "RNet"]


class _Scores(nn.Module):
    """Convolutions, each with PReLU and, where there is one, pooling; then linear layers."""

    def __init__(self, channels: list[int], kernels: list[int], pools: list[int]):
        super().__init__()
        self.pools = pools
        for k, (kernel, pool) in enumerate(zip(kernels, pools, strict=True), 1):
            self.add_module(f"conv{k}", nn.Conv2d(channels[k - 1], channels[k], kernel))
            self.add_module(f"prelu{k}", nn.PReLU(channels[k]))
            if pool:
                self.add_module(f"pool{k}", nn.MaxPool2d(pool, 2, ceil_mode=True))

    def features(self, x: torch.Tensor) -> torch.Tensor:
        for k, pool in enumerate(self.pools, 1):
            x = self.get_submodule(f"prelu{k}")(self.get_submodule(f"conv{k}")(x))
            x = self.get_submodule(f"pool{k}")(x) if pool else x
        return x

    @staticmethod
    def flat(x: torch.Tensor) -> torch.Tensor:
        return x.permute(0, 3, 2, 1).flatten(1)


class PNet(_Scores):
    def __init__(self):
        super().__init__([3, 10, 16, 32], [3, 3, 3], [2, 0, 0])
        self.conv4_1 = nn.Conv2d(32, 2, 1)

    def forward(self, x):
        return self.conv4_1(self.features(x))


class RNet(_Scores):
    def __init__(self):
        super().__init__([3, 28, 48, 64], [3, 3, 2], [3, 3, 0])
        self.dense4, self.prelu4 = nn.Linear(576, 128), nn.PReLU(128)
        self.dense5_1 = nn.Linear(128, 2)

    def forward(self, x):
        return self.dense5_1(self.prelu4(self.dense4(self.flat(self.features(x)))))


class ONet(_Scores):
    def __init__(self):
        super().__init__([3, 32, 64, 64, 128], [3, 3, 3, 2], [3, 3, 2, 0])
        self.dense5, self.prelu5 = nn.Linear(1152, 256), nn.PReLU(256)
        self.dense6_1 = nn.Linear(256, 2)

    def forward(self, x):
        return self.dense6_1(self.prelu5(self.dense5(self.flat(self.features(x)))))
