import re
from contextlib import suppress

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from yarl import URL

from relay.errors import Invalid
from relay.urls import MAX_CHARACTERS, host, masked, normalise

HOSTS = st.one_of(
    st.from_regex(r"[a-zA-Z0-9_][a-zA-Z0-9_.-]{0,20}\.?", fullmatch=True),
    st.sampled_from(
        ["Bücher.example", "faß.de", "127.0.0.1", "[::1]", "[2001:DB8:0::1]", "[::ffff:1.2.3.4]", "例え.jp"]
    ),
    st.ip_addresses(v=4).map(str),
    st.ip_addresses(v=6).map("[{}]".format),
)
TAILS = st.one_of(
    st.text(max_size=30),
    st.text(alphabet="/.%2eEfF?&=+ab'\"é~;@:", max_size=30),
)


@st.composite
def urls(draw: st.DrawFn) -> str:
    """What people, and those who wish us ill, may write."""
    scheme = draw(st.sampled_from(["https://", "http://", "HTTPS://"]))
    port = draw(st.one_of(st.just(""), st.integers(0, 70_000).map(":{}".format)))
    tail = draw(TAILS)
    return f"{scheme}{draw(HOSTS)}{port}{draw(st.sampled_from(['', '/', '?']))}{tail}"


def rule_against(url: str, *, allow_http: bool = True) -> str:
    with pytest.raises(Invalid) as refused:
        normalise(url, allow_http=allow_http)
    (problem,) = refused.value.problems
    assert "url" == problem.field
    return problem.rule


@pytest.mark.parametrize(
    ("stored", "written"),
    [
        ("https://example.com/", "https://example.com"),
        ("https://example.com/", "HTTPS://EXAMPLE.com./"),
        ("https://example.com/", "https://example.com:443"),
        ("https://example.com/", "https://example.com:/"),
        ("https://example.com:8443/a", "https://example.com:08443/a"),
        ("http://example.com/a", "http://example.com:80/a"),
        ("https://example.com:80/", "https://example.com:80/"),
        ("https://example.com/?a=1", "https://example.com?a=1"),
        ("https://example.com/", "https://example.com/?"),
        ("https://example.com/c", "https://example.com/a/../b/%2e%2e/./c"),
        ("https://example.com/a%2Fb//c;d=1", "https://example.com/a%2fb//c;d=1"),
        ("https://example.com/%C3%A9?q=%C3%A9+%20", "https://example.com/é?q=é+%20"),
        ("https://example.com/%25zz", "https://example.com/%zz"),
        ("https://xn--bcher-kva.example/", "https://Bücher.example/"),
        ("https://_hook.a_b.example/@me", "https://_hook.a_b.example/@me"),
        ("https://192.0.2.1:8443/", "https://192.0.2.1:8443"),
        ("https://[2001:db8::1]/", "https://[2001:0DB8:0:0::1]:443/"),
        ("https://[::1]:8443/", "https://[0:0:0:0:0:0:0:1]:8443"),
        ("https://localhost/", "https://localhost/"),
    ],
)
def test_a_url_has_one_spelling(stored: str, written: str) -> None:
    """However it was typed, so that what is stored, shown, signed and sent is the same."""
    assert stored == normalise(written, allow_http=True)


@given(urls())
@example("https://example.com/%2e%2e/%252e/x")
@example("https://example.com/..;/?%2B+%20&;=")
@example("https://a/\u200b?\u00ad")
def test_what_was_normalised_is_sent_byte_for_byte(url: str) -> None:
    """Normalising again changes nothing, and the client reads in it what we read: the same host, port and path."""
    try:
        stored = normalise(url, allow_http=True)
    except Invalid:
        assume(False)

    sent = URL(stored, encoded=True)

    assert stored == normalise(stored, allow_http=True)
    assert stored == str(sent)
    assert stored == str(sent.origin()) + sent.raw_path_qs
    assert sent == URL(stored)
    assert (sent.raw_host, sent.port) == (host(stored), URL(url).port)
    assert str(sent.origin()) + "/…" == masked(stored)
    assert re.fullmatch(r"[!-~]{1,2048}", stored)


