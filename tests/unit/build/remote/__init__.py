"""Mirrors pyrunner/build/remote."""
