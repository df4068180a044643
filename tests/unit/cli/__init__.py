"""Unit tests of pyrunner.cli."""
