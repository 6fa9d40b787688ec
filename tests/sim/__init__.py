"""Tests of sim, and of the accelerator as it is simulated."""
