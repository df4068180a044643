"""Tests of pyrunner.protocol."""
