"""Networks in their published sizes, with seeded weights, by name."""

from collections.abc import Callable
from itertools import pairwise

from torch import nn

from .factored import SqueezeExcite
from .networks import BasicBlock, Fire, Head, Residual, Shape, conv_bn, resnet8

__all__ = ["PUBLISHED"]


def alexnet() -> nn.Module:
    """One Weird Trick's, as torchvision has it."""
    return nn.Sequential(
        nn.Conv2d(3, 64, 11, 4, 2), nn.ReLU(), nn.MaxPool2d(3, 2),
        nn.Conv2d(64, 192, 5, padding=2), nn.ReLU(), nn.MaxPool2d(3, 2),
        nn.Conv2d(192, 384, 3, padding=1), nn.ReLU(), nn.Conv2d(384, 256, 3, padding=1), nn.ReLU(),
        nn.Conv2d(256, 256, 3, padding=1), nn.ReLU(), nn.MaxPool2d(3, 2),
        nn.AdaptiveAvgPool2d((6, 6)), nn.Flatten(), nn.Dropout(), nn.Linear(256 * 36, 4096),
        nn.ReLU(), nn.Dropout(), nn.Linear(4096, 4096), nn.ReLU(), nn.Linear(4096, 1000))


def vgg16() -> nn.Module:
    layers: list[nn.Module] = []
    inputs = 3
    for outputs, count in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
        for _ in range(count):
            layers += [nn.Conv2d(inputs, outputs, 3, padding=1), nn.ReLU()]
            inputs = outputs
        layers.append(nn.MaxPool2d(2))
    return nn.Sequential(
        *layers, nn.AdaptiveAvgPool2d(7), nn.Flatten(), nn.Linear(512 * 49, 4096), nn.ReLU(),
        nn.Dropout(), nn.Linear(4096, 4096), nn.ReLU(), nn.Dropout(), nn.Linear(4096, 1000))


class Bottleneck(nn.Module):
    """1x1, 3x3, 1x1; the stride is the middle one's, as torchvision has it."""

    def __init__(self, inputs: int, width: int, stride: int):
        super().__init__()
        self.body = nn.Sequential(conv_bn(inputs, width, 1), conv_bn(width, width, 3, stride),
                                  conv_bn(width, 4 * width, 1, activation=None))
        self.downsample = None if stride == 1 and inputs == 4 * width else conv_bn(
            inputs, 4 * width, 1, stride, activation=None)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x):
        identity = x if self.downsample is None else self.downsample(x)
        return self.relu(self.body(x) + identity)


def _resnet(block: Callable[[int, int, int], nn.Module], counts: tuple[int, ...],
            wider: int) -> nn.Module:
    layers: list[nn.Module] = [conv_bn(3, 64, 7, 2), nn.MaxPool2d(3, 2, 1)]
    inputs = 64
    for k, count in enumerate(counts):
        for n in range(count):
            layers.append(block(inputs, 64 << k, 2 if k and not n else 1))
            inputs = wider * (64 << k)
    return nn.Sequential(*layers, Head(inputs, 1000))


def resnet18() -> nn.Module:
    return _resnet(BasicBlock, (2, 2, 2, 2), 1)


def resnet50() -> nn.Module:
    return _resnet(Bottleneck, (3, 4, 6, 3), 4)


def mobilenet_v1(width: float = 1.0, classes: int = 1000) -> nn.Module:
    channels = [round(width * n) for n in (32, 64, 128, 128, 256, 256, *6 * (512,), 1024, 1024)]
    layers = [conv_bn(3, channels[0], 3, 2)]
    for (inputs, outputs), stride in zip(pairwise(channels), (1, 2, 1, 2, 1, 2, *5 * (1,), 2, 1),
                                         strict=True):
        layers += [conv_bn(inputs, inputs, 3, stride, inputs), conv_bn(inputs, outputs, 1)]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(),
                         nn.Linear(channels[-1], classes))


