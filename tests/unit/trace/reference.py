"""The maskers' rules on a whole text, as plainly as they can be said; tests compare streams with them."""

from __future__ import annotations

import re

MASK = b"[MASKED]"
NAMES = rb"private_token|authenticity_token|rss_token|x-amz-signature|x-amz-credential|x-amz-security-token"
CODES = [*range(0x21), *range(0x7F, 0xA1), 0x1680, *range(0x2000, 0x200B)]
CODES += [0x2028, 0x2029, 0x202F, 0x205F, 0x3000]
WHITE_OR_CONTROL = [chr(code).encode() for code in CODES]


def hide_phrases(text: bytes, phrases: list[bytes]) -> bytes:
    """Replace phrase after phrase, longest first, between the masks that are there already."""
    for phrase in sorted(set(phrases), key=lambda one: (len(one), one), reverse=True):
        if not phrase:
            continue
        if MASK in phrase:
            text = text.replace(phrase, MASK)
        else:
            text = MASK.join(piece.replace(phrase, MASK) for piece in text.split(MASK))
    return text


def hide_url_parameters(text: bytes) -> bytes:
    """Replace what follows a secret name up to a separator, white space, control character or the end."""
    ends = b"|".join([rb"[?&]", *(re.escape(one) for one in WHITE_OR_CONTROL)])
    return re.sub(rb"([?&](?i:" + NAMES + rb")=)(?:(?!" + ends + rb")(?s:.))*", rb"\1" + MASK, text)


def hide_tokens(text: bytes, prefixes: list[bytes]) -> bytes:
    """Replace the run after each prefix, longest first; a mask within the run stays and does not end it."""

    def replace(found: re.Match[bytes]) -> bytes:
        masks = found[2].count(MASK)
        hidden = len(found[2]) > masks * len(MASK)
        return found[1] + MASK * (masks + hidden)

    for prefix in sorted(set(prefixes), key=lambda one: (len(one), one), reverse=True):
        run = rb"((?:[A-Za-z0-9\-._=]|\[MASKED\])*)"
        text = re.sub(rb"(" + re.escape(prefix) + rb")" + run, replace, text)
    return text
