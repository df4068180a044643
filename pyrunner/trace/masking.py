"""What must not show in a trace, and the chain of filters that hides it (job-execution.md 6.4, 6.5)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pyrunner.trace.phrases import PhraseMasker
from pyrunner.trace.text import WHITE_SPACE, to_bytes
from pyrunner.trace.tokens import TokenMasker, active_token_prefixes, default_token_prefixes
from pyrunner.trace.urlparameters import UrlParameterMasker

__all__ = ["Masker", "active_token_prefixes", "default_token_prefixes", "mask_phrases"]


def mask_phrases(values: Iterable[str]) -> list[bytes]:
    """Return the phrases to hide for the values of masked variables: trimmed, each once, longest first."""
    trimmed = {to_bytes(value.strip(WHITE_SPACE)) for value in values}
    return sorted(trimmed - {b""}, key=lambda one: (len(one), one), reverse=True)


class Masker:
    """Hides phrases, values of URL parameters and tokens in one stream, in this order.

    The result does not depend on how the stream is cut into writes. It is linear in the stream's length
    and holds back no more than the longest phrase.

    :param phrases: see :func:`mask_phrases`.
    :param prefixes: see :func:`active_token_prefixes`.
    """

    def __init__(self, phrases: Sequence[bytes], prefixes: Sequence[bytes]) -> None:
        self._phrases = PhraseMasker(phrases)
        self._urls = UrlParameterMasker()
        self._tokens = TokenMasker(prefixes)

    def feed(self, data: bytes) -> bytes:
        """Take a write; return what is certain by now."""
        return self._tokens.feed(self._urls.feed(self._phrases.feed(data)))

    def close(self) -> bytes:
        """Return what was held back; the masker can be used again from the start."""
        data = self._phrases.close()
        data = self._urls.feed(data) + self._urls.close()
        return self._tokens.feed(data) + self._tokens.close()
