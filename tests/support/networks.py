"""Small networks of the kinds that people write, by name."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import nn

from .borders import Borders
from .factored import squeeze_excite

__all__ = ["NETWORKS", "settled"]

Shape = tuple[int, int, int]


def settled(net: nn.Module, seed: int = 0) -> nn.Module:
    """The network in evaluation mode, with norms as training leaves them."""
    torch.manual_seed(seed)
    for module in net.modules():
        if isinstance(module, nn.Conv2d | nn.Conv1d | nn.ConvTranspose2d | nn.Linear):
            module.reset_parameters()
        if isinstance(module, nn.BatchNorm2d | nn.BatchNorm1d):
            assert module.running_mean is not None and module.running_var is not None
            module.running_mean.normal_(0, 0.2)
            module.running_var.uniform_(0.2, 1.0)
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, 0, 0.2)
    return net.eval()


def conv_bn(inputs: int, outputs: int, kernel: int = 3, stride: int = 1, groups: int = 1,
            activation: type[nn.Module] | None = nn.ReLU) -> nn.Sequential:
    layers: list[nn.Module] = [
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(outputs)]
    return nn.Sequential(*layers, *([] if activation is None else [activation()]))


class BasicBlock(nn.Module):
    """As torchvision writes it, the sum in place and one ReLU module for both."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.downsample = None if stride == 1 and inputs == outputs else nn.Sequential(
            nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x):
        identity = x if self.downsample is None else self.downsample(x)
        out = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        out += identity
        return self.relu(out)


class Residual(nn.Module):
    """Blocks of convolutions with something added to what they give."""

    def __init__(self, *layers: nn.Module):
        super().__init__()
        self.body = nn.Sequential(*layers)

    def forward(self, x):
        return x + self.body(x)


class Fire(nn.Module):
    def __init__(self, inputs: int, squeeze: int, expand: int):
        super().__init__()
        self.squeeze = nn.Conv2d(inputs, squeeze, 1)
        self.left = nn.Conv2d(squeeze, expand, 1)
        self.right = nn.Conv2d(squeeze, expand, 3, padding=1)

    def forward(self, x):
        x = F.relu(self.squeeze(x))
        return torch.cat([F.relu(self.left(x)), F.relu(self.right(x))], 1)


class Joined(nn.Module):
    """What several modules make of one map, side by side."""

    def __init__(self, *branches: nn.Module):
        super().__init__()
        self.branches = nn.ModuleList(branches)

    def forward(self, x):
        return torch.cat([branch(x) for branch in self.branches], 1)


class Dense(nn.Module):
    """Each layer reads all before it: norm, ReLU, convolution, as DenseNet has them."""

    def __init__(self, inputs: int, growth: int, layers: int):
        super().__init__()
        self.layers = nn.ModuleList(nn.Sequential(
            nn.BatchNorm2d(inputs + k * growth), nn.ReLU(inplace=True),
            nn.Conv2d(inputs + k * growth, growth, 3, padding=1, bias=False))
            for k in range(layers))

    def forward(self, x):
        maps = [x]
        for layer in self.layers:
            maps.append(layer(torch.cat(maps, 1)))
        return torch.cat(maps, 1)


class Branches(nn.Module):
    """An inception module: four branches, one of them pooling first."""

    def __init__(self, inputs: int):
        super().__init__()
        self.one = conv_bn(inputs, 4, 1)
        self.two = nn.Sequential(conv_bn(inputs, 3, 1), conv_bn(3, 5, 3))
        self.three = nn.Sequential(conv_bn(inputs, 2, 1), conv_bn(2, 3, 5))
        self.four = conv_bn(inputs, 3, 1)

    def forward(self, x):
        pooled = F.avg_pool2d(x, 3, stride=1, padding=1)
        return torch.cat((self.one(x), self.two(x), self.three(x), self.four(pooled),
                          F.max_pool2d(x, 3, 1, 1)), dim=1)