def person() -> nn.Module:
    """MLPerf Tiny's visual wake words."""
    return nn.Sequential(mobilenet_v1(0.25, 2), nn.Softmax(1))


def mobilenet_v2() -> nn.Module:
    layers: list[nn.Module] = [conv_bn(3, 32, 3, 2, activation=nn.ReLU6)]
    inputs = 32
    for expand, outputs, count, stride in ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2),
                                           (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2),
                                           (6, 320, 1, 1)):
        for n in range(count):
            layers.append(_inverted(conv_bn, inputs, inputs * expand, outputs, 3,
                                    stride if n == 0 else 1))
            inputs = outputs
    return nn.Sequential(*layers, conv_bn(inputs, 1280, 1, activation=nn.ReLU6), Head(1280, 1000))


def efficientnet_lite0() -> nn.Module:
    """MobileNetV2's blocks, some of 5x5, padded as TensorFlow pads."""
    layers: list[nn.Module] = [_same(3, 32, 3, 2, activation=nn.ReLU6)]
    inputs = 32
    for kernel, expand, outputs, count, stride in (
            (3, 1, 16, 1, 1), (3, 6, 24, 2, 2), (5, 6, 40, 2, 2), (3, 6, 80, 3, 2),
            (5, 6, 112, 3, 1), (5, 6, 192, 4, 2), (3, 6, 320, 1, 1)):
        for n in range(count):
            layers.append(_inverted(_same, inputs, inputs * expand, outputs, kernel,
                                    stride if n == 0 else 1))
            inputs = outputs
    return nn.Sequential(*layers, _same(inputs, 1280, 1, activation=nn.ReLU6), Head(1280, 1000))


def _inverted(layer: Callable[..., nn.Module], inputs: int, inner: int, outputs: int, kernel: int,
              stride: int) -> nn.Module:
    """1x1 to `inner` channels, if these are more, depthwise, 1x1; its input added where it fits."""
    body = [layer(inner, inner, kernel, stride, inner, activation=nn.ReLU6),
            layer(inner, outputs, 1, activation=None)]
    if inner > inputs:
        body.insert(0, layer(inputs, inner, 1, activation=nn.ReLU6))
    return Residual(*body) if stride == 1 and inputs == outputs else nn.Sequential(*body)


def _same(inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1,
          activation: type[nn.Module] | None = None) -> nn.Module:
    """A convolution of even sides with TensorFlow's padding: what is odd of it comes behind."""
    pad = kernel - stride if kernel > 1 else 0
    before, behind = pad // 2, pad - pad // 2
    return nn.Sequential(
        nn.ZeroPad2d((before, behind, before, behind)),
        nn.Conv2d(inputs, outputs, kernel, stride, groups=groups, bias=False),
        nn.BatchNorm2d(outputs, eps=1e-3), *([] if activation is None else [activation()]))


def squeezenet() -> nn.Module:
    """Version 1.1."""
    def pool() -> nn.Module:
        return nn.MaxPool2d(3, 2, ceil_mode=True)

    return nn.Sequential(
        nn.Conv2d(3, 64, 3, 2), nn.ReLU(), pool(), Fire(64, 16, 64), Fire(128, 16, 64), pool(),
        Fire(128, 32, 128), Fire(256, 32, 128), pool(), Fire(256, 48, 192), Fire(384, 48, 192),
        Fire(384, 64, 256), Fire(512, 64, 256), nn.Dropout(), nn.Conv2d(512, 1000, 1), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten())


def ds_cnn() -> nn.Module:
    """MLPerf Tiny's keyword spotting."""
    body = [layer for _ in range(4)
            for layer in (conv_bn(64, 64, 3, 1, 64), conv_bn(64, 64, 1))]
    return nn.Sequential(
        nn.ZeroPad2d((1, 1, 4, 5)), nn.Conv2d(1, 64, (10, 4), 2, bias=False), nn.BatchNorm2d(64),
        nn.ReLU(), nn.Dropout(0.2), *body, nn.Dropout(0.4), nn.AvgPool2d((25, 5)), nn.Flatten(),
        nn.Linear(64, 12), nn.Softmax(1))


