"""Mirrors pyrunner/helper/remote."""
