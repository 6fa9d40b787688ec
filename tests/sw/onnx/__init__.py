"""Tests of sw/onnx."""
