import pytest

from relay.ports import refusal


@pytest.mark.parametrize("port", [80, 443, 444, 3128, 5000, 8000, 8080, 8081, 8443, 9000, 9443, 32_768, 65_535])
def test_a_port_that_receivers_are_at_may_be_called(port: int) -> None:
    """Those of the web, those of frameworks, and whatever the kernel gives."""
    assert None is refusal(port)


@pytest.mark.parametrize(
    ("port", "service"),
    [
        *((22, "ssh"), (25, "smtp"), (53, "domain"), (110, "pop3"), (143, "imap"), (445, "microsoft-ds")),
        *((587, "submission"), (2049, "nfs"), (2375, "docker"), (2379, "etcd-client"), (6000, "x11")),
        *((6379, "redis"), (6667, "ircu"), (9200, "elasticsearch"), (10_080, "amanda"), (10_250, "kubelet")),
        *((11_211, "memcache"), (0, "nobody")),
    ],
)
def test_a_port_of_another_service_is_refused_with_its_name(port: int, service: str) -> None:
    """Whoever wrote it sees what they mistook for a receiver."""
    assert f"port {port} is {service}'s, never a receiver's" == refusal(port)


def test_the_list_is_the_fetch_standards_and_nine_more() -> None:
    """Its 83 bad ports; any number at all has an answer."""
    assert 83 + 9 == sum(refusal(port) is not None for port in range(-1, 65_537))
