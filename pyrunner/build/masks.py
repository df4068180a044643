"""How a job's trace is made: what is masked, stamped, limited (job-execution.md 6.3-6.6)."""

from __future__ import annotations

from pyrunner.build.context import BuildContext
from pyrunner.config.model import RunnerConfig
from pyrunner.jobdir.record import JobRecord
from pyrunner.trace.masking import mask_phrases
from pyrunner.trace.render import TraceOptions
from pyrunner.trace.tokens import default_token_prefixes


def trace_options(record: JobRecord, context: BuildContext | None) -> TraceOptions:
    """Return the options of a job's trace.

    :param context: None when the job's context could not be made: the payload's own values are masked.
    """
    limit = RunnerConfig.from_dict(record.runner).effective_output_limit
    if context is None:
        # It may be no list: then the payload does not decode, and the trace has to say so.
        variables = record.payload.get("variables")
        values = [
            str(one.get("value"))
            for one in (variables if isinstance(variables, list) else [])
            if isinstance(one, dict) and one.get("masked") and one.get("value")
        ]
        return TraceOptions(mask_phrases(values), default_token_prefixes(True), True, limit)
    prefixes = default_token_prefixes(context.features.on("FF_MASK_ALL_DEFAULT_TOKENS"))
    return TraceOptions(
        phrases=mask_phrases(context.mask_phrases),
        token_prefixes=[*context.job.features.token_mask_prefixes, *prefixes],
        timestamps=context.features.on("FF_TIMESTAMPS"),
        limit=limit,
    )
