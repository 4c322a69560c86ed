"""
The HTTP API, `/api/v1` (schemas/openapi.yaml): requests in, answers out; what may be done is the desk's to say.

    asked          what was asked, field by field -> values, or every problem at once               pure
    problems       what went wrong -> problem details (RFC 9457)                                    pure
    answers        JSON out, JSON in, within bounds                                                 edge (aiohttp)
    subscriptions  webhooks                                                                         edge (aiohttp)
    deliveries     Delivery History                                                                 edge (aiohttp)
    routes         all of them                                                                      edge (aiohttp)
"""
