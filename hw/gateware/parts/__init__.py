"""Blocks that know no accelerator: arithmetic, counters, queues, walks."""
