"""RTL in a folder: what `hw.build` is thin over."""
