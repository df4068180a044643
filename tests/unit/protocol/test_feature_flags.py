"""The table of feature flags."""

from __future__ import annotations

from pyrunner.protocol.feature_flags import FLAGS


def test_the_flags_that_are_on_by_default() -> None:
    """A wrong default changes what jobs do without a line in any configuration."""
    assert {name for name, default in FLAGS.items() if default} == {
        "FF_USE_DIRECT_DOWNLOAD",
        "FF_USE_FASTZIP",
        "FF_USE_POD_ACTIVE_DEADLINE_SECONDS",
        "FF_SECRET_RESOLVING_FAILS_IF_MISSING",
        "FF_USE_GIT_BUNDLE_URIS",
        "FF_USE_DOCKER_AUTOSCALER_DIAL_STDIO",
        "FF_TIMESTAMPS",
        "FF_MASK_ALL_DEFAULT_TOKENS",
        "FF_USE_EXPONENTIAL_BACKOFF_STAGE_RETRY",
        "FF_USE_ADAPTIVE_REQUEST_CONCURRENCY",
        "FF_USE_GITALY_CORRELATION_ID",
        "FF_ENABLE_JOB_INPUTS_INTERPOLATION",
    }
    assert len(FLAGS) == 52
