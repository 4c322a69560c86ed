"""What every answer of the console tells a browser not to do. Pure."""

from collections.abc import Mapping

# Only what we serve ourselves, and nothing written into a page: what a receiver answered, or a customer called their
# webhook, runs nowhere even if it were ever shown unescaped (CSP level 3).
_POLICY = (
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self'",
    "font-src 'self'",
    "connect-src 'self'",
    "form-action 'self'",
    "base-uri 'none'",
    "frame-ancestors 'none'",
)


def security_headers() -> Mapping[str, str]:
    """Of every answer, whatever it is. Paths of ours hold ids, so that they are told to no other site."""
    return {
        "Content-Security-Policy": "; ".join(_POLICY),
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",  # for browsers that do not know frame-ancestors
        # Not `no-referrer`: with that, browsers send `Origin: null` with our own forms (Fetch, section 3.2)
        "Referrer-Policy": "same-origin",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
    }
