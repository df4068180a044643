"""Unit tests of pyrunner.build."""
