"""Devices: synthesis, place and route, floorplans, estimates."""
