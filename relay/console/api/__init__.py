"""
The HTTP API, `/api/v1` (schemas/openapi.yaml): requests in, answers out; what may be done is the desk's to say.

    asked          what was asked, field by field -> values, or every problem at once               pure
    idempotency    calls that are made again: which, and their answers                              pure
    answers        JSON out, JSON in, within bounds                                                 edge (aiohttp)
    subscriptions  webhooks                                                                         edge (aiohttp)
    deliveries     Delivery History                                                                 edge (aiohttp)
    export         a listing as CSV or NDJSON                                                       edge (aiohttp)
    stream         results as they are written                                                      edge (aiohttp)
    sends          tests, redeliveries, replays                                                     edge (aiohttp)
    burying        dead letters                                                                     edge (aiohttp)
    governing      lanes, reconciliation, notices, audit, tokens, erasing                           edge (aiohttp)
    repeats        calls that are made again are not done again                                     edge (aiohttp)
    routes         all of them                                                                      edge (aiohttp)
"""
