"""Tests of the documentation site's generators."""
