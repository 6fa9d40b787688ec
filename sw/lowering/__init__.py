"""From a network whose splits are given to operations and places in memory."""
