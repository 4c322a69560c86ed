"""Settings that contradict each other."""

import pytest

from relay.config import Config
from relay.errors import ConfigProblem, Problem


def problems(**variables: str) -> tuple[Problem, ...]:
    """Of these settings, with RELAY_ in front."""
    with pytest.raises(ConfigProblem) as told:
        Config.read({f"RELAY_{name}": text for name, text in variables.items()})
    return told.value.problems


@pytest.mark.parametrize(
    ("variables", "field", "rule"),
    [
        ({"BUFFER_BYTES": "1MiB"}, "RELAY_BUFFER_BYTES", "twice RELAY_MAX_EVENT_BYTES"),
        ({"RESPONSE_BYTES": "64KiB", "MAX_EVENT_BYTES": "367KiB"}, "RELAY_RESPONSE_BYTES", "every byte escaped"),
        ({"ON_STOP": "stay"}, "RELAY_ON_STOP", "needs RELAY_INSTANCE_ID"),
        ({"EVENTS_TOPICS": "leads.events,relay.results"}, "RELAY_EVENTS_TOPICS", "a topic that relay writes"),
        ({"EVENTS_TOPICS": "x.deliveries.5s", "TOPIC_PREFIX": "x"}, "RELAY_EVENTS_TOPICS", "a topic that relay writes"),
        ({"GROUP": "relay.deliveries"}, "RELAY_GROUP", "the group of the delivery topics"),
        ({"NOTICES_URL": "https://ops.example/t0ken"}, "RELAY_NOTICES_URL", "goes with RELAY_NOTICES_SECRET_FILE"),
        ({"NOTICES_SECRET_FILE": "/secret"}, "RELAY_NOTICES_URL", "goes with RELAY_NOTICES_SECRET_FILE"),
        ({"RETENTION": "notices=3d"}, "RELAY_DISABLE_AFTER", "RELAY_RETENTION keeps notices"),
        ({"TRUSTED_USER_HEADER": "X-User"}, "RELAY_TRUSTED_USER_HEADER", "needs RELAY_TRUSTED_PROXIES"),
    ],
)
def test_settings_that_contradict_each_other_are_told_together(
    variables: dict[str, str], field: str, rule: str
) -> None:
    """With the values of both, whichever of them was set."""
    (problem,) = problems(**variables)

    assert field == problem.field
    assert rule in problem.rule
    assert all(f"RELAY_{name}=" in problem.value for name in variables)
    assert "t0ken" not in str(problem)


def test_a_rule_over_a_setting_that_is_itself_wrong_is_passed_over() -> None:
    """That one is told; whether the two agree shows when it is mended."""
    (problem,) = problems(ON_STOP="never")

    assert ("RELAY_ON_STOP", "must be leave or stay") == (problem.field, problem.rule)
