"""Tests of pyrunner.config."""