class Shuffle(nn.Module):
    """ShuffleNetV2's unit: half of the channels pass by, then all are shuffled."""

    def __init__(self, channels: int):
        super().__init__()
        half = channels // 2
        self.branch = nn.Sequential(conv_bn(half, half, 1),
                                    conv_bn(half, half, 3, groups=half, activation=None),
                                    conv_bn(half, half, 1))

    def forward(self, x):
        left, right = x.chunk(2, dim=1)
        x = torch.cat((left, self.branch(right)), dim=1)
        batch, channels, rows, columns = x.shape
        x = x.view(batch, 2, channels // 2, rows, columns).transpose(1, 2).contiguous()
        return x.view(batch, channels, rows, columns)


class Head(nn.Module):
    """The mean over rows and columns, then a linear layer."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.fc = nn.Linear(inputs, outputs)

    def forward(self, x):
        return self.fc(x.mean([2, 3]))


def resnet() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 8, 7, 2, 3, bias=False), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(3, 2, 1),
        BasicBlock(8, 8), BasicBlock(8, 16, 2), BasicBlock(16, 16), nn.AdaptiveAvgPool2d(1),
        nn.Flatten(), nn.Linear(16, 10))


def resnet8() -> nn.Module:
    """MLPerf Tiny's image classification network."""
    return nn.Sequential(
        conv_bn(3, 16), BasicBlock(16, 16), BasicBlock(16, 32, 2), BasicBlock(32, 64, 2),
        nn.AvgPool2d(8), nn.Flatten(), nn.Linear(64, 10))


def mobilenet_v2() -> nn.Module:
    def inverted(inputs: int, outputs: int, stride: int, expand: int) -> nn.Module:
        inner = inputs * expand
        body = (conv_bn(inputs, inner, 1, activation=nn.ReLU6),
                conv_bn(inner, inner, 3, stride, inner, activation=nn.ReLU6),
                conv_bn(inner, outputs, 1, activation=None))
        return Residual(*body) if stride == 1 and inputs == outputs else nn.Sequential(*body)

    return nn.Sequential(
        conv_bn(3, 8, 3, 2, activation=nn.ReLU6), inverted(8, 8, 1, 2), inverted(8, 12, 2, 3),
        inverted(12, 12, 1, 3), conv_bn(12, 24, 1, activation=nn.ReLU6), Head(24, 7))


def squeezenet() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, 2), nn.ReLU(), nn.MaxPool2d(3, 2, ceil_mode=True), Fire(8, 4, 6),
        Fire(12, 4, 6), nn.MaxPool2d(3, 2, ceil_mode=True), Fire(12, 5, 8), nn.Dropout(),
        nn.Conv2d(16, 10, 1), nn.ReLU(), nn.AdaptiveAvgPool2d((1, 1)), nn.Flatten())


def densenet() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 6, 3, padding=1, bias=False), Dense(6, 4, 3), nn.BatchNorm2d(18), nn.ReLU(),
        nn.Conv2d(18, 9, 1, bias=False), nn.AvgPool2d(2), Dense(9, 4, 2), nn.BatchNorm2d(17),
        nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(17, 5))


def inception() -> nn.Module:
    return nn.Sequential(conv_bn(3, 8, 3, 2), Branches(8), nn.MaxPool2d(2), Branches(23),
                         Head(38, 6))


def shufflenet() -> nn.Module:
    return nn.Sequential(conv_bn(3, 12, 3, 2), Shuffle(12), Shuffle(12), conv_bn(12, 16, 1),
                         Head(16, 6))


def ds_cnn() -> nn.Module:
    """MLPerf Tiny's keyword spotting network: a kernel of 10x4 padded unevenly, then depthwise
    separable convolutions and a mean."""
    def separable(channels: int) -> tuple[nn.Module, ...]:
        return (conv_bn(channels, channels, 3, 1, channels), conv_bn(channels, channels, 1))

    return nn.Sequential(
        nn.ZeroPad2d((1, 1, 4, 5)), nn.Conv2d(1, 16, (10, 4), 2, bias=False), nn.BatchNorm2d(16),
        nn.ReLU(), nn.Dropout(0.2), *separable(16), *separable(16), *separable(16),
        nn.Dropout(0.4), nn.AvgPool2d((25, 5)), nn.Flatten(), nn.Linear(16, 12), nn.Softmax(1))


