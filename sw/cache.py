"""Where builds and trained weights are kept between runs."""

from hw.cache import cache_dir

__all__ = ["cache_dir"]
