"""Tests of pyrunner.trace."""