def waveform() -> nn.Module:
    return nn.Sequential(
        nn.Conv1d(2, 8, 9, stride=4, padding=4), nn.BatchNorm1d(8), nn.ReLU(), nn.MaxPool1d(2),
        nn.Conv1d(8, 12, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool1d(1), nn.Flatten(),
        nn.Linear(12, 4))


def crnn() -> nn.Module:
    """The convolutions of a network for lines of text: pooling that halves rows alone."""
    return nn.Sequential(
        conv_bn(1, 8), nn.MaxPool2d(2), conv_bn(8, 16), nn.MaxPool2d((2, 2), (2, 1), (0, 1)),
        conv_bn(16, 16), nn.MaxPool2d((2, 1)), nn.Conv2d(16, 24, (2, 3), (1, 2)), nn.ReLU(),
        nn.Flatten(), nn.Linear(24 * 7, 9))


class Skip(nn.Module):
    """What lies deeper in a U-Net, made as large as its input again and put beside that."""

    def __init__(self, down: nn.Module, up: nn.Module):
        super().__init__()
        self.down, self.up = down, up

    def forward(self, x):
        return torch.cat([x, self.up(self.down(x))], 1)


class Pyramid(nn.Module):
    """Maps of two sizes; the smaller is added to the larger, each pixel as four."""

    def __init__(self, channels: int):
        super().__init__()
        self.down = conv_bn(channels, channels, 3, 2)
        self.side = nn.Conv2d(channels, channels, 1)

    def forward(self, x):
        return self.side(x) + F.interpolate(self.down(x), scale_factor=2)


def unet() -> nn.Module:
    """Transposed convolutions with and without an overlap, and norms behind them; one gives an odd
    number of rows."""
    def larger(inputs: int, outputs: int, kernel: int, padding: int = 0) -> nn.Module:
        return nn.Sequential(nn.ConvTranspose2d(inputs, outputs, kernel, 2, padding),
                             nn.BatchNorm2d(outputs), nn.ReLU())

    inner = Skip(nn.Sequential(nn.MaxPool2d(2, ceil_mode=True), conv_bn(8, 12)),
                 larger(12, 8, 3, 1))
    return nn.Sequential(
        conv_bn(3, 6), Skip(nn.Sequential(nn.MaxPool2d(2), conv_bn(6, 8), inner, conv_bn(16, 9)),
                            larger(9, 5, 2)), conv_bn(11, 6), Pyramid(6),
        nn.Conv2d(6, 8, 1), nn.PixelShuffle(2), nn.Conv2d(2, 3, 3, padding=1),
        nn.MaxPool2d(7, 7), nn.Flatten(), nn.Linear(60, 5))


def aspp() -> nn.Module:
    """Convolutions of one map with growing dilation, beyond its size, side by side."""
    def dilated(by: tuple[int, int]) -> nn.Module:
        return nn.Sequential(nn.Conv2d(8, 4, 3, padding=by, dilation=by, bias=False),
                             nn.BatchNorm2d(4), nn.ReLU())

    return nn.Sequential(
        conv_bn(3, 8), Joined(conv_bn(8, 4, 1), dilated((2, 2)), dilated((6, 1)),
                             dilated((3, 18))),
        conv_bn(16, 8, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 5))


#: Name -> what makes its module, and its input's shape.
NETWORKS: dict[str, tuple[Callable[[], nn.Module], Shape]] = {
    "resnet": (resnet, (3, 32, 32)), "resnet8": (resnet8, (3, 32, 32)),
    "mobilenet_v2": (mobilenet_v2, (3, 24, 24)), "squeezenet": (squeezenet, (3, 41, 41)),
    "densenet": (densenet, (3, 12, 12)), "inception": (inception, (3, 20, 20)),
    "shufflenet": (shufflenet, (3, 16, 16)), "ds_cnn": (ds_cnn, (1, 49, 10)),
    "waveform": (waveform, (2, 1, 96)), "crnn": (crnn, (1, 16, 28)), "aspp": (aspp, (3, 14, 14)),
    "unet": (unet, (3, 14, 18)), "squeeze_excite": (squeeze_excite, (3, 14, 14)),
    "borders": (Borders, (3, 12, 9)),
}
