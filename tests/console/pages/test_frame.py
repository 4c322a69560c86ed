"""What stands around every page."""

import pytest

from relay.access.values import Principal, Scope
from relay.console.ages import Age
from relay.console.pages import frame


def places(who: Principal, path: str = "/") -> list[str]:
    return [place.path for group in frame.navigation(who, path) for place in group.pages]


def test_nobody_is_shown_the_way_to_what_they_may_not_see() -> None:
    """What is of all accounts, and what takes another scope."""
    reader = Principal(name="a", scope=Scope.READ, account="42")
    admin = Principal(name="b", scope=Scope.ADMIN)

    assert not {"/access", "/audit", "/reconcile"} & set(places(reader))
    assert {"/", "/deliveries", "/access", "/reconcile"} <= set(places(admin))


def test_the_page_that_somebody_is_on_is_marked() -> None:
    """Also when it is one below it; the overview is above none."""
    admin = Principal(name="b", scope=Scope.ADMIN)

    current = [
        place.path
        for group in frame.navigation(admin, "/deliveries/dlv_1")
        for place in group.pages
        if place.is_current
    ]

    assert ["/deliveries"] == current


@pytest.mark.parametrize(
    ("age", "tones"),
    [
        (Age(as_of_ms=1, behind_s=0.5, trouble=None), []),
        (Age(as_of_ms=1, behind_s=60.0, trouble="it is 60 s behind the log"), ["wait"]),
        (Age(as_of_ms=None, behind_s=None, trouble="locked"), ["bad"]),
    ],
)
def test_a_history_that_is_late_or_gone_is_told_on_every_page(age: Age, tones: list[str]) -> None:
    """And one that is as it should be is not."""
    assert tones == [one.tone for one in frame.banners(age)]


@pytest.mark.parametrize("path", ["https://a.example/", "//a.example", "/\\a.example", "", "/a\nb", "javascript:x"])
def test_a_form_sends_nobody_to_another_site(path: str) -> None:
    """`next` is whatever somebody put into a link."""
    assert not frame.is_here(path)
