"""Tests of the session server's parts."""
