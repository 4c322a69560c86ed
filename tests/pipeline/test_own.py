import asyncio

from relay.clock import ManualClock
from relay.config import Config
from relay.networks import Proxy, allowance
from relay.pipeline.egress import OWN, Egress
from relay.pipeline.own import LOOK_S, Own, with_addresses

LISTENER, BROKER = ("10.0.0.9", 9464), ("10.0.0.1", 9092)
CONFIG = Config(allow_networks=(allowance("10.0.0.0/8"), allowance("127.0.0.0/8"), allowance("fd00::/8@a")))


async def test_a_place_is_known_by_its_name_and_by_its_addresses() -> None:
    """A name that stands for nothing is kept as it is."""
    found = await with_addresses([("localhost", 9092), ("10.0.0.1", 9092), ("no.such\x00name", 9092), ("a..b", 9092)])

    assert {("localhost", 9092), ("127.0.0.1", 9092), ("10.0.0.1", 9092), ("no.such\x00name", 9092)} <= found


def test_the_rules_are_the_configurations_and_nothing_of_relays_own_is_called() -> None:
    """The listeners, the brokers, and the proxy, whatever is allowed."""
    config = Config(
        allow_http=True,
        allow_networks=CONFIG.allow_networks,
        allow_metadata=True,
        console_address=("10.0.0.8", 8080),
        egress_proxy=Proxy("10.0.0.7", 3128),
    )
    theirs = (LISTENER, BROKER, ("10.0.0.8", 8080), ("10.0.0.7", 3128))

    egress = Own(config, {LISTENER, BROKER}).egress()

    assert [OWN] * 4 == [egress.refusal(*place) for place in theirs]
    assert [None] * 3 == [egress.refusal(host, 443) for host in ("10.0.0.1", "10.0.0.7", "10.0.0.8")]
    assert None is egress.of("a").refusal("fd00:ec2::254", 443)
    assert egress.of("b").refusal("fd00::1", 443)
    assert {"http", "https"} == egress.schemes


async def test_a_broker_that_joins_is_never_called_either() -> None:
    """By the name that it gives itself, and by what that stands for; what was known stays so."""
    own, obeyed = Own(CONFIG, {LISTENER, BROKER}), list[Egress]()
    own.obey = obeyed.append

    await own.look([BROKER])
    assert [] == obeyed
    await own.look([BROKER, ("localhost", 9093)])
    await own.look([("localhost", 9093)])

    (egress,) = obeyed
    assert OWN == egress.refusal("127.0.0.1", 9093)
    assert OWN == egress.refusal_of_name("localhost", ["127.0.0.1"], 9093)
    assert [OWN, OWN] == [egress.refusal(*place) for place in (LISTENER, BROKER)]


async def test_a_listener_and_a_proxy_are_not_called_by_what_their_names_lead_to_either() -> None:
    """RELAY_METRICS_ADDRESS and RELAY_EGRESS_PROXY may hold names; those are looked up as the brokers' are."""
    config = Config(allow_networks=CONFIG.allow_networks, egress_proxy=Proxy("localhost", 3128))
    own = Own(config, {("localhost", 9464)})

    await own.look(())

    assert {("127.0.0.1", 9464), ("127.0.0.1", 3128)} <= own._places


async def test_brokers_are_looked_at_every_minute() -> None:
    """Until it is cancelled; the rules change with the brokers and not with the looks."""
    clock, own, obeyed = ManualClock(), Own(CONFIG, {BROKER}), list[Egress]()
    there = [BROKER]
    changed = asyncio.Event()

    def obey(egress: Egress) -> None:
        obeyed.append(egress)
        changed.set()

    own.obey = obey
    async with asyncio.TaskGroup() as group:
        running = group.create_task(own.run(lambda: there, clock))
        await asyncio.sleep(0)
        await clock.advance(LOOK_S * 3)
        assert [] == obeyed
        there.append(("10.0.0.2", 9092))
        while not changed.is_set():  # looking is an affair of threads: its end is not the clock's
            await clock.advance(LOOK_S)
            await asyncio.sleep(0)
        running.cancel()

    assert OWN == obeyed[0].refusal("10.0.0.2", 9092)
    assert 1 == len(obeyed)
