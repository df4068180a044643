"""Unit tests of pyrunner.shells."""