def autoencoder() -> nn.Module:
    """MLPerf Tiny's anomaly detection: five frames of 128 bands, as one vector."""
    widths = (640, *4 * (128,), 8, *4 * (128,))
    layers: list[nn.Module] = [nn.Flatten()]
    for inputs, outputs in pairwise(widths):
        layers += [nn.Linear(inputs, outputs), nn.BatchNorm1d(outputs), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(128, 640))


def darknet() -> nn.Module:
    """The reference network of Darknet, whose ReLUs leak."""
    layers, inputs = [], 3
    for outputs in (16, 32, 64, 128, 256, 512, 1024):
        layers += [conv_bn(inputs, outputs, activation=None), nn.LeakyReLU(0.1)]
        layers += [nn.MaxPool2d(2)] if outputs < 1024 else []
        inputs = outputs
    return nn.Sequential(*layers, nn.Conv2d(inputs, 1000, 1), nn.AdaptiveAvgPool2d(1),
                         nn.Flatten(), nn.Softmax(1))


def mobilenet_v3_small() -> nn.Module:
    """As torchvision has it: squeeze and excite, hard swish."""
    layers: list[nn.Module] = [conv_bn(3, 16, 3, 2, activation=nn.Hardswish)]
    inputs = 16
    for kernel, inner, outputs, excites, activation, stride in (
            (3, 16, 16, True, nn.ReLU, 2), (3, 72, 24, False, nn.ReLU, 2),
            (3, 88, 24, False, nn.ReLU, 1), (5, 96, 40, True, nn.Hardswish, 2),
            *2 * ((5, 240, 40, True, nn.Hardswish, 1),), (5, 120, 48, True, nn.Hardswish, 1),
            (5, 144, 48, True, nn.Hardswish, 1), (5, 288, 96, True, nn.Hardswish, 2),
            *2 * ((5, 576, 96, True, nn.Hardswish, 1),)):
        body = [conv_bn(inner, inner, kernel, stride, inner, activation),
                *([SqueezeExcite(inner, (inner // 4 + 4) // 8 * 8, nn.Hardsigmoid())]
                  if excites else []), conv_bn(inner, outputs, 1, activation=None)]
        if inner != inputs:
            body.insert(0, conv_bn(inputs, inner, 1, activation=activation))
        layers.append(Residual(*body) if stride == 1 and inputs == outputs
                      else nn.Sequential(*body))
        inputs = outputs
    return nn.Sequential(*layers, conv_bn(96, 576, 1, activation=nn.Hardswish),
                         nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(576, 1024),
                         nn.Hardswish(), nn.Dropout(0.2), nn.Linear(1024, 1000))


#: Name -> what makes its module, and its input's shape.
PUBLISHED: dict[str, tuple[Callable[[], nn.Module], Shape]] = {
    "autoencoder": (autoencoder, (640, 1, 1)), "ds_cnn": (ds_cnn, (1, 49, 10)),
    "resnet8": (resnet8, (3, 32, 32)), "person": (person, (3, 96, 96)),
    "squeezenet": (squeezenet, (3, 224, 224)), "mobilenet_v2": (mobilenet_v2, (3, 224, 224)),
    "mobilenet_v1": (mobilenet_v1, (3, 224, 224)), "alexnet": (alexnet, (3, 224, 224)),
    "resnet18": (resnet18, (3, 224, 224)), "resnet50": (resnet50, (3, 224, 224)),
    "vgg16": (vgg16, (3, 224, 224)), "darknet": (darknet, (3, 224, 224)),
    "mobilenet_v3_small": (mobilenet_v3_small, (3, 224, 224)),
    "efficientnet_lite0": (efficientnet_lite0, (3, 224, 224)),
}
