"""Named layouts and ports that blocks share."""