@given(st.one_of(urls(), st.text()))
def test_any_text_is_normalised_or_refused_as_a_problem_of_the_url(url: str) -> None:
    """Nothing else is raised, whatever is typed; and what shows an URL never raises at all."""
    with suppress(Invalid):
        normalise(url, allow_http=True)

    assert masked(url).endswith("…")
    assert isinstance(host(url), str)


def test_http_is_refused_unless_the_operator_allows_it() -> None:
    """The rule names the switch."""
    assert "RELAY_ALLOW_HTTP" in rule_against("http://example.com/", allow_http=False)
    assert "http://example.com/" == normalise("http://example.com/", allow_http=True)


@pytest.mark.parametrize("scheme", ["ftp", "file", "ws", "wss", "gopher", "javascript", "unix", "h2c", "http+unix"])
def test_any_other_scheme_is_refused(scheme: str) -> None:
    """Whatever else is allowed."""
    assert rule_against(f"{scheme}://example.com/").startswith("must be a URL that begins with https:// or http://")


@pytest.mark.parametrize(
    "url",
    ["example.com/a", "//example.com/", "/a", "https:/example.com", "https:example.com", "1https://a/", "mailto:a@b.c"],
)
def test_a_part_of_a_url_is_refused(url: str) -> None:
    """No scheme and no host is guessed."""
    assert "must be a whole URL, as in https://example.com/hooks" == rule_against(url)


@pytest.mark.parametrize(
    "url",
    [
        "https://",
        "https:///a",
        "https://?a",
        "https://:443/",
        "https://a:b/",
        "https://a:-1/",
        "https://a:1:2/",
        "https://a:４４３/",
        "https://::1/",
        "https://[::1/",
        "https://[::1]x/",
        "https://a:443443/",
    ],
)
def test_a_host_is_needed_and_a_port_is_a_number(url: str) -> None:
    """An address of IPv6 without brackets is neither."""
    assert "must name a host" in rule_against(url)


@pytest.mark.parametrize("port", [0, 65_536, 99_999])
def test_a_port_is_one_that_can_be_called(port: int) -> None:
    """Zero means any to a listener, and nothing to a caller."""
    assert "must have a port from 1 to 65535" == rule_against(f"https://example.com:{port}/")


@pytest.mark.parametrize(
    "host_",
    [
        "0x7f.1",
        "2130706433",
        "127.1",
        "0177.0.0.1",
        "0x7f000001",
        "0",
        "1.2.3.4.5",
        "256.1.1.1",
        "127.0.0.1.",
        "1.2.3",
        "１２７.0.0.1",
        "①②⑦.0.0.1",
        "127。0。0。1",
        "127.0.0.0x1",
        "a.b.0x",
        "example.0",
    ],
)
def test_an_ipv4_address_in_disguise_is_refused(host_: str) -> None:
    """Libraries read these differently, which is how guards are passed."""
    assert "must have an IPv4 address in its plain form" in rule_against(f"https://{host_}/")


@pytest.mark.parametrize(
    "host_", ["[fe80::1%25eth0]", "[fe80::1%eth0]", "[::1%]", "[v1.a]", "[127.0.0.1]", "[]", "[:]"]
)
def test_what_stands_in_brackets_is_an_ipv6_address_without_a_zone(host_: str) -> None:
    """A zone means something on one machine alone."""
    assert "must have an IPv6 address without a zone between the brackets" == rule_against(f"https://{host_}/")


@pytest.mark.parametrize(
    "host_",
    [
        ".",
        "a..b",
        ".a",
        "a..",
        "-a.example",
        "a-.example",
        "%31%32%37.0.0.1",
        "a%2eb",
        "a,b",
        "a!b",
        "a*b",
        "(a)",
        "a" * 64,
        ".".join(["a" * 49] * 6),
    ],
)
def test_a_host_is_a_name_that_dns_can_hold(host_: str) -> None:
    """Not one that is percent-encoded either: a second decoding would make it another."""
    assert "must have a host of letters" in rule_against(f"https://{host_}/")


