"""Whether and how fast a network runs on an accelerator, before anything is built."""
