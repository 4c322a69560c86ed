"""What every answer tells a browser."""

from relay.access.headers import security_headers


def test_a_page_runs_and_frames_nothing_that_is_not_ours() -> None:
    """Nothing written into a page runs, no other site may frame it, and no URL of ours is told to one."""
    headers = security_headers()
    policy = dict(one.split(" ", 1) for one in headers["Content-Security-Policy"].split("; "))

    assert ("'none'", "'none'", "'none'") == (policy["default-src"], policy["frame-ancestors"], policy["base-uri"])
    assert {"'self'"} == {value for name, value in policy.items() if value != "'none'"}
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert ("nosniff", "DENY", "same-origin") == (
        *(headers[name] for name in ("X-Content-Type-Options", "X-Frame-Options", "Referrer-Policy")),
    )
