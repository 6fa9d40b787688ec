"""Training images that are a little different each time."""

from collections.abc import Callable, Sequence

import torch

from .fit import Augment

__all__ = ["random_changes", "random_crops", "random_shifts"]

#: A side is moved by one in so many pixels, at most.
_CROPPED = 8


def random_crops(size: int, mean: tuple[float, ...], deviation: tuple[float, ...]
                 ) -> tuple[Augment, Callable[[torch.Tensor], torch.Tensor]]:
    """Return (augment, plain): a random crop and mirror image of every picture, or its centre;
    both normalised."""
    def normalise(x: torch.Tensor) -> torch.Tensor:
        centre = torch.tensor(mean, device=x.device)[:, None, None]
        return (x.float() / 255 - centre) / torch.tensor(deviation, device=x.device)[:, None, None]

    def augment(pixels: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        count, channels, height, width = pixels.shape
        device = pixels.device

        def draw(limit: int) -> torch.Tensor:
            return torch.randint(0, limit, (count, 1), generator=generator, device=device)

        span = torch.arange(size, device=device)
        rows = draw(height - size + 1) + span
        columns = draw(width - size + 1) + torch.where(draw(2) == 1, span.flip(0), span)
        every = torch.arange(count, device=device)[:, None, None, None]
        plane = torch.arange(channels, device=device)[None, :, None, None]
        return normalise(pixels[every, plane, rows[:, None, :, None], columns[:, None, None, :]])

    def plain(pixels: torch.Tensor) -> torch.Tensor:
        top, left = ((n - size) // 2 for n in pixels.shape[2:])
        return normalise(pixels[:, :, top:top + size, left:left + size])

    return augment, plain


def random_changes(names: Sequence[str]) -> Augment:
    """Return what changes a network's inputs float[N, C, H, W], each by itself, as `names` of
    `sw.training.recipe.AUGMENTS` say: "flip" mirrors about half of them, left and right; "crop"
    takes what is up to an eighth of a side off, where the outermost pixels go on."""
    def augment(pixels: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        count, channels, height, width = pixels.shape
        device = pixels.device

        def moved(size: int) -> torch.Tensor:
            most = max(size // _CROPPED, int(size > 1)) if "crop" in names else 0
            by = torch.randint(-most, most + 1, (count, 1), generator=generator, device=device)
            return (torch.arange(size, device=device) + by).clamp(0, size - 1)

        rows, columns = moved(height), moved(width)
        if "flip" in names:
            turned = torch.randint(0, 2, (count, 1), generator=generator, device=device) == 1
            columns = torch.where(turned, columns.flip(1), columns)
        every = torch.arange(count, device=device)[:, None, None, None]
        plane = torch.arange(channels, device=device)[None, :, None, None]
        return pixels[every, plane, rows[:, None, :, None], columns[:, None, None, :]]

    return augment if names else lambda pixels, generator: pixels


def random_shifts(full_scale: float) -> tuple[Augment, Callable[[torch.Tensor], torch.Tensor]]:
    """Return (augment, plain) for scans: shifts by up to a pixel; values from 0 to 1."""
    def plain(pixels: torch.Tensor) -> torch.Tensor:
        return pixels.float() / full_scale

    def augment(pixels: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        dy, dx = (int(n) for n in torch.randint(-1, 2, (2,), generator=generator,
                                                device=pixels.device))
        return torch.roll(plain(pixels), (dy, dx), (2, 3))

    return augment, plain
