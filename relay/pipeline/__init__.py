"""
The path, in order. bytes -> Record -> Event -> Deliveries -> Request -> Reply -> Verdict -> Outgoing -> commit.

    consume   records of assigned partitions, explicit commits                              edge (aiokafka)
    decode    bytes -> Event or Delivery, or Malformed with its reason                      pure
    filters   the JSON operator filter, compiled once                                       pure
    match     Event x subscriptions -> endpoints, in id order                               pure
    lanes     every receiver in a lane of its own, all of them in the worker's places       pure
    lane      what waits for one receiver, and when it may go                               pure
    limit     how many requests to one receiver may be under way at once                    pure
    breaker   the circuit of one lane: closed, open for a while, then one probe             pure
    rate      at most so many a second, evenly spaced                                       pure
    places    the requests a worker may have under way, shared between accounts             pure
    dispatch  deliveries into their lanes, and attempts out of them                         edge
    schedule  attempt -> delay, deferral -> delay, when a record is due                     pure
    sign      Delivery x Endpoint x now -> Request                                          pure
    egress    which addresses may be called, with the reason                                pure
    deliver   Request -> Reply; a refused or slow receiver is a Reply                       edge (aiohttp)
    wire      the same, on aiohttp's connector and parser                                   edge (aiohttp)
    settle    Delivery x Reply -> Verdict                                                   pure
    results   Verdict -> the records that tell it                                           pure
    produce   records -> Kafka, acknowledged                                                edge (aiokafka)
    ledger    per (partition, assignment): taken, settled, committable                      pure
    settled   what is settled above the committed offset <-> the commit's metadata          pure
    holdings  the ledgers of a consumer through rebalances                                  pure
    client    a consumer in its group, and what it does not show of itself                  edge (aiokafka)
    offsets   what a group has committed, never older than its last commit                  edge (aiokafka)
    commit    what is settled -> committed                                                  edge
    health    what an endpoint answered lately -> gone, failing, recovered                  pure
    disable   subscriptions whose endpoints are gone -> disabled                           edge (the store)
    notices   what people must hear of: written, counted, logged                            edge
    seen      which turn of a retry chain was met before                                    pure
    delays    delivery records that wait for their time                                     pure
    fan       the deliveries of one record, counted down to its settlement                  pure
    room      how much may be in flight and in memory                                       edge (asyncio)
    census    how the lanes are, for people                                                 pure
    attempt   admit -> sign -> deliver -> settle -> results -> produce: the only file that knows the order
    events    reads events, starts first attempts in the log's order                        edge
    deliveries  reads delivery topics, starts what is due                                   edge
    faults    what cannot be walked, and how often that may be                              edge
    watch     whether something that should move has stood still for too long               pure
    sights    what the watchdog sees of a worker                                            edge
    watchdog  ends the process when it stands still                                         edge (aiokafka, a thread)
    worker    how all of it runs side by side, and ends                                     edge
    start     where a group begins to read                                                  edge (aiokafka)
    listener  /metrics, /lanes, /livez, /readyz                                             edge (aiohttp)
    ground    the broker and its topics, looked at before anything is touched               edge
    wiring    what a worker is made of, connected and put together                          edge
    service   a worker process: reached, wired, run, taken apart                            edge
"""
