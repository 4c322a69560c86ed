"""
Sample events: what the platform publishes of a lead, with made-up people in it. For `relay send`, the demo and benches.

The address is of the block for documentation (RFC 5737), the mail domain reserved (RFC 2606): whoever follows one up
finds nobody.
"""

from datetime import UTC, datetime
from random import Random
from typing import Any
from uuid import UUID

from relay.model import RESOURCE

ACCOUNT = "cd0015d4-63b7-42b7-bd19-fecbe1f781ba"
BOT = "9da97045-bb52-40a5-9414-45140a0285aa"
_FIRST = ("Ada", "Ben", "Chen", "Dora", "Emre", "Fatima", "Goran", "Hana", "Ines", "Jonas")
_CITIES = (
    ("US", "United States", "California", "Bakersfield", "35.3275", "-118.9839"),
    ("DE", "Germany", "Hamburg", "Hamburg", "53.5507", "9.993"),
    ("IN", "India", "Karnataka", "Bengaluru", "12.9719", "77.5937"),
)


def sample_event(
    event_type: str,
    *,
    now_ms: int,
    random: Random,
    account_id: str = ACCOUNT,
    lead_id: str | None = None,
    version: int = 1,
) -> dict[str, Any]:
    """
    One event, some 1.1 kB as JSON.

    Args:
        event_type: lead.created, lead.updated or lead.completed.
        now_ms: When it happened.
        random: Where ids and names come from; the same seed, the same events.
        account_id: Whose lead it is.
        lead_id: Which lead; None: a new one.
        version: Rises with every event of a lead.
    """
    lead_id = lead_id or uuid(random)
    first = random.choice(_FIRST)
    country, country_name, state, city, latitude, longitude = random.choice(_CITIES)
    moment = datetime.fromtimestamp(now_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")
    mail = f"{first.lower()}.{random.randrange(1000)}@example.com"
    return {
        "lead": {
            "id": lead_id,
            "create_date": f"{moment}1Z",
            "modify_date": f"{moment}7Z",
            "bot_id": BOT,
            "bot_version_id": uuid(random),
            "account_id": account_id,
            "contact_id": uuid(random),
            "status": 0,
            "version": version,
            "data": {
                "First Name": {"input": first, "type": "text", "display_value": first, "value": first},
                "Email": {"input": mail, "type": "email", "display_value": mail, "value": mail},
            },
        },
        "meta": {
            "chat_start_page": "https://www.example.com/contact",
            "ip_address": f"192.0.2.{random.randrange(1, 255)}",
            "location": {
                "country_abbreviation": country,
                "country": country_name,
                "state": state,
                "city": city,
                "latitude": latitude,
                "longitude": longitude,
            },
            "browser": {
                "user_agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0",
                "name": "Chrome",
                "version": "130",
                "major": 130,
                "is_mobile": random.random() < 0.5,  # noqa: PLR2004  half of them
            },
            "last_answered_field_name": "Email",
        },
        "resource": RESOURCE,
        "action": event_type.removeprefix(f"{RESOURCE}."),
        "resource_id": lead_id,
        "time_stamp": f"{moment}9Z",
        "resource_version": version,
    }


def uuid(random: Random) -> str:
    """A random UUID (RFC 9562, version 4), as text."""
    return str(UUID(int=random.getrandbits(128), version=4))