def test_a_host_that_becomes_a_path_is_refused() -> None:
    """℀ is a/c once normalised, and what follows it would be somebody else's host."""
    assert rule_against("https://example.com℀.example.org/")


@pytest.mark.parametrize("url", ["https://u:p@example.com/", "https://u@example.com/", "https://@example.com/"])
def test_a_user_in_the_url_is_refused(url: str) -> None:
    """It would be sent as Basic auth, shown in every listing, and used to disguise the host."""
    assert "must have no user or password: send credentials in a header" == rule_against(url)


@pytest.mark.parametrize("url", ["https://example.com/#", "https://example.com/a#b", "https://a#@b/"])
def test_a_fragment_is_refused(url: str) -> None:
    """It is never sent, so whoever wrote it expects something that will not be."""
    assert "fragment" in rule_against(url)


@pytest.mark.parametrize("character", [*" \t\r\n\v\f\\\0\x1f\x7f\x85\xa0\u2003\u2028\u3000\ud800"])
@pytest.mark.parametrize("url", ["{}https://a/", "https://a{}b/", "https://a/{}", "https://a/?{}", "https://a/b{}"])
def test_white_space_control_characters_and_backslashes_are_refused(url: str, character: str) -> None:
    """Wherever they stand: nothing is stripped, for the next parser might not."""
    assert "must have no white space" in rule_against(url.format(character))


def test_a_url_is_as_long_as_everyone_can_carry() -> None:
    """Counted before and after percent-encoding."""
    longest = "https://example.com/".ljust(MAX_CHARACTERS, "a")

    assert longest == normalise(longest, allow_http=False)
    assert "must have 1 to 2048 characters" == rule_against(longest + "a")
    assert "must have 1 to 2048 characters" == rule_against("")
    assert "once it is percent-encoded" in rule_against("https://example.com/" + "é" * 400)


@pytest.mark.parametrize(
    ("shown", "url"),
    [
        ("http://Example.com:99/…", "http://Example.com:99/s3cret?s3cret#s3cret"),
        ("https://example.com:0/…", "https://example.com:0?s3cret"),
        ("…", "https://me:s3cret@example.com/"),
        ("…", "http://me:12345/s3cret@example.com/"),
        ("…", "https://me:12345\\s3cret@example.com/"),
        ("…", "s3cret"),
        ("…", "https://s3 cret/"),
    ],
)
def test_a_refusal_shows_the_origin_at_most(shown: str, url: str) -> None:
    """Paths, queries and passwords are secrets, and a refusal ends up in logs and on screens."""
    with pytest.raises(Invalid) as refused:
        normalise(url, allow_http=False)

    assert shown == refused.value.problems[0].value
    assert "s3cret" not in str(refused.value)


@pytest.mark.parametrize(
    ("shown", "url"),
    [
        ("https://example.com/…", "https://example.com/"),
        ("https://example.com:8443/…", "https://example.com:8443/hooks/t0ken?key=1"),
        ("https://[2001:db8::1]:8443/…", "https://[2001:db8::1]:8443/@a"),
        ("http://127.0.0.1/…", "http://127.0.0.1/"),
        ("…", ""),
        ("…", "/hooks/t0ken"),
        ("…", "https://"),
    ],
)
def test_a_masked_url_is_its_origin(shown: str, url: str) -> None:
    """The path is cut as a whole, for it may hold a token anywhere."""
    assert shown == masked(url)


@pytest.mark.parametrize(
    ("called", "url"),
    [
        ("example.com", "https://example.com:8443/a"),
        ("::1", "https://[::1]:8443/a"),
        ("xn--bcher-kva.example", "https://xn--bcher-kva.example/"),
        ("", "garbage"),
        ("", "https://[/"),
        ("", "https://[::1]@"),
    ],
)
def test_the_host_is_the_one_that_is_called(called: str, url: str) -> None:
    """In ASCII and without brackets, as it stands in logs."""
    assert called == host(url)
